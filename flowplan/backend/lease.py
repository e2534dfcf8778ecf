"""The lease that makes its holder the one writer of a stack, and the writer itself.

A lease has an owner, an end that a heartbeat pushes out, and a fencing token that grows with every owner.
Each transaction checks the token, so a writer that was suspended past its lease can write no more.
"""

from __future__ import annotations

import getpass
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan import __version__
from flowplan.backend.schema import entry_body, record_row, to_text
from flowplan.ports import LockInfo, StoreError
from flowplan.state.journal import Entry, Status, advance
from flowplan.state.snapshot import Record
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic
from flowplan.values.quantity import format_duration, format_instant

if TYPE_CHECKING:
    from flowplan.backend.sqlite import SqliteBackend

LEASE_S = 30.0
"""How long a lease lasts without a heartbeat, in seconds."""

LOCK_HELD = 7
"""The exit code when someone else holds the lease."""


def process_start(pid: int) -> str:
    """What tells a process from a later one with the same number: its start time; "" where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def _is_dead(host: str, pid: int, started: str) -> bool:
    """Whether the owner is known to be dead: same host, and no such process any more."""
    if host != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return bool(started) and process_start(pid) not in ("", started)


def acquire(
    backend: SqliteBackend,
    db: sqlite3.Connection,
    stack: str,
    source: str,
    operation: str,
    timeout: float,
    now: Callable[[], datetime],
) -> SqliteWriter:
    """Take the lease of ``stack``, waiting up to ``timeout`` seconds for its holder.

    Raises:
        StoreError: it is still held (exit code 7).
    """
    from flowplan.backend.sqlite import transaction

    deadline = time.monotonic() + timeout
    while True:
        with transaction(db):
            held = db.execute("SELECT * FROM leases WHERE stack = ?", (stack,)).fetchone()
            free = (
                held is None
                or datetime.fromisoformat(held["expires_at"]) <= now()
                or _is_dead(held["host"], held["pid"], held["started"])
            )
            if free:
                return _take(backend, db, stack, source, operation, now)
        if time.monotonic() >= deadline:
            raise _held(held, now())
        time.sleep(min(0.2, max(0.0, deadline - time.monotonic())))


def _take(
    backend: SqliteBackend,
    db: sqlite3.Connection,
    stack: str,
    source: str,
    operation: str,
    now: Callable[[], datetime],
) -> SqliteWriter:
    db.execute("UPDATE stacks SET token = token + 1, source = ? WHERE name = ?", (source, stack))
    token = db.execute("SELECT token FROM stacks WHERE name = ?", (stack,)).fetchone()["token"]
    created = now()
    info = LockInfo(
        id=str(uuid.uuid4()),
        operation=operation,
        who=f"{getpass.getuser()}@{socket.gethostname()}",
        pid=os.getpid(),
        host=socket.gethostname(),
        version=__version__,
        created_at=created,
        expires_at=created + timedelta(seconds=LEASE_S),
        token=token,
    )
    db.execute(
        "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stack,
            info.id,
            token,
            operation,
            info.who,
            info.host,
            info.pid,
            process_start(info.pid),
            info.version,
            format_instant(info.created_at),
            format_instant(info.expires_at),
        ),
    )
    return SqliteWriter(backend, db, stack, info, now)


def _held(row: Mapping[str, Any], now: datetime) -> StoreError:
    age = (now - datetime.fromisoformat(row["created_at"])).total_seconds()
    detail = "\n".join(
        [
            "Another flowplan is writing this stack. Lock info:",
            f"  ID:        {row['id']}",
            f"  Operation: {row['operation']}",
            f"  Who:       {row['who']} (process {row['pid']})",
            f"  Version:   {row['version']}",
            f"  Created:   {row['created_at']} ({format_duration(max(age, 0))} ago)",
            f"  Expires:   {row['expires_at']} unless it is renewed",
            f"  Token:     {row['token']}",
        ]
    )
    return StoreError(
        Diagnostic.error(
            f"Stack {row['stack']} is locked",
            detail,
            suggestion="Wait for it to finish, or try again with --lock-timeout 60s. Planning needs no lock.",
        ),
        exit_code=LOCK_HELD,
    )


class SqliteWriter:
    """The writing half, while the lease lasts. Implements `flowplan.ports.Writer`."""

    def __init__(
        self,
        backend: SqliteBackend,
        db: sqlite3.Connection,
        stack: str,
        info: LockInfo,
        now: Callable[[], datetime],
    ) -> None:
        """Made by `acquire` only."""
        self._backend, self._db, self._stack, self.info, self._now = backend, db, stack, info, now

    @property
    def token(self) -> int:
        """See `flowplan.ports.Writer.token`."""
        return self.info.token

    def check(self) -> None:
        """See `flowplan.ports.Writer.check`."""
        with self._backend.guarded():
            self._check()

    def renew(self) -> None:
        """See `flowplan.ports.Writer.renew`."""
        end = format_instant(self._now() + timedelta(seconds=LEASE_S))
        with self._transaction():
            self._db.execute("UPDATE leases SET expires_at = ? WHERE stack = ?", (end, self._stack))

    def begin(self, entry: Entry) -> int:
        """See `flowplan.ports.Writer.begin`."""
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO operations (stack, run, token, operation, address, status, begun_at, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self._stack,
                    entry.run,
                    self.token,
                    entry.operation.value,
                    str(entry.address),
                    entry.status.value,
                    format_instant(entry.begun_at),
                    entry_body(entry),
                ),
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def commit(
        self, number: int, result: Status, record: Record | None, forget: Address | None = None
    ) -> None:
        """See `flowplan.ports.Writer.commit`."""
        with self._transaction():
            row = self._db.execute("SELECT status FROM operations WHERE number = ?", (number,)).fetchone()
            status = advance(Status(row["status"]), result)
            self._db.execute(
                "UPDATE operations SET status = ?, ended_at = ? WHERE number = ?",
                (status.value, format_instant(self._now()), number),
            )
            if forget is not None:
                self._forget(forget)
            if record is not None:
                self._put(record)
            self._next_serial()

    def save(
        self,
        records: Iterable[Record] = (),
        forget: Iterable[Address] = (),
        outputs: Mapping[str, Any] | None = None,
        project: str | None = None,
    ) -> None:
        """See `flowplan.ports.Writer.save`."""
        with self._transaction():
            for address in forget:
                self._forget(address)
            for record in records:
                self._put(record)
            if outputs is not None:
                self._db.execute(
                    "UPDATE stacks SET outputs = ? WHERE name = ?", (to_text(outputs), self._stack)
                )
            if project is not None:
                self._db.execute("UPDATE stacks SET project = ? WHERE name = ?", (project, self._stack))
            self._next_serial()

    def release(self) -> None:
        """See `flowplan.ports.Writer.release`."""
        from flowplan.backend.sqlite import transaction

        with self._backend.guarded(), transaction(self._db):
            self._db.execute("DELETE FROM leases WHERE stack = ? AND id = ?", (self._stack, self.info.id))

    # -- within a transaction ------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        from flowplan.backend.sqlite import transaction

        with self._backend.guarded(), transaction(self._db):
            self._check()
            yield

    def _check(self) -> None:
        held = self._db.execute(
            "SELECT id, token, who FROM leases WHERE stack = ?", (self._stack,)
        ).fetchone()
        if held is None or held["id"] != self.info.id:
            who = f"{held['who']} took it over" if held else "someone released it"
            raise StoreError(
                Diagnostic.error(
                    f"The lease on stack {self._stack} was lost",
                    f"This process did not renew it in time and {who}, so it stops without sending anything more. "
                    "What it had in flight is in the journal and is settled by the new owner.",
                    suggestion="Run the command again.",
                ),
                exit_code=LOCK_HELD,
            )

    def _put(self, record: Record) -> None:
        self._db.execute(
            "INSERT INTO resources (stack, address, kind, id, name, config, attributes, dependencies, protected, created_at, "
            "lifecycle) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stack, address) DO UPDATE SET "
            "id = excluded.id, name = excluded.name, config = excluded.config, attributes = excluded.attributes, "
            "dependencies = excluded.dependencies, protected = excluded.protected, created_at = excluded.created_at, "
            "lifecycle = excluded.lifecycle",
            record_row(self._stack, record),
        )

    def _forget(self, address: Address) -> None:
        self._db.execute("DELETE FROM resources WHERE stack = ? AND address = ?", (self._stack, str(address)))

    def _next_serial(self) -> None:
        self._db.execute("UPDATE stacks SET serial = serial + 1 WHERE name = ?", (self._stack,))
