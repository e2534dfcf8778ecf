"""Whether a saved plan still fits, and if not, what has changed since it was made: records, objects, attributes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flowplan.plan.change import Action, Plan, ResourceChange
from flowplan.plan.diff import same
from flowplan.plan.digest import record_digest
from flowplan.plan.drift import who
from flowplan.plan.observation import Observation, Observed
from flowplan.plan.walk import is_fresh
from flowplan.resources import Change, kind_of
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address, Kind

_SHOWN = 10
"""How many changed things are named; of more, the number."""


def record_digests(snapshot: Snapshot) -> dict[str, str]:
    """A digest of each record, by address: what a saved plan keeps of the state it was made from."""
    return {str(address): record_digest(record) for address, record in snapshot.records.items()}


def changed_records(before: Mapping[str, str], snapshot: Snapshot) -> list[str]:
    """In words, which records are not as they were when ``before`` was taken."""
    now = record_digests(snapshot)
    told = [f"{address} was recorded" for address in now if address not in before]
    told += [f"{address} is no longer recorded" for address in before if address not in now]
    told += [
        f"the record of {address} was changed"
        for address, digest in now.items()
        if before.get(address, digest) != digest
    ]
    return listed(told)


def listed(told: list[str]) -> list[str]:
    """The first of several sentences, and how many more there are."""
    return told if len(told) <= _SHOWN else [*told[:_SHOWN], f"and {len(told) - _SHOWN} more"]


def changed_objects(plan: Plan, snapshot: Snapshot, before: Observation, now: Observation) -> list[str]:
    """In words, which objects that a plan touches, or makes others depend on, are not as it saw them.

    What only the provider decides (prices, instances, where a task stands in the auction) may differ; that a task has
    been paused, has completed or was attached to a volume that is to be destroyed may not.
    """
    told: list[str] = []
    for record, change in _touched(plan, snapshot):
        told += _differences(record, change, before, now)
    for change in plan.changes:
        if change.imported and change.record is not None:
            told += _differences(change.record, change, before, now)
    return listed(list(dict.fromkeys(told)))


def _touched(plan: Plan, snapshot: Snapshot) -> Iterator[tuple[Record, ResourceChange | None]]:
    """The records a plan is about, each with its change; and those that what it changes depends on, without."""
    moved = {move.to: move.origin for move in plan.moves}

    def recorded(address: Address) -> Record | None:
        return snapshot.records.get(moved.get(address, address))

    changes = {change.address: change for change in plan.changes if not change.deposed}
    needed: dict[Address, None] = {}
    for change in plan.changes:
        needed[change.address] = None
        if change.action not in (Action.DELETE, Action.FORGET):
            needed.update(dict.fromkeys(change.dependencies))
    for address in needed:
        if (record := recorded(address)) is not None:
            yield record, changes.get(address)


def _differences(
    record: Record, change: ResourceChange | None, before: Observation, now: Observation
) -> Iterator[str]:
    if record.kind not in now.kinds or record.kind not in before.kinds:
        return
    address, events = record.address, now.events.get(record.id, ())
    was, seen = before.find(record.kind, record.id), now.find(record.kind, record.id)
    if seen is None and is_fresh(record, now):
        return
    there, here = was is not None and was.exists, seen is not None and seen.exists
    if there and not here:
        yield f"{address} ({record.id}) no longer exists at the provider{who(events, ('',))}"
        return
    if here and not there and not is_fresh(record, before):
        yield f"{address} ({record.id}) exists at the provider again"
        return
    if record.id in now.completions and record.id not in before.completions:
        yield f"{address} has completed"
    if was is None or seen is None:
        return
    if was.name != seen.name:
        yield f"{address} is called {seen.name!r}, and was {was.name!r}"
    for name in _watched(was, seen, change):
        old, new = was.attributes.get(name), seen.attributes.get(name)
        yield f"{address}: {name} was {_value(old)} and is {_value(new)}{who(events, (name,))}"


def _watched(was: Observed, seen: Observed, change: ResourceChange | None) -> Iterator[str]:
    """The attributes that differ, of those that another hand can change."""
    attributes = kind_of(was.kind).attributes
    for name in dict.fromkeys((*was.attributes, *seen.attributes)):
        old, new = was.attributes.get(name), seen.attributes.get(name)
        attribute = attributes.get(name)
        if attribute is None or name == "name" or same(old, new, attribute):
            continue
        if name == "status":
            if "paused" in (old, new):
                yield name
        elif attribute.change is not Change.PROVIDER or (
            was.kind is Kind.VOLUME
            and name in ("bids", "reservations")
            and _ends(change)
            and set(_ids(new)) - set(_ids(old))
        ):
            yield name


def _ends(change: ResourceChange | None) -> bool:
    return change is not None and change.action in (Action.DELETE, Action.REPLACE)


def _ids(value: Any) -> Iterable[str]:
    return value if isinstance(value, (list, tuple)) else ()


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else text[:117] + "..."
