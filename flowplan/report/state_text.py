"""Recorded resources as text and as documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flowplan.ports import LockInfo
from flowplan.report.paint import Paint, clean
from flowplan.report.plan_values import ABSENT, Writer, width_of
from flowplan.state.journal import Entry, Operation
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


def snapshot_document(snapshot: Snapshot) -> dict[str, Any]:
    """All of a stack's records as JSON-shaped data; secrets are marked, never shown."""
    return {
        "stack": snapshot.stack,
        "lineage": snapshot.lineage,
        "serial": snapshot.serial,
        "resources": [record_document(record) for record in snapshot.records.values()],
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
        names = [name for name, value in values.items() if value not in ABSENT]
        width = width_of(names)
        for name in names:
            yield from Writer(paint).assignment(" ", name.ljust(width), values[name], 2)


def render_snapshot(snapshot: Snapshot, paint: Paint) -> str:
    """All of a stack's records."""
    head = f"Stack {clean(snapshot.stack)}, serial {snapshot.serial}, lineage {snapshot.lineage}"
    return "\n\n".join([head, *(render_record(record, paint) for record in snapshot.records.values())])


_FATE = {
    Operation.CREATE: "is looked for by its name, and adopted; where nothing is found, nothing was made",
    Operation.UPDATE: "is read again, and finished",
    Operation.DELETE: "is deleted again; what is gone stays gone",
}


def render_operations(stack: str, left: Sequence[Entry], lock: LockInfo | None, paint: Paint) -> str:
    """The operations that began and did not end, and what becomes of each."""
    lines = []
    for entry in left:
        facts = {
            "name": entry.name,
            "id": entry.id,
            "begun": format_instant(entry.begun_at),
            "run": entry.run,
        }
        said = ", ".join(f"{name} {clean(value)}" for name, value in facts.items() if value)
        lines.append(f"{paint(clean(str(entry.address)), 'bold')}: {entry.operation.value} ({said})")
        lines.append(f"    {_FATE[entry.operation]}.")
    if not lines:
        return f"No operation on stack {clean(stack)} is open."
    if lock is not None and not lock.is_over:
        holder = f"{clean(lock.who)} (process {lock.pid} on {clean(lock.host)})"
        lines.append(f"\n{holder} holds the lock and may be at work on them.")
    lines.append("\nflowplan recover settles them, and so does the next apply.")
    return "\n".join(lines)


def operations_document(stack: str, left: Sequence[Entry], lock: LockInfo | None) -> dict[str, Any]:
    """The operations that began and did not end as JSON-shaped data."""
    return {
        "format_version": "1.0",
        "stack": stack,
        "operations": [
            {
                "number": entry.number,
                "address": str(entry.address),
                "operation": entry.operation.value,
                "name": entry.name or None,
                "id": entry.id or None,
                "region": entry.region or None,
                "begun_at": format_instant(entry.begun_at),
                "run": entry.run,
            }
            for entry in left
        ],
        "lock": None
        if lock is None
        else {
            "id": lock.id,
            "operation": lock.operation,
            "who": lock.who,
            "host": lock.host,
            "pid": lock.pid,
            "created_at": format_instant(lock.created_at),
            "expires_at": format_instant(lock.expires_at),
            "token": lock.token,
            "steps_done": lock.done,
            "steps": lock.steps,
            "is_over": lock.is_over,
        },
    }
