"""What has changed since the last apply, told apart: ours, the provider's, and another hand's (and whose).

A preempted task keeps its id and comes back by itself; a completed one is done. Neither is drift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve

from flowplan.plan.change import AttributeChange, Drift, DriftKind, ResourceChange
from flowplan.plan.diff import agree, drift_changes, same
from flowplan.plan.observation import HistoryEvent, Observation, Observed
from flowplan.resources import Change, kind_of
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address, Kind

_EVENTS: Mapping[str, tuple[str, ...]] = {
    "limit_price": ("limit price changed",),
    "volume_ids": ("volumes attached", "volumes removed"),
    "status": ("paused",),
    "end_time_utc": ("extended",),
    "quantity": ("capacity returned", "terminated"),
    "": ("terminated",),
}
"""Which events of the provider's history may have brought about a change of an attribute ("": of the whole object)."""


def is_as_left(record: Record, observed: Mapping[str, Any]) -> bool:
    """Whether a living object plainly is as the last apply left it; if not, a closer look may still find it so.

    Why: of most it is asked with each plan, and what has not drifted needs no list of how.
    """
    paused = observed.get("status") == "paused" and record.attributes.get("status") != "paused"
    return not paused and agree(kind_of(record.kind).controlled, record.attributes, observed)


def note_drift(
    record: Record, observed: Mapping[str, Any] | None, gone: bool, over: bool, events: Sequence[HistoryEvent]
) -> Drift | None:
    """What another hand has done to a recorded object, before it is known what the plan does about it.

    ``over``: it has completed or come to its end, so that its being gone is nothing new.
    """
    if gone:
        if over:
            return None
        return Drift(record.address, gone=True, kind=DriftKind.GONE, by=_by(events, ("",)))
    if observed is None:
        return None
    if is_as_left(record, observed):
        return None
    changed = list(drift_changes(kind_of(record.kind), record.attributes, observed))
    was, now = record.attributes.get("status"), observed.get("status")
    if now == "paused" and was != "paused":
        changed.append(AttributeChange("status", was, now, Change.PROVIDER, drift=True))
    if not changed:
        return None
    return Drift(record.address, attributes=tuple(changed), by=_by(events, [c.name for c in changed]))


def classify(drift: Drift, change: ResourceChange | None) -> DriftKind:
    """What a drift means, given what the plan does about it: harmful is what it undoes."""
    if drift.gone:
        return DriftKind.GONE
    undone = {*change.update} if change is not None else set()
    return DriftKind.HARMFUL if any(a.name in undone for a in drift.attributes) else DriftKind.BENIGN


def _by(events: Iterable[HistoryEvent], names: Iterable[str]) -> str:
    """Who did it, by the last event that can have brought it about; "" where the history does not say."""
    wanted = {word for name in names for word in _EVENTS.get(name, ())}
    who = [event.by for event in events if event.what.lower() in wanted]
    return who[-1] if who else ""


def who(events: Iterable[HistoryEvent], names: Iterable[str]) -> str:
    """``, by user_x`` where the history says who changed one of the attributes ``names``; else ""."""
    by = _by(events, names)
    return f", by {by}" if by else ""


def drifted_objects(snapshot: Snapshot, observation: Observation) -> list[tuple[Kind, str]]:
    """The recorded tasks and reservations that have drifted: those whose history is worth asking for."""
    found: list[tuple[Kind, str]] = []
    for record in snapshot.records.values():
        if record.kind is Kind.VOLUME or record.kind not in observation.kinds:
            continue
        seen = observation.find(record.kind, record.id)
        if seen is not None and seen.exists and is_as_left(record, seen.attributes):
            continue
        over = record.attributes.get("completion") is not None or record.id in observation.completions
        if seen is not None and note_drift(record, seen.attributes, not seen.exists, over, ()) is not None:
            found.append((record.kind, record.id))
    return found


def refreshed_records(
    snapshot: Snapshot,
    observation: Observation,
    keep_lost: Iterable[Address],
    skips: Callable[[Record, Observed | None], bool],
) -> tuple[tuple[Record, ...], tuple[Address, ...], tuple[Drift, ...]]:
    """What a plan that only refreshes writes: records as they are at the provider, those to drop, and the drift.

    A lost task in ``keep_lost`` (``on_lost`` says not to make it again) keeps its record, marked with how it ended.
    ``skips`` tells what is left as it is, given what was seen of it.
    """
    records, dropped, drifts = [], [], []
    kept = frozenset(keep_lost)
    for address, record in snapshot.records.items():
        if record.kind not in observation.kinds:
            continue
        seen = observation.find(record.kind, record.id)
        completion = observation.completions.get(record.id) or record.attributes.get("completion")
        if skips(record, seen):
            continue
        gone = seen is None or not seen.exists
        over = completion is not None or record.kind is Kind.RESERVATION
        if gone and not over and address not in kept:
            dropped.append(address)
            drifts.append(Drift(address, gone=True, kind=DriftKind.GONE))
            continue
        attributes = dict(record.attributes)
        if seen is not None:
            attributes.update(seen.attributes)
        if completion is not None:
            attributes["completion"] = completion
        name = seen.name if seen is not None else record.name
        if name == record.name and same(record.attributes, attributes):
            continue
        records.append(evolve(record, attributes=attributes, name=name))
        drifts.append(_update(record, attributes, observation))
    return tuple(records), tuple(dropped), tuple(drifts)


def _update(record: Record, attributes: Mapping[str, Any], observation: Observation) -> Drift:
    """The state update of one record; what only the provider decides is expected."""
    declared = kind_of(record.kind)
    names = [
        n for n in attributes if not same(record.attributes.get(n), attributes[n], declared.attributes.get(n))
    ]
    changed = tuple(
        AttributeChange(n, record.attributes.get(n), attributes[n], Change.LOCAL, drift=n in declared.feeds)
        for n in names
    )
    other_hand = [n for n in names if n in declared.feeds]
    kind = DriftKind.HARMFUL if other_hand else DriftKind.EXPECTED
    return Drift(record.address, False, changed, kind, _by(observation.events.get(record.id, ()), other_hand))
