"""``create_before_destroy``: which replacements are made first, and what forbids that two exist at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve

from flowplan.graph import Graph
from flowplan.lang.stack import Resource, Stack
from flowplan.plan.change import Action, ResourceChange
from flowplan.plan.observation import Observation
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Diagnostic


def made_first(
    stack: Stack, graph: Graph, changes: Sequence[ResourceChange]
) -> tuple[list[ResourceChange], dict[Address, Address]]:
    """The changes, with those replacements marked that are made before what they replace is destroyed.

    One that is made first needs what it depends on to be made first too, also by way of something new or updated, or
    the old one would have to go before the new one comes; those are returned with the resource that asks for it.
    """
    replaced = {c.address for c in changes if c.action is Action.REPLACE}
    made = {c.address for c in changes if c.action in (Action.CREATE, Action.UPDATE, Action.REPLACE)}
    asked = sorted(a for a in replaced if stack.resources[a].lifecycle.create_before_destroy)
    first = {address: address for address in asked}
    waiting = list(asked)
    while waiting:
        address = waiting.pop()
        for other in graph.needs.get(address, ()):
            if other in made and other not in first:
                first[other] = first[address]
                waiting.append(other)
    if not first:
        return list(changes), {}
    marked = [
        evolve(c, creates_first=True) if c.address in first and c.action is Action.REPLACE else c
        for c in changes
    ]
    return marked, {address: by for address, by in first.items() if address != by and address in replaced}


def check_made_first(
    stack: Stack,
    snapshot: Snapshot,
    observation: Observation | None,
    changes: Sequence[ResourceChange],
    because: Mapping[Address, Address],
) -> Iterator[Diagnostic]:
    """What cannot exist twice is refused, with advice; what takes twice the capacity is warned of."""
    for change in changes:
        if not change.creates_first:
            continue
        resource = stack.resources[change.address]
        record = snapshot.records[change.address]
        by = because.get(change.address)
        why = f"{by} asks for it with create_before_destroy" if by else "create_before_destroy is set"
        new_name = change.targets.get("name")
        drawn = change.kind is Kind.TASK and resource.config.get("unique_name")
        if not drawn and new_name in (record.name, record.attributes.get("name")):
            yield _refused(
                resource,
                f"{change.address} cannot be made before the old one is destroyed: both would be called {new_name!r}",
                why,
                "Set unique_name: true"
                if change.kind is Kind.TASK
                else "Give it another name in the same edit",
                by,
            )
        elif blocks := _held_blocks(change, stack, snapshot):
            yield _refused(
                resource,
                f"{change.address} cannot be made before the old one is destroyed: both would use {', '.join(blocks)}",
                f"{why}, and a block volume can be used by one instance at a time",
                "Use a volume with interface: file",
                by,
            )
        elif change.kind is Kind.TASK:
            yield from _capacity(change, resource, observation)


def _refused(resource: Resource, summary: str, why: str, advice: str, by: Address | None) -> Diagnostic:
    span, snippet = resource.span_of(("name",))
    return Diagnostic.error(
        summary,
        f"{why[0].upper()}{why[1:]}.",
        span=span or resource.span,
        snippet=snippet or resource.snippet,
        address=resource.address,
        suggestion=f"{advice}, or take create_before_destroy off {by or resource.address}.",
    )


def _held_blocks(change: ResourceChange, stack: Stack, snapshot: Snapshot) -> list[str]:
    """The block volumes of the stack that both the old and the new task mount."""
    record = snapshot.records[change.address]
    held = set(record.attributes.get("volume_ids") or ())
    found = []
    for reference in stack.resources[change.address].references:
        volume, old = stack.resources.get(reference.address), snapshot.records.get(reference.address)
        is_block = (
            volume is not None and volume.kind is Kind.VOLUME and volume.config.get("interface") == "block"
        )
        if is_block and old is not None and old.id in held:
            found.append(str(reference.address))
    return sorted(set(found))


def _capacity(
    change: ResourceChange, resource: Resource, observation: Observation | None
) -> Iterator[Diagnostic]:
    wanted, region = change.targets.get("instance_type"), change.targets.get("region")
    count: Any = change.targets.get("num_instances")
    for offer in observation.offers if observation else ():
        here = wanted in (offer.instance_type, offer.type_id) and offer.region == region
        if here and offer.available is not None and isinstance(count, int) and offer.available < count:
            yield Diagnostic.warning(
                f"{change.address}: there is room for {offer.available} of the {count} instances it needs besides the old ones",
                "It is made before the old one is destroyed, so for a while both count against capacity and quota. "
                "The old one goes on until the new one runs.",
                span=resource.span,
                snippet=resource.snippet,
                address=change.address,
                suggestion="Wait for capacity, or take create_before_destroy off it.",
            )
            return
