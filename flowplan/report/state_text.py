"""Recorded resources as text and as documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flowplan.report.paint import Paint, clean
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.quantity import format_instant
from flowplan.values.value import Fingerprint, transform


def record_document(record: Record) -> dict[str, Any]:
    """A record as JSON-shaped data; secrets are marked, never shown."""

    def mark(leaf: Any) -> Any:
        return {"$sensitive": True} if isinstance(leaf, Fingerprint) else leaf

    return {
        "address": str(record.address),
        "kind": record.kind.value,
        "id": record.id,
        "name": record.name,
        "created_at": format_instant(record.created_at) if record.created_at else None,
        "config": transform(dict(record.config), mark),
        "attributes": transform(dict(record.attributes), mark),
        "dependencies": [str(address) for address in record.dependencies],
        "prevent_destroy": record.protected,
    }


def render_record(record: Record, paint: Paint) -> str:
    """A record for people: what was configured and what the provider made of it."""
    return "\n".join(_lines(record, paint))


def _lines(record: Record, paint: Paint) -> Iterator[str]:
    document = record_document(record)
    yield paint(f"# {clean(str(record.address))}", "bold")
    facts = {"id": record.id, "name": record.name, "created_at": document["created_at"]}
    facts |= {"depends_on": document["dependencies"] or None, "prevent_destroy": record.protected or None}
    for title, values in (
        ("", facts),
        ("configured", document["config"]),
        ("at the provider", document["attributes"]),
    ):
        if title:
            yield paint(f"  {title}:", "dim")
        names = [name for name, value in values.items() if value not in (None, [], {}, "")]
        width = max((len(name) for name in names), default=0)
        for name in names:
            yield f"    {name.ljust(width)} = {_value(values[name])}"


def _value(value: Any) -> str:
    if isinstance(value, dict) and "$sensitive" in value:
        return "(sensitive value)"
    text = json.dumps(value, ensure_ascii=False)
    return clean(text.replace('{"$sensitive": true}', "(sensitive value)"))


def render_snapshot(snapshot: Snapshot, paint: Paint) -> str:
    """All of a stack's records."""
    head = f"Stack {clean(snapshot.stack)}, serial {snapshot.serial}, lineage {snapshot.lineage}"
    return "\n\n".join([head, *(render_record(record, paint) for record in snapshot.records.values())])
