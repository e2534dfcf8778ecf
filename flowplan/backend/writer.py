"""The writer: every transaction checks the lease first, so who was suspended past it can write no more."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flowplan.backend.commit import Commit
from flowplan.backend.faults import guarded
from flowplan.backend.file import transaction
from flowplan.backend.lease import HEARTBEATS, lost
from flowplan.backend.reading import Damage
from flowplan.ports import Ended, LockInfo, StoreError
from flowplan.state.format import entry_sum
from flowplan.state.journal import Entry, Status, advance
from flowplan.state.rows import OUTPUTS, entry_body
from flowplan.state.snapshot import Record, Snapshot
from flowplan.state.sums import row_sum, total
from flowplan.values.address import Address
from flowplan.values.quantity import format_instant


class SqliteWriter:
    """The writing half, while the lease lasts. Implements `flowplan.ports.Writer`."""

    def __init__(
        self,
        path: Path,
        db: sqlite3.Connection,
        stack: str,
        info: LockInfo,
        now: Callable[[], datetime],
        lease_s: float,
        explain: Callable[[Damage], StoreError],
    ) -> None:
        """Made by `flowplan.backend.sqlite.SqliteBackend.acquire` only."""
        self._path, self._db, self._stack, self.info = path, db, stack, info
        self._now, self._lease_s, self._explain = now, lease_s, explain
        self._expires_at = info.expires_at
        self._failed = False
        self._progress = self._written = (0, 0)
        self._beating: threading.Event | None = None

    @property
    def token(self) -> int:
        """See `flowplan.ports.Writer.token`."""
        return self.info.token

    @property
    def heartbeat_s(self) -> float:
        """See `flowplan.ports.Writer.heartbeat_s`."""
        return self._lease_s / HEARTBEATS

    # -- the lease ---------------------------------------------------------------------------------

    def check(self) -> None:
        """See `flowplan.ports.Writer.check`."""
        # Why renew: after a write that failed, only one that succeeds shows that the store takes records again;
        # and a lease that has run out, with no one there to take it, must be long enough for what is sent now.
        if self._failed or self._expires_at - self._now() < timedelta(seconds=self._lease_s / 2):
            self.renew()
            return
        with guarded(self._path):
            self._check()

    def renew(self) -> None:
        """See `flowplan.ports.Writer.renew`."""
        end = self._now() + timedelta(seconds=self._lease_s)
        with self._transaction():
            self._push(self._db, end)
        self._expires_at = end

    def progress(self, done: int, steps: int) -> None:
        """See `flowplan.ports.Writer.progress`."""
        self._progress = (done, steps)

    def beat(self) -> None:
        """Renew the lease by heartbeats of a thread of its own until `release`, whatever this thread is busy with."""
        stop = self._beating = threading.Event()
        threading.Thread(target=self._beat, args=(stop,), name="lease", daemon=True).start()

    def _beat(self, stop: threading.Event) -> None:
        # What fails here is found by the next check of the writer itself; the thread only ends.
        with (
            suppress(sqlite3.Error, OSError),
            closing(sqlite3.connect(self._path, timeout=self._lease_s, isolation_level=None)) as db,
        ):
            while not stop.wait(self.heartbeat_s):
                end = self._now() + timedelta(seconds=self._lease_s)
                with transaction(db):
                    if self._push(db, end) == 0:
                        return
                self._expires_at = end

    def _push(self, db: sqlite3.Connection, end: datetime) -> int:
        done, steps = self._progress
        return db.execute(
            "UPDATE leases SET expires_at = ?, done = ?, steps = ? WHERE stack = ? AND id = ?",
            (format_instant(end), done, steps, self._stack, self.info.id),
        ).rowcount

    def release(self) -> None:
        """See `flowplan.ports.Writer.release`."""
        if self._beating is not None:
            self._beating.set()
        with guarded(self._path), transaction(self._db):
            self._db.execute("DELETE FROM leases WHERE stack = ? AND id = ?", (self._stack, self.info.id))

    # -- records -----------------------------------------------------------------------------------

    def begin(self, entry: Entry) -> int:
        """See `flowplan.ports.Writer.begin`."""
        return self.begin_all([entry])[0]

    def begin_all(self, entries: Iterable[Entry]) -> list[int]:
        """See `flowplan.ports.Writer.begin_all`."""
        with self._commit() as commit:
            numbers = []
            for entry in entries:
                row: dict[str, Any] = {
                    "stack": self._stack,
                    "run": entry.run,
                    "token": self.token,
                    "operation": entry.operation.value,
                    "address": str(entry.address),
                    "status": entry.status.value,
                    "begun_at": format_instant(entry.begun_at),
                    "body": entry_body(entry),
                }
                row["sum"] = entry_sum(row)
                cursor = self._db.execute(
                    "INSERT INTO operations (stack, run, token, operation, address, status, begun_at, body, sum) VALUES "
                    "(:stack, :run, :token, :operation, :address, :status, :begun_at, :body, :sum)",
                    row,
                )
                assert cursor.lastrowid is not None
                numbers.append(cursor.lastrowid)
                commit.opened(row["sum"])
            return numbers

    def commit(
        self, number: int, result: Status, record: Record | None, forget: Address | None = None
    ) -> None:
        """See `flowplan.ports.Writer.commit`."""
        self.commit_all([(number, result, record, forget)])

    def commit_all(self, ended: Iterable[Ended]) -> None:
        """See `flowplan.ports.Writer.commit_all`."""
        with self._commit() as commit:
            for number, result, record, forget in ended:
                self._end(commit, number, result)
                if forget is not None:
                    commit.forget(forget)
                if record is not None:
                    commit.put(record)
                commit.next_serial(self._now(), self.info.operation)

    def _end(self, commit: Commit, number: int, result: Status) -> None:
        row = self._db.execute(
            "SELECT status, sum FROM operations WHERE number = ? AND stack = ?", (number, self._stack)
        ).fetchone()
        if row is None:
            raise ValueError(f"the journal has no operation {number}")
        status = advance(Status(row["status"]), result)
        self._db.execute(
            "UPDATE operations SET status = ?, ended_at = ? WHERE number = ?",
            (status.value, format_instant(self._now()), number),
        )
        commit.ended(row["sum"])

    def save(
        self,
        records: Iterable[Record] = (),
        forget: Iterable[Address] = (),
        outputs: Mapping[str, Any] | None = None,
        project: str | None = None,
    ) -> None:
        """See `flowplan.ports.Writer.save`."""
        with self._commit() as commit:
            for address in forget:
                commit.forget(address)
            commit.put_all(records)
            if outputs is not None:
                commit.put_outputs(outputs)
            if project is not None:
                commit.facts["project"] = project
            commit.next_serial(self._now(), self.info.operation)

    def replace(self, snapshot: Snapshot, what: str) -> None:
        """See `flowplan.ports.Writer.replace`."""
        with self._commit(check=False) as commit:
            self._lay_anew(commit)
            wanted = {str(address) for address in snapshot.records}
            there = self._db.execute("SELECT address FROM resources WHERE stack = ?", (self._stack,))
            for row in there.fetchall():
                if row["address"] not in wanted:
                    commit.forget(Address.parse(row["address"]))
            commit.put_all(snapshot.records.values())
            commit.put_outputs(snapshot.outputs)
            commit.facts |= {"lineage": snapshot.lineage, "project": snapshot.project}
            commit.facts["source"] = snapshot.source or commit.facts["source"]
            commit.next_serial(self._now(), what, snapshot.serial)

    def _lay_anew(self, commit: Commit) -> None:
        """Bring the present rows and totals back to what the history says, so that edits by hand leave nothing.

        What was edited in the history itself is left out: what replaces it is recorded anew.
        """
        kept = []
        for row in self._db.execute(
            "SELECT address, kind, id, body, sum, action, max(serial) FROM changes WHERE stack = ? GROUP BY address",
            (self._stack,),
        ):
            address, kind, id, body, sum, action, _ = row
            if action != "remove" and row_sum(address, kind, id, body) == sum:
                kept.append((address, kind, id, body, sum))
        self._db.execute("DELETE FROM resources WHERE stack = ?", (self._stack,))
        self._db.execute("DELETE FROM outputs WHERE stack = ?", (self._stack,))
        resources = [(self._stack, *row) for row in kept if row[0] != OUTPUTS]
        outputs = [(self._stack, row[3], row[4]) for row in kept if row[0] == OUTPUTS]
        self._db.executemany("INSERT INTO resources VALUES (?, ?, ?, ?, ?, ?)", resources)
        self._db.executemany("INSERT INTO outputs VALUES (?, ?, ?)", outputs)
        begun = "SELECT * FROM operations WHERE stack = ? AND status = 'begun'"
        entries = self._db.execute(begun, (self._stack,)).fetchall()
        self._db.executemany(
            "UPDATE operations SET sum = ? WHERE number = ?",
            [(entry_sum(dict(row)), row["number"]) for row in entries],
        )
        commit.facts |= {
            "resources": len(resources),
            "total": total(row[4] for row in kept),
            "open": total(entry_sum(dict(row)) for row in entries),
        }

    # -- within a transaction ------------------------------------------------------------------------

    @contextmanager
    def _commit(self, check: bool = True) -> Iterator[Commit]:
        with self._transaction():
            try:
                commit = Commit(self._db, self._stack, check)
            except Damage as damage:
                raise self._explain(damage) from None
            yield commit
            commit.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with guarded(self._path), transaction(self._db):
                self._check()
                progress = self._progress
                if progress != self._written:
                    self._push(self._db, self._expires_at)
                yield
        except StoreError:
            self._failed = True
            raise
        self._failed, self._written = False, progress

    def _check(self) -> None:
        row = self._db.execute("SELECT * FROM leases WHERE stack = ?", (self._stack,)).fetchone()
        if row is None or row["id"] != self.info.id:
            raise lost(self._stack, row)
