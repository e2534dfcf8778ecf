"""Who holds which volume, before and after a plan: attachments, their preconditions and their order.

A volume is attached through the list of its task or reservation, which must be in its region; a block volume by
one instance at a time (spec/provider.md, 2.1 and 2.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import evolve

from flowplan.lang.stack import Condition, Resource, Stack
from flowplan.plan.change import Action, ResourceChange
from flowplan.plan.reason import Cause
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Diagnostic
from flowplan.values.value import is_known


def detaches_first(change: ResourceChange) -> bool:
    """Whether volumes are to be let go of by a request of their own, before anything else is done.

    So it is where others are attached by the same change: two resources may swap their volumes. So it is for a
    reservation that is forgotten while a volume it holds is destroyed, and where the rest of the change waits for
    something new while a volume that it lets go of is destroyed.
    """
    return kept_volumes(change) is not None


def kept_volumes(change: ResourceChange) -> list[str] | None:
    """The volumes that stay attached once those are let go of that the change takes away; None: no such request."""
    record = change.record
    held = list((record.attributes.get("volume_ids") or ()) if record is not None else ())
    if change.action is Action.FORGET:
        wanted = change.update.get("volume_ids")
        return wanted if isinstance(wanted, list) and wanted != held else None
    wanted = change.update.get("volume_ids")
    if wanted is None:
        return None
    kept = [id for id in held if is_known(wanted) and id in wanted] if isinstance(wanted, list) else []
    if isinstance(wanted, list) and not is_known(wanted):
        kept = [id for id in held if id in [one for one in wanted if isinstance(one, str)]]
    takes_away, adds = len(kept) < len(held), not isinstance(wanted, list) or len(wanted) > len(kept)
    return kept if takes_away and (adds or change.lets_go_first) else None


def with_detachments(changes: Sequence[ResourceChange]) -> list[ResourceChange]:
    """The changes, with what holds a volume that is destroyed letting go of it in time.

    A reservation that is forgotten lives on at the provider, and what it holds could not be destroyed. An update that
    waits for something new (which may wait for that very volume's replacement) would let go too late.
    """
    ended = {c.id for c in changes if c.kind is Kind.VOLUME and c.action in (Action.DELETE, Action.REPLACE)}
    if not ended:
        return list(changes)
    made = {c.address for c in changes if c.action in (Action.CREATE, Action.REPLACE)}
    deleted = {c.id for c in changes if c.kind is Kind.VOLUME and c.action is Action.DELETE}
    found = []
    for change in changes:
        record = change.record
        held = list((record.attributes.get("volume_ids") or ()) if record is not None else ())
        if change.action is Action.FORGET and change.kind is Kind.RESERVATION:
            kept = [id for id in held if id not in deleted]
            if len(kept) < len(held) and not any(r.cause is Cause.GONE for r in change.reasons):
                change = evolve(change, update={"volume_ids": kept})
        elif change.action is Action.UPDATE and isinstance(wanted := change.update.get("volume_ids"), list):
            goes = any(id in ended and id not in wanted for id in held)
            if goes and not made.isdisjoint(change.dependencies):
                change = evolve(change, lets_go_first=True)
        found.append(change)
    return found


def block_holders(stack: Stack) -> dict[Address, list[Address]]:
    """The block volumes of a stack and who mounts each, in order of address."""
    found: dict[Address, list[Address]] = {}
    blocks = {
        address
        for address, resource in stack.resources.items()
        if address.kind is Kind.VOLUME and resource.config.get("interface") == "block"
    }
    if not blocks:
        return found
    for address, resource in stack.resources.items():
        for volume in dict.fromkeys(r.address for r in resource.references if _mounts(r.attribute)):
            if volume in blocks:
                found.setdefault(volume, []).append(address)
    return found


def _mounts(attribute: str) -> bool:
    """Whether a reference stands for the volume itself, and not for something about it."""
    return attribute in ("", "volume_id")


def block_handovers(
    stack: Stack, snapshot: Snapshot, by_address: Mapping[Address, ResourceChange]
) -> Iterator[tuple[Address, Address]]:
    """Pairs (who lets go, who takes) of each block volume that changes hands in a plan."""
    blocks = block_holders(stack)
    if not blocks:
        return
    givers: dict[str, list[Address]] = {}
    for giver, change in by_address.items():
        owner = snapshot.records.get(giver)
        for id in (owner.attributes.get("volume_ids") or ()) if owner is not None else ():
            if change.action is not Action.CREATE:
                givers.setdefault(id, []).append(giver)
    for volume, wanted in blocks.items():
        record = snapshot.records.get(volume)
        for giver in givers.get(record.id, ()) if record is not None else ():
            if giver not in wanted:
                yield from ((giver, taker) for taker in wanted if taker in by_address)


def check_holders(stack: Stack) -> Iterator[Diagnostic]:
    """What no provider would attach: a block volume on several instances, or on two resources at once."""
    for volume, holders in block_holders(stack).items():
        for holder in holders:
            resource = stack.resources[holder]
            count = resource.config.get("num_instances" if holder.kind is Kind.TASK else "quantity")
            if isinstance(count, int) and count > 1:
                yield _wrong(
                    resource,
                    f"{holder} has {count} instances, and {volume} can be used by one",
                    "A block volume is attached to one instance at a time.",
                    f"Set interface: file on {volume}, or use one instance.",
                )
        for index, holder in enumerate(holders[1:], start=1):
            if rival := next(
                (other for other in holders[:index] if not _in_turn(stack, other, holder)), None
            ):
                yield _wrong(
                    stack.resources[holder],
                    f"{rival} and {holder} both use {volume}, which can be used by one at a time",
                    "A block volume is attached to one instance at a time, until that has ended.",
                    f"Set interface: file on {volume}, or let one depend on the other with the condition completed "
                    "and set terminate_on_exit: true on the first.",
                )
                break


def _in_turn(stack: Stack, one: Address, other: Address) -> bool:
    """Whether of two tasks one ends, and frees its instances, before the other starts."""
    return _waits_for_end(stack, other, one) or _waits_for_end(stack, one, other)


def _waits_for_end(stack: Stack, later: Address, first: Address) -> bool:
    if not stack.resources[first].config.get("terminate_on_exit"):
        return False
    seen, waiting = {later}, [later]
    while waiting:
        resource = stack.resources.get(waiting.pop())
        for dependency in resource.depends_on if resource is not None else ():
            if dependency.condition is Condition.COMPLETED:
                if dependency.address == first:
                    return True
                if dependency.address not in seen:
                    seen.add(dependency.address)
                    waiting.append(dependency.address)
    return False


def _wrong(resource: Resource, summary: str, detail: str, suggestion: str) -> Diagnostic:
    span, snippet = resource.span_of(("volumes",))
    return Diagnostic.error(
        summary,
        detail,
        span=span or resource.span,
        snippet=snippet or resource.snippet,
        address=resource.address,
        suggestion=suggestion,
    )
