"""A database of an older form is read as it lies, and upgraded when it is first written to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve

from flowplan.backend.schema import FORMAT
from flowplan.backend.sqlite import SqliteBackend
from flowplan.state.journal import Entry, Operation
from flowplan.state.snapshot import Deposed, Record
from flowplan.values.address import Address
from flowplan.values.value import Fingerprint

A, B = Address.parse("task.a"), Address.parse("volume.b")
OLD = Record(A, "bid_1", "a-1", {"n": 1}, {"x": 2}, (B,), True, datetime(2026, 11, 23, tzinfo=UTC))
ENTRY = Entry(Operation.CREATE, B, "r", datetime(2026, 11, 23, tzinfo=UTC), name="b")


def older(folder: Path) -> Path:
    """A database as format 1 had it, with one record."""
    with closing(SqliteBackend(folder)) as backend:
        writer = backend.acquire("s", "s.yaml", "apply", 0)
        writer.save([OLD])
        writer.begin(ENTRY)
        writer.release()
    path = folder / "flowplan.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE resources DROP COLUMN lifecycle")
        db.execute("PRAGMA user_version = 1")
        db.commit()
    return path


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_reading_changes_nothing(tmp_path: Path) -> None:
    path = older(tmp_path)
    with closing(SqliteBackend(tmp_path)) as backend:
        assert dict(backend.snapshot("s").records) == {A: OLD}
        assert [entry.name for entry in backend.unfinished("s")] == ["b"]
    assert version(path) == 1


def test_writing_upgrades_and_loses_nothing(tmp_path: Path) -> None:
    path = older(tmp_path)
    new = evolve(
        OLD,
        retained=True,
        deposed=(Deposed("bid_0", "a-0", (B,)),),
        triggers={"volume.b": {"id": "vol_1"}, "task.x.env": Fingerprint("f")},
    )
    with closing(SqliteBackend(tmp_path)) as backend:
        writer = backend.acquire("s", "s.yaml", "apply", 0)
        assert version(path) == FORMAT
        assert dict(backend.snapshot("s").records) == {A: OLD}
        writer.save([new])
        writer.release()
    with closing(SqliteBackend(tmp_path)) as backend:
        assert dict(backend.snapshot("s").records) == {A: new}
        backend.acquire("s", "s.yaml", "apply", 0).release()
