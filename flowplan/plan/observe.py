"""What a refresh saw, as planning reads it: adoption of interrupted creations, on paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve

from flowplan.plan.change import Interrupted
from flowplan.plan.observation import Observation, Observed
from flowplan.state.journal import Entry, Operation
from flowplan.state.snapshot import Deposed, Record, Snapshot
from flowplan.values.address import Kind

_MADE_AS_ASKED = ("num_instances", "size_gb", "quantity")
"""What a creation is made with and no provider rewrites; another value is another's object."""


def ours(entry: Entry, objects: Iterable[Observed]) -> list[Observed]:
    """The live objects that the interrupted creation made: its name, its region, its size, not there when it began.

    Where one of them has the very script that was sent, the others are strangers of the same name. Oldest first, so
    that where a provider took a request twice, the first one is kept.
    """
    found = [
        o
        for o in objects
        if o.kind is entry.kind
        and o.exists
        and o.name == entry.name
        and o.id not in entry.seen
        and (not entry.region or not o.attributes.get("region") or o.attributes["region"] == entry.region)
        and all(_agree(entry.config.get(name), o.attributes.get(name)) for name in _MADE_AS_ASKED)
    ]
    found = [o for o in found if is_certain(entry, o)] or found
    return sorted(found, key=lambda o: (o.created_at is None, o.created_at, o.id))


def is_certain(entry: Entry, found: Observed) -> bool:
    """Whether an object has the very script that a creation sent; no other creation's is like it."""
    return bool(entry.digest) and found.attributes.get("script_digest") == entry.digest


def _agree(asked: Any, found: Any) -> bool:
    return not isinstance(asked, int) or not isinstance(found, int) or asked == found


def adopt(entry: Entry, observed: Observed, before: Record | None = None) -> Record:
    """The record a creation leaves (an interrupted one would have left). ``before`` is what is recorded there now."""
    return Record(
        address=entry.address,
        id=observed.id,
        name=observed.name,
        config=entry.config,
        attributes=observed.attributes,
        dependencies=entry.dependencies,
        protected=entry.protected,
        # Why the provider's: a creation may have been sent again long after its entry began, and clocks differ.
        created_at=observed.created_at or entry.begun_at,
        retained=entry.retained,
        deposed=_left_behind(entry, before),
        triggers=entry.triggers,
    )


def _left_behind(entry: Entry, before: Record | None) -> tuple[Deposed, ...]:
    """What is still to be destroyed once a creation has taken an address: what was left there, and what it replaces."""
    if before is None:
        return ()
    if not entry.deposes:
        return before.deposed
    return (*before.deposed, Deposed(before.id, before.name, before.dependencies))


def as_done(
    observation: Observation, done: Mapping[tuple[Kind, str], Mapping[str, Any] | None]
) -> Observation:
    """What was seen, with what was done a short while ago (`Snapshot.lately`): a list that lags shows how it was."""
    known = [(key, what) for key, what in done.items() if key in observation.objects]
    if not known:
        return observation
    objects = dict(observation.objects)
    for key, what in known:
        one = objects[key]
        if what is None:
            objects[key] = evolve(one, exists=False)
        else:
            name = str(what.get("name", one.name))
            objects[key] = evolve(one, name=name, attributes={**one.attributes, **what})
    return evolve(observation, objects=objects)


def with_lately(observation: Observation, snapshot: Snapshot) -> Observation:
    """`as_done` for what is not on record any more, which would be a stranger that uses a volume or bears a name.

    What is on record is left as it is seen: another hand may have changed it since.
    """
    recorded = set(snapshot.ids()) if snapshot.lately else set()
    return as_done(observation, {key: what for key, what in snapshot.lately.items() if key not in recorded})


def settle_on_paper(
    snapshot: Snapshot, unfinished: Sequence[Entry], observation: Observation | None
) -> tuple[Snapshot, tuple[Interrupted, ...]]:
    """The snapshot as it will be once the unfinished operations are settled, and what is said of each."""
    if not unfinished:
        return snapshot, ()
    records, told = dict(snapshot.records), []
    claimed = set(snapshot.ids()) | {key for key, what in snapshot.lately.items() if what is None}
    for entry in unfinished:
        if entry.operation is Operation.CREATE:
            if observation is None:
                told.append(Interrupted(entry, "interrupted create; not looked for, because refresh is off"))
                continue
            found = [o for o in ours(entry, observation.objects.values()) if (o.kind, o.id) not in claimed]
            if found:
                records[entry.address] = adopt(entry, found[0], records.get(entry.address))
                claimed.add((found[0].kind, found[0].id))
                told.append(
                    Interrupted(
                        entry, f"interrupted create found at the provider as {found[0].id}, will be adopted"
                    )
                )
            else:
                told.append(
                    Interrupted(
                        entry, "interrupted create not found at the provider, will be looked for again"
                    )
                )
        elif entry.operation is Operation.UPDATE:
            told.append(Interrupted(entry, f"interrupted update of {entry.id}, will be finished"))
        else:
            told.append(Interrupted(entry, f"interrupted delete of {entry.id}, will be finished"))
    return evolve(snapshot, records=records), tuple(told)
