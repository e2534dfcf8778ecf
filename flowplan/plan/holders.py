"""Who holds which volume, before and after a plan: attachments, their preconditions and their order.

A volume is attached through the list of its task or reservation, which must be in its region; a block volume by
one instance at a time (spec/provider.md, 2.1 and 2.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import evolve

from flowplan.lang.stack import Condition, Resource, Stack
from flowplan.plan.change import Action, ResourceChange
from flowplan.plan.observation import Observation
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
    wanted = change.update.get("volume_ids")
    if change.action is Action.FORGET or wanted is None:
        return wanted
    held = list(dict.fromkeys((*_recorded(change), *change.frees)))
    kept = [id for id in held if is_known(wanted) and id in wanted] if isinstance(wanted, list) else []
    if isinstance(wanted, list) and not is_known(wanted):
        kept = [id for id in held if id in [one for one in wanted if isinstance(one, str)]]
    takes_away, adds = len(kept) < len(held), not isinstance(wanted, list) or len(wanted) > len(kept)
    return kept if takes_away and (adds or change.lets_go_first) else None


def with_detachments(
    snapshot: Snapshot, observation: Observation | None, changes: Sequence[ResourceChange]
) -> list[ResourceChange]:
    """The changes, with what holds a volume that is destroyed letting go of it in time.

    A reservation that is forgotten lives on at the provider, and what it holds could not be destroyed. An update that
    waits for something new (which may wait for that very volume's replacement) would let go too late.

    What is held is what is seen or on record. A list may lag behind a detachment that is on record already, and
    another hand may have attached what no record knows of; to let go of what is not held does no harm.
    """
    ended = {c.id for c in changes if c.kind is Kind.VOLUME and c.action in (Action.DELETE, Action.REPLACE)}
    if not ended:
        return list(changes)
    late, ours = _late(changes), frozenset(id for kind, id in snapshot.ids() if kind is Kind.VOLUME)
    found = []
    for change in changes:
        recorded, seen = _recorded(change), _seen(change, observation)
        held = list(dict.fromkeys((*recorded, *(seen or ()))))
        if change.action is Action.FORGET and change.kind is Kind.RESERVATION:
            frees = tuple(id for id in held if id in ended)
            if frees and not any(r.cause is Cause.GONE for r in change.reasons):
                kept = [id for id in held if id not in ended and _stays(id, recorded, seen, ours)]
                change = evolve(change, update={"volume_ids": kept}, frees=frees)
        elif change.action is Action.UPDATE and (wanted := change.update.get("volume_ids")) is not None:
            stay = wanted if isinstance(wanted, list) else ()
            frees = tuple(id for id in held if id in ended and id not in stay)
            if frees:
                change = evolve(change, frees=frees, lets_go_first=change.address in late)
        found.append(change)
    return found


def _recorded(change: ResourceChange) -> Sequence[str]:
    """The volumes that are on record as attached."""
    return (change.record.attributes.get("volume_ids") or ()) if change.record is not None else ()


def _seen(change: ResourceChange, observation: Observation | None) -> Sequence[str] | None:
    """The volumes that are seen to be attached; None where nothing was looked at, or it is not listed."""
    found = observation.find(change.kind, change.id) if observation is not None else None
    return None if found is None or not found.exists else found.attributes.get("volume_ids") or ()


def _stays(id: str, recorded: Sequence[str], seen: Sequence[str] | None, ours: frozenset[str]) -> bool:
    """Whether a volume is left attached to what is forgotten: as it is on record and seen to be.

    One that is not seen has been taken away by another hand. One that is not on record is left only where it is none
    of this stack's, which may have been detached a moment ago.
    """
    if seen is None:
        return True
    return id in seen and (id in recorded or id not in ours)


def _late(changes: Sequence[ResourceChange]) -> set[Address]:
    """The updates that wait for something to be made anew, themselves or by way of other updates."""
    waited: dict[Address, list[Address]] = {}
    for change in changes:
        if change.action is Action.UPDATE and not change.deposed:
            for dependency in change.dependencies:
                waited.setdefault(dependency, []).append(change.address)
    reached = [c.address for c in changes if c.action in (Action.CREATE, Action.REPLACE)]
    late: set[Address] = set()
    while reached:
        fresh = [address for address in waited.get(reached.pop(), ()) if address not in late]
        late.update(fresh)
        reached += fresh
    return late


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
