"""The embedded backend: one SQLite database for any number of stacks, in WAL mode, full synchronous on commit.

Reading takes no lock and sees one consistent snapshot, also while an apply writes. Nothing is created on
disk until something is to be recorded, so planning leaves no trace.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from flowplan.backend.lease import SqliteWriter, acquire
from flowplan.backend.schema import (
    APPLICATION_ID,
    FORMAT,
    SCHEMA,
    UPGRADES,
    entry_of,
    from_text,
    record_of,
)
from flowplan.ports import StoreError
from flowplan.state.journal import Entry
from flowplan.state.snapshot import Snapshot
from flowplan.values.diagnostic import Diagnostic


def _now() -> datetime:
    return datetime.now(UTC)


def _advice(error: sqlite3.Error) -> str:
    text = str(error).lower()
    if "full" in text:
        return "Free some space and run the command again; nothing was lost."
    if "readonly" in text or "unable to open" in text:
        return "Make the file and its folder writable for you."
    if "locked" in text or "busy" in text:
        return "Another program holds the file; end it and try again."
    return "The file may be damaged. Restore it from a backup, or move it away and rebuild the state."


class SqliteBackend:
    """State under ``folder`` (``flowplan.db``). Implements `flowplan.ports.Backend`."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = _now) -> None:
        """Nothing is opened before it is needed."""
        self.path = folder / "flowplan.db"
        self._now = now
        self._connection: sqlite3.Connection | None = None

    # -- reading -----------------------------------------------------------------------------------

    def snapshot(self, stack: str) -> Snapshot:
        """See `flowplan.ports.Reader.snapshot`."""
        with self._reading() as db:
            if db is None:
                return Snapshot(stack)
            row = db.execute("SELECT * FROM stacks WHERE name = ?", (stack,)).fetchone()
            if row is None:
                return Snapshot(stack)
            rows = db.execute("SELECT * FROM resources WHERE stack = ?", (stack,)).fetchall()
            records = sorted((record_of(r) for r in rows), key=lambda record: record.address.sort_key)
            snapshot = Snapshot(
                stack=stack,
                lineage=row["lineage"],
                serial=row["serial"],
                records={record.address: record for record in records},
                outputs=from_text(row["outputs"]),
                key=row["key"],
                project=row["project"],
                source=row["source"],
            )
        if broken := snapshot.verify():
            raise self._damaged(f"The recorded state of stack {stack} is not sound", "\n".join(broken))
        return snapshot

    def unfinished(self, stack: str) -> list[Entry]:
        """See `flowplan.ports.Reader.unfinished`."""
        with self._reading() as db:
            if db is None:
                return []
            query = "SELECT * FROM operations WHERE stack = ? AND status = 'begun' ORDER BY number"
            return [entry_of(row) for row in db.execute(query, (stack,))]

    def stacks(self) -> list[str]:
        """See `flowplan.ports.Reader.stacks`."""
        with self._reading() as db:
            if db is None:
                return []
            return [row["name"] for row in db.execute("SELECT name FROM stacks ORDER BY name")]

    # -- writing -----------------------------------------------------------------------------------

    def acquire(self, stack: str, source: str, operation: str, timeout: float) -> SqliteWriter:
        """See `flowplan.ports.Backend.acquire`."""
        with self.guarded():
            db = self._open(create=True)
            assert db is not None
            _upgrade(db)
            with transaction(db):
                db.execute(
                    "INSERT INTO stacks VALUES (?, ?, 0, ?, '', ?, '{}', 0) ON CONFLICT (name) DO NOTHING",
                    (stack, str(uuid.uuid4()), secrets.token_bytes(32), source),
                )
            return acquire(self, db, stack, source, operation, timeout, self._now)

    def close(self) -> None:
        """See `flowplan.ports.Backend.close`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # -- the file ----------------------------------------------------------------------------------

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turns what the disk or the database did into a diagnostic that names the file."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            detail = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            advice = (
                _advice(error) if isinstance(error, sqlite3.Error) else "Make the folder writable for you."
            )
            raise StoreError(
                Diagnostic.error(f"The state at {self.path} cannot be used", f"{detail}.", suggestion=advice)
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(
                "The state holds something that flowplan did not write", str(error)
            ) from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        with self.guarded():
            db = self._open(create=False)
            if db is None:
                yield None
                return
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("ROLLBACK")

    def _damaged(self, summary: str, detail: str) -> StoreError:
        return StoreError(
            Diagnostic.error(
                summary,
                f"{self.path}: {detail}",
                suggestion="Restore the file from a backup, or move it away and rebuild the state.",
            )
        )

    def _open(self, create: bool) -> sqlite3.Connection | None:
        if self._connection is not None:
            return self._connection
        if not create and not self.path.exists():
            return None
        if self.path.exists() and self.path.stat().st_size == 0:
            raise self._damaged("The state is an empty file", "it has no content at all")
        if create and not self.path.exists():
            self._found()
        db = self._connect()
        db.row_factory = sqlite3.Row
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        self._connection = db
        return db

    def _found(self) -> None:
        """Make the file, whole or not at all: a process killed meanwhile leaves nothing under its name."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".flowplan-new-")
        os.close(handle)
        try:
            db = sqlite3.connect(name, isolation_level=None)
            try:
                _make(db)
            finally:
                db.close()
            with suppress(FileExistsError):
                # A link and no renaming: where another process was faster, its file must stay.
                os.link(name, self.path)
        finally:
            for left in (name, f"{name}-wal", f"{name}-shm"):
                Path(left).unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        if os.access(self.path.parent, os.W_OK) and os.access(self.path, os.W_OK):
            return sqlite3.connect(self.path, timeout=10, isolation_level=None)
        # Why: WAL needs a writable folder even to read, so a read-only state is read as it lies on disk.
        wal = self.path.with_name(self.path.name + "-wal")
        frozen = "&immutable=1" if not wal.exists() or wal.stat().st_size == 0 else ""
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro{frozen}", uri=True, isolation_level=None
        )

    def _prepare(self, db: sqlite3.Connection) -> None:
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION_ID:
            raise self._damaged("The state is another program's database", "it was not made by flowplan")
        if version > FORMAT:
            raise StoreError(
                Diagnostic.error(
                    "The state was written by a newer flowplan",
                    f"{self.path} has format {version}; this version knows format {FORMAT}.",
                    suggestion="Upgrade flowplan.",
                )
            )
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")


def _make(db: sqlite3.Connection) -> None:
    """Lay out an empty database."""
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    with transaction(db):
        for statement in SCHEMA.split(";"):
            if statement.strip():
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {FORMAT}")


def _upgrade(db: sqlite3.Connection) -> None:
    """Bring an older database to the present form, wholly or not at all; nothing where it has it already."""
    if db.execute("PRAGMA user_version").fetchone()[0] >= FORMAT:
        return
    with transaction(db):
        # Why again: another process may have done it while this one waited for the write lock.
        version = db.execute("PRAGMA user_version").fetchone()[0]
        for number in range(version, FORMAT):
            for statement in UPGRADES[number]:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {FORMAT}")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """One durable transaction; the write lock is taken at its start, so that a check in it still holds at its end."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # A full disk may refuse even the COMMIT; what is left of the transaction must not hold up the next one.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
