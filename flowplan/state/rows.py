"""Records and journal entries as rows of text, and back: the stored form that every backend shares."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve

from flowplan.state.journal import Entry, Operation, Status
from flowplan.state.snapshot import Deposed, Record
from flowplan.values.address import Address
from flowplan.values.parsing import parse_json
from flowplan.values.quantity import format_instant
from flowplan.values.value import dump, load

OUTPUTS = "outputs"
"""Where a stack's outputs stand among the changes of its resources; no address is spelled so."""


def to_text(value: Any) -> str:
    """Canonical JSON of a value that may hold fingerprints; a bare secret is refused (see `dump`)."""
    return json.dumps(dump(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def from_text(text: str) -> Any:
    """The inverse of `to_text`."""
    value = json.loads(text)
    return load(value) if '"$' in text else value


def record_body(record: Record) -> str:
    """What is stored of a record besides its address, kind and id; what is as usual is left out."""
    body: dict[str, Any] = {"name": record.name, "config": record.config, "attributes": record.attributes}
    if record.dependencies:
        body["dependencies"] = [str(address) for address in record.dependencies]
    if record.protected:
        body["protected"] = True
    if record.created_at is not None:
        body["created_at"] = format_instant(record.created_at)
    if record.retained:
        body["retained"] = True
    if record.triggers:
        body["triggers"] = record.triggers
    if record.deposed:
        body["deposed"] = [
            {"id": old.id, "name": old.name, "dependencies": [str(address) for address in old.dependencies]}
            for old in record.deposed
        ]
    return to_text(body)


def records_of(rows: Iterable[Sequence[Any]]) -> list[Record]:
    """Rows of address, id and body as records, in their order.

    Raises:
        ValueError, KeyError, TypeError: a row holds what flowplan did not write.
    """
    found = list(rows)
    records: list[Record] = []
    # Why many at once: one parse shares their keys, and is a fifth faster than one parse each; all would take much memory.
    for start in range(0, len(found), _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        bodies = parse_json(f"[{','.join([row[2] for row in some])}]")
        if len(bodies) != len(some):
            raise ValueError("a row holds more or less than one record")
        # Why the first test: one letter is looked for ten times as fast as two, and most states have none of it.
        records += [
            _record(address, id, load(body) if "$" in text and '"$' in text else body)
            for (address, id, text), body in zip(some, bodies, strict=True)
        ]
    return records


_AT_ONCE = 4096


def _record(address: str, id: str, body: dict[str, Any]) -> Record:
    dependencies, created_at = body.get("dependencies"), body.get("created_at")
    record = Record(
        Address.parse(address),
        id,
        body["name"],
        body["config"],
        body["attributes"],
        tuple([Address.parse(text) for text in dependencies]) if dependencies else (),
        body.get("protected", False),
        datetime.fromisoformat(created_at) if created_at else None,
    )
    return record if body.keys() <= _PLAIN else evolve(record, **_lifecycle(body))


_PLAIN = frozenset({"name", "config", "attributes", "dependencies", "protected", "created_at"})


def _lifecycle(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "retained": bool(body.get("retained")),
        "triggers": body.get("triggers", {}),
        "deposed": tuple(
            Deposed(old["id"], old["name"], tuple(map(Address.parse, old["dependencies"])))
            for old in body.get("deposed", ())
        ),
    }


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
    """A row of the journal as an entry.

    Raises:
        ValueError, KeyError, TypeError: it holds what flowplan did not write.
    """
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
