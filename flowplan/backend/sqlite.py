"""The embedded backend: one SQLite database for any number of stacks, in WAL mode, full synchronous on commit.

Reading takes no lock and sees one consistent snapshot, also while an apply writes. Nothing is created on
disk until something is to be recorded, so planning leaves no trace.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from flowplan.backend import lease, reading
from flowplan.backend.commit import write_stack
from flowplan.backend.damage import told
from flowplan.backend.faults import guarded
from flowplan.backend.file import StateFile, as_now, transaction, upgrade, version
from flowplan.backend.lease import LEASE_S
from flowplan.backend.reading import Damage, NoSuchSerial, stack_row
from flowplan.backend.writer import SqliteWriter
from flowplan.ports import LockInfo, StoreError
from flowplan.state.format import FORMAT
from flowplan.state.journal import Entry, Timing
from flowplan.state.snapshot import Snapshot
from flowplan.values.diagnostic import Diagnostic

if TYPE_CHECKING:
    from flowplan.state.history import Serial


def _now() -> datetime:
    return datetime.now(UTC)


class SqliteBackend:
    """State under ``folder`` (``flowplan.db``). Implements `flowplan.ports.Backend`."""

    def __init__(
        self,
        folder: Path,
        now: Callable[[], datetime] = _now,
        lease_s: float = LEASE_S,
        beats: bool = False,
        busy_s: float = 10.0,
    ) -> None:
        """Nothing is opened before it is needed.

        ``lease_s`` is how long a lease lasts without a heartbeat; with ``beats`` a thread keeps it alive by itself.
        ``busy_s`` is how long another process may hold the file.
        """
        self.path = folder / "flowplan.db"
        self._file = StateFile(self.path, busy_s)
        self._now, self._lease_s, self._beats = now, lease_s, beats

    # -- reading -----------------------------------------------------------------------------------

    def snapshot(self, stack: str, serial: int | None = None) -> Snapshot:
        """See `flowplan.ports.Reader.snapshot`."""
        with self._reading(stack) as db:
            if db is None:
                if serial is not None:
                    raise _no_serial(stack, serial, 0)
                return Snapshot(stack)
            if serial is None:
                snapshot = reading.present(db, stack)
            else:
                try:
                    return reading.past(db, stack, serial)
                except NoSuchSerial as error:
                    raise _no_serial(stack, serial, error.newest) from None
            if broken := snapshot.verify():
                raise told(db, self.path, stack, "; ".join(broken))
            return evolve(snapshot, lately=reading.done_lately(db, stack, self._now()))

    def key(self, stack: str) -> bytes:
        """See `flowplan.ports.Reader.key`."""
        with self._reading(stack) as db:
            row = None if db is None else reading.stack_row(db, stack)
            return b"" if row is None else bytes(row["key"])

    def unfinished(self, stack: str) -> list[Entry]:
        """See `flowplan.ports.Reader.unfinished`."""
        with self._reading(stack) as db:
            return [] if db is None else reading.unfinished(db, stack)

    def timings(self, stack: str, limit: int) -> list[Timing]:
        """See `flowplan.ports.Reader.timings`."""
        with self._reading(stack) as db:
            return [] if db is None else reading.timings(db, stack, limit)

    def stacks(self) -> list[str]:
        """See `flowplan.ports.Reader.stacks`."""
        with self._reading("") as db:
            if db is None:
                return []
            return [row["name"] for row in db.execute("SELECT name FROM stacks ORDER BY name")]

    def history(self, stack: str, limit: int = 0) -> list[Serial]:
        """See `flowplan.ports.Reader.history`."""
        with self._reading(stack) as db:
            return [] if db is None else reading.history(db, stack, limit)

    def lock(self, stack: str) -> LockInfo | None:
        """See `flowplan.ports.Reader.lock`."""
        with self._reading(stack) as db:
            found = None if db is None else reading.lock_info(db, stack)
            if db is None or found is None:
                return None
            return evolve(found, is_over=lease.holder(db, stack, self._now()) is None)

    # -- writing -----------------------------------------------------------------------------------

    def acquire(self, stack: str, source: str, operation: str, timeout: float) -> SqliteWriter:
        """See `flowplan.ports.Backend.acquire`."""
        deadline = time.monotonic() + timeout
        with guarded(self.path):
            db = self._file.for_writing()
            while True:
                with transaction(db):
                    self._upgrade(db)
                    held = lease.holder(db, stack, self._now())
                    if held is None:
                        info = self._take(db, stack, source, operation)
                        break
                if time.monotonic() >= deadline:
                    raise lease.held(held, self.path, self._now())
                time.sleep(min(0.2, max(0.0, deadline - time.monotonic())))
        writer = SqliteWriter(
            self.path, db, stack, info, self._now, self._lease_s, lambda damage: self._told(db, stack, damage)
        )
        if self._beats:
            writer.beat()
        return writer

    def _take(self, db: sqlite3.Connection, stack: str, source: str, operation: str) -> LockInfo:
        row = stack_row(db, stack, check=False)
        if row is None:
            import secrets

            facts: dict[str, Any] = {
                "name": stack,
                "lineage": str(uuid.uuid4()),
                "serial": 0,
                "key": secrets.token_bytes(32),
                "project": "",
                "source": source,
                "token": 1,
                "resources": 0,
                "total": 0,
                "open": 0,
            }
            write_stack(db, facts)
        else:
            facts = {**dict(row), "source": source or row["source"], "token": row["token"] + 1}
            try:
                stack_row(db, stack)
            except Damage:
                # Why: whoever holds the lease must be able to repair it; its sum goes on to say that it is damaged.
                db.execute("UPDATE stacks SET token = token + 1 WHERE name = ?", (stack,))
            else:
                write_stack(db, facts)
        return lease.take(db, stack, operation, facts["token"], self._lease_s, self._now)

    def unlock(self, stack: str, id: str) -> bool:
        """See `flowplan.ports.Backend.unlock`."""
        with guarded(self.path):
            if not self.path.exists():
                return False
            db = self._file.for_writing()
            with transaction(db):
                self._upgrade(db)
                return db.execute(
                    "DELETE FROM leases WHERE stack = ? AND id = ?", (stack, id)
                ).rowcount > 0  # fmt: skip

    def close(self) -> None:
        """See `flowplan.ports.Backend.close`."""
        self._file.close()

    # -- the file ----------------------------------------------------------------------------------

    def _upgrade(self, db: sqlite3.Connection) -> None:
        """Bring an older database to the present form, unless another writer still uses the old one."""
        found = version(db, self.path)
        if found == FORMAT:
            return
        for row in db.execute("SELECT stack FROM leases").fetchall():
            held = _old_holder(db, row["stack"], self.path, self._now())
            if held is not None:
                raise held
        upgrade(db, found)

    @contextmanager
    def _reading(self, stack: str) -> Iterator[sqlite3.Connection | None]:
        with guarded(self.path):
            db = self._file.for_reading()
            if db is None:
                yield None
                return
            db.execute("BEGIN")
            seen = db
            try:
                found = version(db, self.path)
                if found != FORMAT:
                    seen = as_now(db, found)
                yield seen
            except Damage as damage:
                raise told(seen, self.path, stack, str(damage)) from None
            finally:
                db.execute("ROLLBACK")
                if seen is not db:
                    seen.close()

    def _told(self, db: sqlite3.Connection, stack: str, damage: Damage) -> StoreError:
        return told(db, self.path, stack, str(damage))


def _old_holder(db: sqlite3.Connection, stack: str, path: Path, now: datetime) -> StoreError | None:
    """The refusal where a writer of an older flowplan is at work on any stack of the file."""
    seen = as_now(db, version(db, path))
    try:
        held = lease.holder(seen, stack, now)
        return None if held is None else lease.held(held, path, now)
    finally:
        seen.close()


def _no_serial(stack: str, serial: int, newest: int) -> StoreError:
    return StoreError(
        Diagnostic.error(
            f"Stack {stack} has no serial {serial}",
            f"Its newest serial is {newest}." if newest else "It was never applied.",
            suggestion="flowplan state history lists them.",
        )
    )
