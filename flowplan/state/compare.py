"""What differs between two states of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.state.history import Touch
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.value import Path, leaves


@frozen
class FieldChange:
    """One value that differs. ``path`` leads to it; a side that has no such value is `ABSENT`."""

    path: Path
    before: Any
    after: Any


ABSENT = object()
"""Stands for a value that one side does not have, where None would be a value."""


@frozen
class RecordChange:
    """One record that differs. ``fields`` only where it is on both sides."""

    touch: Touch
    address: Address
    before: Record | None = None
    after: Record | None = None
    fields: tuple[FieldChange, ...] = ()


@frozen
class Difference:
    """What turns one state into another, in the order of addresses."""

    records: tuple[RecordChange, ...] = ()
    outputs: tuple[FieldChange, ...] = ()
    lineage: FieldChange | None = None
    project: FieldChange | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the states say the same."""
        return self == Difference()

    def lost(self) -> list[tuple[Address, Kind, str]]:
        """Every object that is on record before and on none after: from then on it would be nobody's."""
        kept = {(one.after.kind, id) for one in self.records if one.after for id in _ids(one.after)}
        return [
            (one.address, one.before.kind, id)
            for one in self.records
            if one.before is not None
            for id in _ids(one.before)
            if (one.before.kind, id) not in kept
        ]


def _ids(record: Record) -> list[str]:
    return [record.id, *(old.id for old in record.deposed)]


def compare(before: Snapshot, after: Snapshot) -> Difference:
    """What turns ``before`` into ``after``; serials and sources are no part of it."""
    addresses = sorted(before.records.keys() | after.records.keys(), key=lambda address: address.sort_key)
    changes = []
    for address in addresses:
        old, new = before.records.get(address), after.records.get(address)
        if old == new:
            continue
        if old is None or new is None:
            touch = Touch.ADD if old is None else Touch.REMOVE
            changes.append(RecordChange(touch, address, old, new))
            continue
        fields = tuple(differing(facts(old), facts(new)))
        changes.append(RecordChange(Touch.CHANGE, address, old, new, fields))
    return Difference(
        tuple(changes),
        tuple(differing(before.outputs, after.outputs)),
        _changed("lineage", before.lineage, after.lineage),
        _changed("project", before.project, after.project),
    )


def _changed(name: str, before: str, after: str) -> FieldChange | None:
    return None if before == after else FieldChange((name,), before, after)


def facts(record: Record) -> dict[str, Any]:
    """A record as one nested value, to be compared."""
    return {
        "id": record.id,
        "name": record.name,
        "config": dict(record.config),
        "attributes": dict(record.attributes),
        "dependencies": [str(address) for address in record.dependencies],
        "prevent_destroy": record.protected,
        "retain": record.retained,
        "created_at": record.created_at,
        "triggers": dict(record.triggers),
        "deposed": [
            {"id": old.id, "name": old.name, "dependencies": list(map(str, old.dependencies))}
            for old in record.deposed
        ],
    }


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FieldChange]:
    """Each leaf that differs between two nested values, in the order of ``after`` and then of what it has lost."""
    old, new = dict(leaves(before)), dict(leaves(after))
    found = [
        FieldChange(path, old.get(path, ABSENT), value)
        for path, value in new.items()
        if path and (path not in old or old[path] != value or type(old[path]) is not type(value))
    ]
    return found + [
        FieldChange(path, value, ABSENT) for path, value in old.items() if path and path not in new
    ]
