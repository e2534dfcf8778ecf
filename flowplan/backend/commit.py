"""One serial in the making: what it puts, forgets and ends, kept in step with the totals and the history."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from flowplan import __version__
from flowplan.backend.reading import stack_row
from flowplan.state.format import serial_sum, stack_sum
from flowplan.state.rows import OUTPUTS, record_body, to_text
from flowplan.state.snapshot import Record
from flowplan.state.sums import row_sum, total
from flowplan.values.address import Address
from flowplan.values.quantity import format_instant


class Commit:
    """Changes to one stack within one transaction; `close` writes what belongs to all of them."""

    def __init__(self, db: sqlite3.Connection, stack: str, check: bool = True) -> None:
        row = stack_row(db, stack, check)
        assert row is not None, "a stack is made before its lease is taken"
        self._db, self._stack = db, stack
        self.facts: dict[str, Any] = {name: row[name] for name in row.keys() if name != "sum"}  # noqa: SIM118
        self._changes: dict[str, tuple[str, str, str, str, int]] = {}

    def put(self, record: Record) -> None:
        """Record a resource under its address."""
        address, kind, body = str(record.address), record.kind.value, record_body(record)
        sum = row_sum(address, kind, record.id, body)
        old = self._db.execute(
            "SELECT sum FROM resources WHERE stack = ? AND address = ?", (self._stack, address)
        ).fetchone()
        if old is not None and old["sum"] == sum:
            return
        if old is None:
            self._db.execute(
                "INSERT INTO resources VALUES (?, ?, ?, ?, ?, ?)",
                (self._stack, address, kind, record.id, body, sum),
            )
            self.facts["resources"] += 1
        else:
            self._db.execute(
                "UPDATE resources SET id = ?, body = ?, sum = ? WHERE stack = ? AND address = ?",
                (record.id, body, sum, self._stack, address),
            )
        self._count([sum], [] if old is None else [old["sum"]])
        self._note(address, "add" if old is None else "change", kind, record.id, body, sum)

    def put_all(self, records: Iterable[Record]) -> None:
        """Record many resources; they may exchange their ids."""
        records = list(records)
        for record in records if len(records) > 1 else ():
            old = self._db.execute(
                "SELECT id FROM resources WHERE stack = ? AND address = ?", (self._stack, str(record.address))
            ).fetchone()
            if old is not None and old["id"] != record.id:
                self.forget(record.address)
        for record in records:
            self.put(record)

    def forget(self, address: Address) -> None:
        """Take a resource out; nothing where it is not recorded."""
        text = str(address)
        old = self._db.execute(
            "SELECT * FROM resources WHERE stack = ? AND address = ?", (self._stack, text)
        ).fetchone()
        if old is None:
            return
        self._db.execute("DELETE FROM resources WHERE stack = ? AND address = ?", (self._stack, text))
        self.facts["resources"] -= 1
        self._count([], [old["sum"]])
        self._note(text, "remove", old["kind"], old["id"], old["body"], old["sum"])

    def put_outputs(self, outputs: Mapping[str, Any]) -> None:
        """Record the outputs of the stack."""
        body = to_text(outputs)
        sum = row_sum(OUTPUTS, "", "", body)
        old = self._db.execute("SELECT sum FROM outputs WHERE stack = ?", (self._stack,)).fetchone()
        if (old is not None and old["sum"] == sum) or (old is None and not outputs):
            return
        self._db.execute("INSERT OR REPLACE INTO outputs VALUES (?, ?, ?)", (self._stack, body, sum))
        self._count([sum], [] if old is None else [old["sum"]])
        self._note(OUTPUTS, "add" if old is None else "change", "", "", body, sum)

    def opened(self, sum: int) -> None:
        """Count in a journal entry that begins."""
        self.facts["open"] = total([self.facts["open"], sum])

    def ended(self, sum: int) -> None:
        """Count out a journal entry that ends."""
        self.facts["open"] = total([self.facts["open"]], [sum])

    def next_serial(self, at: datetime, operation: str, serial: int | None = None) -> None:
        """Make all this a new serial: the next one, or ``serial``."""
        before = self._db.execute(
            "SELECT sum FROM serials WHERE stack = ? ORDER BY serial DESC LIMIT 1", (self._stack,)
        ).fetchone()
        self.facts["serial"] = self.facts["serial"] + 1 if serial is None else serial
        row = {
            "stack": self._stack,
            "at": format_instant(at),
            "operation": operation,
            "version": __version__,
            **{name: self.facts[name] for name in ("lineage", "serial", "project", "resources", "total")},
        }
        changes = total(change[4] for change in self._changes.values())
        row["sum"] = serial_sum(row, before["sum"] if before else 0, changes)
        self._db.execute(
            "INSERT INTO serials (stack, lineage, serial, at, operation, version, project, resources, total, sum) VALUES "
            "(:stack, :lineage, :serial, :at, :operation, :version, :project, :resources, :total, :sum)",
            row,
        )
        self._db.executemany(
            "INSERT INTO changes (stack, serial, address, action, kind, id, body, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(self._stack, row["serial"], address, *change) for address, change in self._changes.items()],
        )
        self._changes = {}

    def close(self) -> None:
        """Write the stack's own row."""
        write_stack(self._db, self.facts)

    def _count(self, sums: list[int], less: list[int]) -> None:
        self.facts["total"] = total([self.facts["total"], *sums], less)

    def _note(self, address: str, action: str, kind: str, id: str, body: str, sum: int) -> None:
        earlier = self._changes.get(address)
        if earlier is not None:
            # What was removed and put again within one serial was changed; what was added and changed was added.
            was_there = earlier[0] != "add"
            action = {True: "change", False: "add"}[was_there] if action != "remove" else "remove"
            if action == "remove" and not was_there:
                del self._changes[address]
                return
        self._changes[address] = (action, kind, id, body, sum)


def write_stack(db: sqlite3.Connection, facts: Mapping[str, Any]) -> None:
    """Write a stack's own row with its sum."""
    db.execute(
        "INSERT INTO stacks (name, lineage, serial, key, project, source, token, resources, total, open, sum) VALUES "
        "(:name, :lineage, :serial, :key, :project, :source, :token, :resources, :total, :open, :sum) "
        "ON CONFLICT (name) DO UPDATE SET lineage = :lineage, serial = :serial, key = :key, project = :project, "
        "source = :source, token = :token, resources = :resources, total = :total, open = :open, sum = :sum",
        {**facts, "sum": stack_sum(facts)},
    )
