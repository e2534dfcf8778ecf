"""The embedded backend keeps the contract, and names its file whatever happens to it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from attrs import evolve
from backend_contract import ONE, BackendContract, Time, entry

from flowplan.backend.sqlite import SqliteBackend
from flowplan.ports import StoreError
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address


class TestSqlite(BackendContract):
    def open(self, place: Path, now: Time) -> SqliteBackend:
        return SqliteBackend(place / "state", now)


@contextmanager
def refused(backend: SqliteBackend, *words: str) -> Iterator[None]:
    with closing(backend), pytest.raises(StoreError) as caught:
        yield
    said = caught.value.diagnostics[0]
    text = f"{said.summary}\n{said.detail}\n{said.suggestion}"
    assert str(backend.path) in text and said.suggestion
    for word in words:
        assert word in text


def made(folder: Path) -> SqliteBackend:
    """A backend with one recorded resource, closed."""
    backend = SqliteBackend(folder)
    with closing(backend):
        writer = backend.acquire("s", "s", "apply", 0)
        writer.save([ONE])
        writer.release()
    return backend


def test_reading_leaves_nothing_behind(tmp_path: Path) -> None:
    with closing(SqliteBackend(tmp_path / "state")) as backend:
        assert backend.snapshot("s") == Snapshot("s") and backend.unfinished("s") == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"", "empty"), (b"stack: s\n" * 100, "not a database"), (b"\x00" * 8192, "")],
)
def test_a_file_that_is_no_state(tmp_path: Path, content: bytes, word: str) -> None:
    backend = SqliteBackend(tmp_path)
    backend.path.write_bytes(content)
    with refused(backend, word):
        backend.snapshot("s")
    with refused(backend, word):
        backend.acquire("s", "s", "apply", 0)
    assert backend.path.read_bytes() == content


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_file(tmp_path: Path, share: float) -> None:
    backend = SqliteBackend(tmp_path)
    with closing(backend):
        writer = backend.acquire("s", "s", "apply", 0)
        writer.save(
            evolve(ONE, address=Address.parse(f"task.t{n}"), id=f"bid_{n}", config={"x": "y" * 500})
            for n in range(200)
        )
        writer.release()
    content = backend.path.read_bytes()
    backend.path.write_bytes(content[: int(len(content) * share)])
    with refused(backend):
        backend.snapshot("s")


def test_another_programs_database(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path)
    with closing(sqlite3.connect(backend.path)) as db:
        db.execute("CREATE TABLE notes (text)")
    with refused(backend, "another program's"):
        backend.snapshot("s")


def test_a_newer_format(tmp_path: Path) -> None:
    backend = made(tmp_path)
    with closing(sqlite3.connect(backend.path)) as db:
        db.execute("PRAGMA user_version = 99")
    with refused(backend, "newer flowplan", "99"):
        backend.snapshot("s")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE resources SET config = '{'",
        "UPDATE resources SET address = 'no address'",
        "UPDATE resources SET id = ''",
        "UPDATE resources SET created_at = 'yesterday'",
    ],
)
def test_rows_that_flowplan_did_not_write(tmp_path: Path, damage: str) -> None:
    backend = made(tmp_path)
    with closing(sqlite3.connect(backend.path)) as db:
        db.execute(damage)
        db.commit()
    with refused(backend):
        backend.snapshot("s")


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("x")
    with refused(SqliteBackend(tmp_path / "state")):
        SqliteBackend(tmp_path / "state").acquire("s", "s", "apply", 0)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    backend = made(tmp_path / "state")
    (tmp_path / "state").chmod(0o555)
    backend.path.chmod(0o444)
    try:
        if os.access(tmp_path / "state", os.W_OK):
            pytest.skip("this user may write everywhere")
        with closing(backend):
            assert backend.snapshot("s").records, "reading goes on"
        with refused(backend):
            backend.acquire("s", "s", "apply", 0)
    finally:
        (tmp_path / "state").chmod(0o755)


def test_a_full_disk_stops_before_anything_else_is_done(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], capture_output=True
    ).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        with closing(SqliteBackend(disk / "state")) as backend:
            writer = backend.acquire("s", "s", "apply", 0)
            writer.save([ONE])
            with (disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):
                while True:
                    filler.write(b"x" * 4096)
            with pytest.raises(StoreError) as caught:
                for _ in range(1000):
                    writer.begin(entry(config={"x": "y" * 5000}))
            said = caught.value.diagnostics[0]
            assert str(backend.path) in said.summary and "Free some space" in said.suggestion
            (disk / "filler").unlink()
            number = writer.begin(entry())
            assert number in [e.number for e in backend.unfinished("s")]
            assert list(backend.snapshot("s").records) == [ONE.address]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


HOLDER = """
import sys, time
from pathlib import Path
from flowplan.backend.sqlite import SqliteBackend
backend = SqliteBackend(Path(sys.argv[1]))
writer = backend.acquire("s", "s", "apply", 0)
print(writer.token, flush=True)
time.sleep(60)
"""


@pytest.mark.process
def test_a_dead_owner_on_this_host_is_replaced_at_once(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        token = int(child.stdout.readline())
        with closing(SqliteBackend(tmp_path)) as backend:
            with pytest.raises(StoreError) as caught:
                backend.acquire("s", "s", "apply", 0)
            assert caught.value.exit_code == 7 and str(child.pid) in caught.value.diagnostics[0].detail
            child.send_signal(signal.SIGKILL)
            child.wait()
            assert backend.acquire("s", "s", "apply", 0).token == token + 1
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def test_only_its_owner_may_read_the_state(tmp_path: Path) -> None:
    backend = made(tmp_path / "state")
    assert backend.path.stat().st_mode & 0o077 == 0
