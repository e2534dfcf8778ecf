"""The file of the embedded backend: found, opened, recognised, upgraded."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flowplan.backend.faults import damaged
from flowplan.backend.schema import APPLICATION_ID, SCHEMA, TABLES
from flowplan.ports import StoreError
from flowplan.state.format import FORMAT, Tables, upgraded
from flowplan.values.diagnostic import Diagnostic

if TYPE_CHECKING:
    import tempfile

_MAGIC = b"SQLite format 3\0"
_BUSY_S = 10.0
"""How long another process may hold the write lock, in seconds; none of ours holds it for long."""


class StateFile:
    """The database at ``path``. Nothing is opened, and nothing made, before it is needed."""

    def __init__(self, path: Path, busy_s: float = _BUSY_S) -> None:
        self.path = path
        self._busy_s = busy_s
        self._connection: sqlite3.Connection | None = None
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._is_readonly = False
        self._why: sqlite3.Error | None = None
        """What kept the file from being opened for writing, where it could be opened for reading."""

    def for_reading(self) -> sqlite3.Connection | None:
        """The open database, or None where there is none yet."""
        if self._connection is None and self.path.exists():
            self._connection = self._open()
        return self._connection

    def for_writing(self) -> sqlite3.Connection:
        """The open database, made where there is none yet.

        Raises:
            StoreError, sqlite3.Error, OSError: it cannot be made, is not ours, or cannot be written.
        """
        if self._is_readonly:
            self.close()  # it may be writable by now
        if self._connection is None:
            if not self.path.exists():
                self._found()
            self._connection = self._open()
        if self._is_readonly:
            raise self._why or sqlite3.OperationalError("attempt to write a readonly database")
        return self._connection

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._is_readonly, self._why = False, None
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None

    def _open(self) -> sqlite3.Connection:
        if self.path.stat().st_size == 0:
            raise damaged(self.path, "The state is an empty file", "it has no content at all")
        self._measure()
        last: sqlite3.Error | None = None
        for connect in self._ways():
            db = connect()
            try:
                db.row_factory = sqlite3.Row
                self._recognise(db)
                db.execute("PRAGMA synchronous = FULL")
                db.execute("PRAGMA foreign_keys = ON")
            except sqlite3.OperationalError as error:
                db.close()
                if "locked" in str(error):
                    raise
                last = error
                self._why = None if self._is_readonly else error
            except BaseException:
                db.close()
                raise
            else:
                return db
        assert last is not None
        raise last

    def _measure(self) -> None:
        """Refuse a file that lost its end: the pages that are left might well be read, and be written over."""
        for last_try in (False, True):
            log = self.path.with_name(f"{self.path.name}-wal")
            with self.path.open("rb") as file:
                head = file.read(32)
                size = os.fstat(file.fileno()).st_size
            if head[:16] != _MAGIC or (log.exists() and log.stat().st_size):
                return  # what it is, is found out later; with a log the file may rightly be short
            page = int.from_bytes(head[16:18], "big")
            expected = int.from_bytes(head[28:32], "big") * (65536 if page == 1 else page)
            if size >= expected:
                return
            if last_try:
                raise damaged(self.path, "The state has lost its end", f"it has {size} of {expected} bytes")
            time.sleep(0.1)  # another process may just be writing its log back

    def _ways(self) -> Iterator[Callable[[], sqlite3.Connection]]:
        """How the file may be opened, best first.

        Even to read, WAL wants a folder that can be written and has some space. Where there is none, the state is
        read without: as it lies on the disk, or if it has a log, from a copy of both.
        """
        if os.access(self.path.parent, os.W_OK) and os.access(self.path, os.W_OK):
            yield lambda: sqlite3.connect(self.path, timeout=self._busy_s, isolation_level=None)
        self._is_readonly = True
        place = self.path.absolute().as_uri()
        log = self.path.with_name(f"{self.path.name}-wal")
        yield lambda: sqlite3.connect(
            f"{place}?mode=ro", uri=True, timeout=self._busy_s, isolation_level=None
        )
        if not log.exists() or log.stat().st_size == 0:
            yield lambda: sqlite3.connect(f"{place}?mode=ro&immutable=1", uri=True, isolation_level=None)
        else:
            yield self._connect_copy

    def _found(self) -> None:
        """Make the file, whole or not at all: a process killed meanwhile leaves nothing under its name."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        import tempfile

        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".flowplan-new-")
        os.close(handle)
        try:
            db = sqlite3.connect(name, isolation_level=None)
            try:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                with transaction(db):
                    lay_out(db)
            finally:
                db.close()
            with suppress(FileExistsError):
                # A link and no renaming: where another process was faster, its file must stay.
                os.link(name, self.path)
        finally:
            for left in (name, f"{name}-wal", f"{name}-shm"):
                Path(left).unlink(missing_ok=True)

    def _connect_copy(self) -> sqlite3.Connection:
        import shutil
        import tempfile

        self._copy = tempfile.TemporaryDirectory(prefix="flowplan-state-")
        folder = Path(self._copy.name)
        for ending in ("", "-wal"):
            source = self.path.with_name(self.path.name + ending)
            if source.exists():
                shutil.copyfile(source, folder / source.name)
        db = sqlite3.connect(folder / self.path.name, isolation_level=None)
        db.execute("PRAGMA query_only = ON")
        return db

    def _recognise(self, db: sqlite3.Connection) -> None:
        application = db.execute("PRAGMA application_id").fetchone()[0]
        if application != APPLICATION_ID:
            raise damaged(
                self.path,
                "The state is another program's database",
                "it was not made by flowplan",
                "Move it away, or name another folder for the state with FLOWPLAN_DATA_DIR.",
            )
        version(db, self.path)


def version(db: sqlite3.Connection, path: Path) -> int:
    """The version of the stored form that a database has now.

    Raises:
        StoreError: it is newer than this flowplan.
    """
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    if found > FORMAT:
        raise StoreError(
            Diagnostic.error(
                "The state was written by a newer flowplan",
                f"{path} has format {found}; this version knows format {FORMAT}.",
                suggestion="Upgrade flowplan.",
            )
        )
    return found


def lay_out(db: sqlite3.Connection) -> None:
    """Make the tables of the present form, within a transaction."""
    for statement in SCHEMA.split(";"):
        if statement.strip():
            db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {FORMAT}")


def as_now(db: sqlite3.Connection, found: int) -> sqlite3.Connection:
    """A database in memory that holds what ``db``, of an older version, holds, in the present form."""
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.row_factory = sqlite3.Row
    with transaction(made):
        lay_out(made)
        _fill(made, upgraded(_tables(db), found))
    return made


def upgrade(db: sqlite3.Connection, found: int) -> None:
    """Bring a database to the present form, within a transaction."""
    tables = upgraded(_tables(db), found)
    numbers = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'operations'").fetchone()
    for name in reversed(TABLES):
        db.execute(f"DROP TABLE IF EXISTS {name}")
    lay_out(db)
    _fill(db, tables)
    if numbers is not None:
        # Why: numbers order the journal, so those of entries that were deleted must not come again.
        db.execute("DELETE FROM sqlite_sequence WHERE name = 'operations'")
        db.execute("INSERT INTO sqlite_sequence VALUES ('operations', ?)", (numbers[0],))


def _tables(db: sqlite3.Connection) -> Tables:
    there = {row["name"] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    names = [name for name in TABLES if name in there]
    return {name: [dict(row) for row in db.execute(f"SELECT * FROM {name}")] for name in names}  # noqa: S608


def _fill(db: sqlite3.Connection, tables: Tables) -> None:
    for name in TABLES:
        columns = [row["name"] for row in db.execute(f"PRAGMA table_info({name})")]
        marks = ", ".join("?" for _ in columns)
        rows = ([row[column] for column in columns] for row in tables[name])
        # The names are those of our own schema.
        db.executemany(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})", rows)  # noqa: S608


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
