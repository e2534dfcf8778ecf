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


DAMAGES = {
    "UPDATE resources SET body = replace(body, 'a-1', 'a-2')": ("edited", "task.a", "last good serial is 3"),
    "UPDATE resources SET body = '{'": ("edited", "task.a", "last good serial is 3"),
    "UPDATE resources SET address = 'no address' WHERE address = 'task.a'": ("cut out: task.a",),
    "UPDATE resources SET id = 'bid_9' WHERE address = 'task.a'": ("edited", "task.a"),
    "UPDATE resources SET sum = 7": ("edited",),
    "DELETE FROM resources WHERE address = 'task.a'": ("cut out: task.a", "last good serial is 3"),
    "DELETE FROM resources": ("cut out: ", "task.a, task.t0", "last good serial is 3"),
    "INSERT INTO resources SELECT stack, 'task.z', kind, 'bid_z', body, sum FROM resources WHERE address = 'task.a'": (
        "task.z",
        "last good serial is 3",
    ),
    "UPDATE stacks SET serial = 1": ("serial is given as 1", "history ends with 3", "last good serial is 3"),
    "UPDATE stacks SET serial = 9": ("serial is given as 9", "last good serial is 3"),
    "UPDATE stacks SET lineage = 'other'": ("lineage is given as 'other'", "last good serial is 3"),
    "UPDATE stacks SET project = 'other'": ("project is given as 'other'", "last good serial is 3"),
    "UPDATE stacks SET key = x'00'": ("table of stacks", "last good serial is 3"),
    "UPDATE outputs SET body = '{}'": ("outputs", "last good serial is 3"),
}


def recorded(folder: Path) -> SqliteBackend:
    """A backend with three serials and four records, closed."""
    backend = SqliteBackend(folder)
    with closing(backend):
        writer = backend.acquire("s", "s", "apply", 0)
        writer.save([ONE])
        writer.save([evolve(ONE, address=Address.parse(f"task.t{n}"), id=f"bid_t{n}") for n in range(3)])
        writer.save(outputs={"o": 1})
        writer.release()
    return backend


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_state_that_was_edited_by_hand_is_not_taken(tmp_path: Path, damage: str) -> None:
    backend = recorded(tmp_path)
    with closing(backend):
        sound = backend.snapshot("s")
    with closing(sqlite3.connect(backend.path)) as db:
        db.execute(damage)
        db.commit()
    with refused(backend, "damaged", *DAMAGES[damage], "flowplan state rollback 3"):
        backend.snapshot("s")
    with closing(backend):
        writer = backend.acquire("s", "s", "state rollback", 0)
        if "stacks" in damage:
            with pytest.raises(StoreError, match="damaged"):
                writer.save([ONE])
        again = backend.snapshot("s", 3)
        assert again.records == sound.records and again.outputs == sound.outputs
        assert (again.lineage, again.project) == (sound.lineage, sound.project)
        writer.replace(evolve(again, serial=10), "state rollback to 3")
        writer.release()
        healed = backend.snapshot("s")
        assert evolve(healed, serial=3, key=sound.key) == sound and healed.serial == 10
        assert backend.snapshot("s", 3).records == sound.records
        writer = backend.acquire("s", "s", "apply", 0)
        writer.save([evolve(ONE, name="goes on")])
        assert backend.snapshot("s").serial == 11


@pytest.mark.parametrize(
    ("damage", "good"),
    [
        ("UPDATE changes SET body = '{}' WHERE serial = 2 AND address = 'task.t1'", 1),
        ("DELETE FROM changes WHERE serial = 3", 2),
        ("UPDATE serials SET total = 5 WHERE serial = 3", 2),
        ("UPDATE serials SET operation = 'x' WHERE serial = 1", 3),
    ],
)
def test_a_history_that_was_edited_is_good_as_far_as_it_holds(tmp_path: Path, damage: str, good: int) -> None:
    backend = recorded(tmp_path)
    with closing(sqlite3.connect(backend.path)) as db:
        db.execute(damage)
        db.execute("DELETE FROM resources WHERE address = 'task.t1'")
        db.commit()
    word = f"last good serial is {good}"
    with refused(backend, "cut out: task.t1", word):
        backend.snapshot("s")
    with closing(backend):
        assert len(backend.snapshot("s", 1).records) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM operations WHERE status = 'begun'",
        "UPDATE operations SET body = replace(body, 'a-1', 'a-2')",
        "UPDATE operations SET status = 'done', ended_at = 'now'",
    ],
)
def test_a_journal_that_was_edited_is_not_taken(tmp_path: Path, damage: str) -> None:
    backend = recorded(tmp_path)
    with closing(backend):
        writer = backend.acquire("s", "s", "apply", 0)
        writer.begin(entry())
        writer.release()
    with closing(sqlite3.connect(backend.path)) as db:
        db.execute(damage)
        db.commit()
    with refused(backend, "journal"):
        backend.unfinished("s")


def test_what_flowplan_would_never_write_is_kept_out_by_the_database_itself(tmp_path: Path) -> None:
    backend = recorded(tmp_path)
    with closing(sqlite3.connect(backend.path)) as db:
        db.execute("PRAGMA foreign_keys = ON")
        for wrong in (
            "UPDATE resources SET id = ''",
            "UPDATE resources SET id = 'bid_1'",
            "UPDATE resources SET stack = 'nobody'",
            "UPDATE stacks SET serial = -1",
            "UPDATE stacks SET lineage = ''",
            "INSERT INTO operations SELECT 9, 's', 'r', 1, 'create', 'task.a', 'half', 'now', NULL, '{}', 0",
            "INSERT INTO operations SELECT 9, 's', 'r', 1, 'create', 'task.a', 'done', 'now', NULL, '{}', 0",
            "INSERT INTO changes VALUES ('s', 99, 'task.a', 'add', 'task', 'x', '{}', 0)",
        ):
            with pytest.raises(sqlite3.IntegrityError), db:
                db.execute(wrong)


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
            lock = backend.lock("s")
            assert lock is not None and not lock.is_over
            child.send_signal(signal.SIGKILL)
            child.wait()
            lock = backend.lock("s")
            assert lock is not None and lock.pid == child.pid and lock.is_over
            assert backend.acquire("s", "s", "apply", 0).token == token + 1
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def test_only_its_owner_may_read_the_state(tmp_path: Path) -> None:
    backend = made(tmp_path / "state")
    assert backend.path.stat().st_mode & 0o077 == 0
