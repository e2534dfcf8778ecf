"""The stored form of the embedded backend, and the way rows become values and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flowplan.state.journal import Entry, Operation, Status
from flowplan.state.snapshot import Deposed, Record
from flowplan.values.address import Address
from flowplan.values.quantity import format_instant
from flowplan.values.value import dump, load

APPLICATION_ID = 0x666C6F77
"""Marks the file as ours ("flow"), so that a foreign database is recognised."""

FORMAT = 2
"""The version of the stored form. A newer one is refused, an older one is upgraded."""

SCHEMA = """
CREATE TABLE stacks (
    name TEXT PRIMARY KEY, lineage TEXT NOT NULL, serial INTEGER NOT NULL, key BLOB NOT NULL,
    project TEXT NOT NULL, source TEXT NOT NULL, outputs TEXT NOT NULL, token INTEGER NOT NULL
) STRICT;
CREATE TABLE resources (
    stack TEXT NOT NULL REFERENCES stacks(name), address TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
    name TEXT NOT NULL, config TEXT NOT NULL, attributes TEXT NOT NULL, dependencies TEXT NOT NULL,
    protected INTEGER NOT NULL, created_at TEXT, lifecycle TEXT NOT NULL DEFAULT '{}', PRIMARY KEY (stack, address), UNIQUE (stack, kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE operations (
    number INTEGER PRIMARY KEY AUTOINCREMENT, stack TEXT NOT NULL REFERENCES stacks(name), run TEXT NOT NULL,
    token INTEGER NOT NULL, operation TEXT NOT NULL, address TEXT NOT NULL, status TEXT NOT NULL,
    begun_at TEXT NOT NULL, ended_at TEXT, body TEXT NOT NULL
) STRICT;
CREATE INDEX open_operations ON operations(stack) WHERE status = 'begun';
CREATE TABLE leases (
    stack TEXT PRIMARY KEY REFERENCES stacks(name), id TEXT NOT NULL, token INTEGER NOT NULL, operation TEXT NOT NULL,
    who TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL, version TEXT NOT NULL,
    created_at TEXT NOT NULL, expires_at TEXT NOT NULL
) STRICT;
"""

UPGRADES: Mapping[int, tuple[str, ...]] = {
    1: ("ALTER TABLE resources ADD COLUMN lifecycle TEXT NOT NULL DEFAULT '{}'",),
}
"""What turns a stored form into the next one, by its version. A database is upgraded when it is first written to;
one that is only read is read as it lies."""


def to_text(value: Any) -> str:
    """Canonical JSON of a value that may hold fingerprints; a bare secret is refused (see `dump`)."""
    return json.dumps(dump(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def from_text(text: str) -> Any:
    """The inverse of `to_text`."""
    value = json.loads(text)
    return load(value) if "$" in text else value


def record_row(stack: str, record: Record) -> tuple[Any, ...]:
    """A record as a row of ``resources``."""
    return (
        stack,
        str(record.address),
        record.kind.value,
        record.id,
        record.name,
        to_text(record.config),
        to_text(record.attributes),
        to_text([str(address) for address in record.dependencies]),
        int(record.protected),
        format_instant(record.created_at) if record.created_at else None,
        lifecycle_text(record),
    )


def lifecycle_text(record: Record) -> str:
    """What is on record of a resource's lifecycle, as far as it is not as usual: ``{}`` for nearly all."""
    more: dict[str, Any] = {}
    if record.retained:
        more["retained"] = True
    if record.triggers:
        more["triggers"] = record.triggers
    if record.deposed:
        more["deposed"] = [
            {"id": old.id, "name": old.name, "dependencies": [str(address) for address in old.dependencies]}
            for old in record.deposed
        ]
    return to_text(more) if more else "{}"


def _lifecycle(row: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `lifecycle_text`, as arguments of a record."""
    try:
        text = row["lifecycle"]
    except (IndexError, KeyError):  # a database of format 1, which is only read
        return {}
    if text == "{}":
        return {}
    more = from_text(text)
    return {
        "retained": bool(more.get("retained")),
        "triggers": more.get("triggers", {}),
        "deposed": tuple(
            Deposed(old["id"], old["name"], tuple(map(Address.parse, old["dependencies"])))
            for old in more.get("deposed", ())
        ),
    }


def record_of(row: Mapping[str, Any]) -> Record:
    """A row of ``resources`` as a record."""
    dependencies = row["dependencies"]
    return Record(
        address=Address.parse(row["address"]),
        id=row["id"],
        name=row["name"],
        config=from_text(row["config"]),
        attributes=from_text(row["attributes"]),
        dependencies=tuple(map(Address.parse, json.loads(dependencies))) if dependencies != "[]" else (),
        protected=bool(row["protected"]),
        created_at=datetime.fromisoformat(row["created_at"]) if row["created_at"] else None,
        **_lifecycle(row),
    )


def entry_body(entry: Entry) -> str:
    """The part of an entry that needs no column of its own."""
    return to_text(
        {
            "id": entry.id,
            "name": entry.name,
            "region": entry.region,
            "seen": list(entry.seen),
            "digest": entry.digest,
            "config": entry.config,
            "changes": entry.changes,
            "dependencies": [str(address) for address in entry.dependencies],
            "protected": entry.protected,
            "retained": entry.retained,
            "deposes": entry.deposes,
            "triggers": entry.triggers,
        }
    )


def entry_of(row: Mapping[str, Any]) -> Entry:
    """A row of ``operations`` as an entry."""
    body = from_text(row["body"])
    return Entry(
        operation=Operation(row["operation"]),
        address=Address.parse(row["address"]),
        run=row["run"],
        begun_at=datetime.fromisoformat(row["begun_at"]),
        number=row["number"],
        status=Status(row["status"]),
        id=body["id"],
        name=body["name"],
        region=body["region"],
        seen=tuple(body["seen"]),
        digest=body["digest"],
        config=body["config"],
        changes=body["changes"],
        dependencies=tuple(map(Address.parse, body["dependencies"])),
        protected=body["protected"],
        retained=body.get("retained", False),
        deposes=body.get("deposes", False),
        triggers=body.get("triggers", {}),
    )
