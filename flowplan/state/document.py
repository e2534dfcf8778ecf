"""A state as one JSON document, for ``state pull`` and ``state push``: all that is recorded but the key.

Secrets are in it as fingerprints only, as they are in the state itself. Whoever reads a document trusts nothing in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from flowplan.state.snapshot import Deposed, Record, Snapshot
from flowplan.values.address import Address
from flowplan.values.quantity import format_instant
from flowplan.values.value import dump, load

STATE_VERSION = 1
"""Of the document. A reader refuses versions it does not know."""

MOST_RECORDS = 1_000_000
"""More than this is no state of ours."""


def state_document(snapshot: Snapshot) -> dict[str, Any]:
    """The document of a state."""
    return {
        "flowplan_state": STATE_VERSION,
        "stack": snapshot.stack,
        "lineage": snapshot.lineage,
        "serial": snapshot.serial,
        "project": snapshot.project,
        "source": snapshot.source,
        "outputs": dump(dict(snapshot.outputs)),
        "resources": [_resource(record) for record in snapshot.records.values()],
    }


def _resource(record: Record) -> dict[str, Any]:
    return {
        "address": str(record.address),
        "id": record.id,
        "name": record.name,
        "created_at": format_instant(record.created_at) if record.created_at else None,
        "config": dump(record.config),
        "attributes": dump(record.attributes),
        "dependencies": [str(address) for address in record.dependencies],
        "prevent_destroy": record.protected,
        "retain": record.retained,
        "triggers": dump(record.triggers),
        "deposed": [
            {"id": old.id, "name": old.name, "dependencies": [str(address) for address in old.dependencies]}
            for old in record.deposed
        ],
    }


def parse_state(document: Any) -> tuple[Snapshot | None, list[str]]:
    """The state that a document holds, and each thing that is wrong with it; it has no key."""
    if not isinstance(document, Mapping) or "flowplan_state" not in document:
        return None, ["it is no state document; flowplan state pull prints one"]
    if document["flowplan_state"] != STATE_VERSION:
        said = str(document["flowplan_state"])[:20]
        return None, [f"it has version {said}, and this flowplan knows version {STATE_VERSION}"]
    reader = _Reader()
    records: dict[Address, Record] = {}
    listed = reader.get(document, "resources", list, "")
    if len(listed or ()) > MOST_RECORDS:
        return None, [f"it has more than {MOST_RECORDS} resources"]
    for number, item in enumerate(listed or ()):
        record = reader.record(item, f"resources[{number}]")
        if record is None:
            continue
        if record.address in records:
            reader.problems.append(f"resources[{number}]: {record.address} is there twice")
        records[record.address] = record
    serial = reader.get(document, "serial", int, "")
    if isinstance(serial, int) and not 0 < serial < 2**53:
        reader.problems.append(f"serial: {serial} is no serial")
    stack = reader.get(document, "stack", str, "")
    if stack == "":
        reader.problems.append("stack: it names none")
    lineage = reader.get(document, "lineage", str, "")
    if lineage == "":
        reader.problems.append("lineage: it has none")
    outputs = reader.get(document, "outputs", Mapping, "")
    snapshot = Snapshot(
        stack=stack or "",
        lineage=lineage or "",
        serial=serial or 0,
        records=dict(sorted(records.items(), key=lambda item: item[0].sort_key)),
        outputs=load(dict(outputs or {})),
        project=reader.get(document, "project", str, "") or "",
        source=reader.get(document, "source", str, "") or "",
    )
    problems = reader.problems or snapshot.verify()
    return (None, problems) if problems else (snapshot, [])


class _Reader:
    """Takes a document apart and collects what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def get(self, of: Mapping[str, Any], name: str, kind: Any, where: str, default: Any = ...) -> Any:
        """The value under ``name``, which must be of ``kind``; None and a problem where it is not."""
        path = f"{where}.{name}" if where else name
        if name not in of:
            if default is ...:
                self.problems.append(f"{path}: it is missing")
                return None
            return default
        value = of[name]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            word = {str: "a text", int: "a whole number", list: "a list", bool: "true or false"}.get(
                kind, "a mapping"
            )
            self.problems.append(f"{path}: it must be {word}")
            return None
        return value

    def record(self, item: Any, where: str) -> Record | None:
        before = len(self.problems)
        if not isinstance(item, Mapping):
            self.problems.append(f"{where}: it must be a mapping")
            return None
        address = self._parsed(self.get(item, "address", str, where), Address.parse, f"{where}.address")
        created_at = None
        if item.get("created_at") is not None:
            text = self.get(item, "created_at", str, where)
            created_at = self._parsed(text, datetime.fromisoformat, f"{where}.created_at")
            if created_at is not None and created_at.tzinfo is None:
                self.problems.append(f"{where}.created_at: it has no time zone")
        fields = {
            "id": self.get(item, "id", str, where),
            "name": self.get(item, "name", str, where),
            "config": load(dict(self.get(item, "config", Mapping, where) or {})),
            "attributes": load(dict(self.get(item, "attributes", Mapping, where, {}) or {})),
            "dependencies": self._addresses(item, where),
            "protected": self.get(item, "prevent_destroy", bool, where, False),
            "retained": self.get(item, "retain", bool, where, False),
            "triggers": load(dict(self.get(item, "triggers", Mapping, where, {}) or {})),
            "deposed": tuple(
                self._deposed(old, f"{where}.deposed[{number}]")
                for number, old in enumerate(self.get(item, "deposed", list, where, []) or ())
            ),
        }
        if len(self.problems) > before or address is None:
            return None
        return Record(address=address, created_at=created_at, **fields)

    def _deposed(self, item: Any, where: str) -> Deposed | None:
        if not isinstance(item, Mapping):
            self.problems.append(f"{where}: it must be a mapping")
            return None
        id, name = self.get(item, "id", str, where), self.get(item, "name", str, where)
        dependencies = self._addresses(item, where)
        return Deposed(id or "", name or "", dependencies)

    def _addresses(self, item: Mapping[str, Any], where: str) -> tuple[Address, ...]:
        found = []
        for number, text in enumerate(self.get(item, "dependencies", list, where, []) or ()):
            address = self._parsed(
                text if isinstance(text, str) else None, Address.parse, f"{where}.dependencies[{number}]"
            )
            if address is not None:
                found.append(address)
            elif not isinstance(text, str):
                self.problems.append(f"{where}.dependencies[{number}]: it must be a text")
        return tuple(found)

    def _parsed(self, text: str | None, parse: Callable[[str], Any], where: str) -> Any:
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"{where}: {error}")
            return None
