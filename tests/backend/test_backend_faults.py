"""What disks, power cuts, kills and other programs do to the file: a clear error or a whole state, and nothing lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from attrs import evolve
from backend_contract import NOW, ONE, TWO, entry

from flowplan.backend.sqlite import SqliteBackend
from flowplan.ports import StoreError
from flowplan.state.journal import Entry, Status
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address

FRAME = 24


def task(number: int, name: str = "n") -> Record:
    return evolve(ONE, address=Address.parse(f"task.t{number}"), id=f"bid_{number}", name=name)


def told(error: StoreError, path: Path) -> str:
    """What is said, which names the file and what to do."""
    said = error.diagnostics[0]
    text = f"{said.summary}\n{said.detail}\n{said.suggestion}"
    assert str(path) in text and said.suggestion, text
    return text


class Lived:
    """A backend that lived through some transactions, and what was so after each."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "flowplan.db"
        self.backend = SqliteBackend(folder)
        self.seen: list[tuple[Snapshot, list[Entry]]] = []
        writer = self.backend.acquire("s", "s", "apply", 0)
        with closing(sqlite3.connect(self.path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what came before is safe, and no part of this
        self.look()

        def then(do: Callable[[], object]) -> None:
            do()
            self.look()

        then(lambda: writer.save([TWO], project="p"))
        for made in [task(number, "x" * 900 * number) for number in range(6)]:
            begun = writer.begin(entry(address=made.address))
            self.look()
            writer.commit(begun, Status.DONE, made)
            self.look()
        then(lambda: writer.begin_all([entry(), entry(address=task(0).address)]))
        then(lambda: writer.save([task(1, "again")], forget=[task(2).address], outputs={"o": [1]}))
        then(lambda: writer.replace(evolve(self.backend.snapshot("s", 4), serial=99), "rollback"))
        then(writer.renew)

    def look(self) -> None:
        self.seen.append((self.backend.snapshot("s"), self.backend.unfinished("s")))


@pytest.fixture
def lived(tmp_path: Path) -> Iterator[Lived]:
    made = Lived(tmp_path / "lived")
    yield made
    made.backend.close()


def test_a_power_cut_at_any_byte_of_the_log_leaves_an_older_state_whole(lived: Lived, tmp_path: Path) -> None:
    log = lived.path.with_name("flowplan.db-wal")
    main, content = lived.path.read_bytes(), log.read_bytes()
    page = int.from_bytes(content[8:12], "big")
    step = page + FRAME
    frames = (len(content) - 32) // step
    assert frames > 50
    edges = [32 + number * step for number in range(frames + 1)]
    inside = [
        edge + more for edge in edges[:-1] for more in (1, FRAME - 1, FRAME, FRAME + page // 2, step - 1)
    ]
    cuts = sorted({0, 1, 31, *edges, *random.Random(1).sample(inside, 60)})
    place, at, reached = tmp_path / "cut", 0, set()
    for number, cut in enumerate(cuts):
        place.mkdir()
        (place / "flowplan.db").write_bytes(main)
        torn = content[:cut]
        if number % 3 == 0 and cut > 100:  # the last page was half written, with something else in it
            torn = torn[:-40] + bytes(40)
        (place / "flowplan.db-wal").write_bytes(torn)
        with closing(SqliteBackend(place)) as backend:
            found = backend.snapshot("s"), backend.unfinished("s")
            now = lived.seen.index(found)  # one of the states that were: never another, never half of one
            if torn == content[:cut]:
                assert now >= at, "a longer log never gives an older state"
                at = now
            reached.add(now)
            if number % 12 == 0:
                writer = (
                    backend.acquire(
                        "s",
                        "s",
                        "apply",
                        0,
                    )
                    if _free(backend)
                    else None
                )
                if writer is not None:
                    writer.save([task(77)])
                    assert backend.snapshot("s").serial == found[0].serial + 1
                    assert backend.unfinished("s") == found[1], "what was in flight is still known"
        shutil.rmtree(place)
    assert len(reached) >= len({repr(one) for one in lived.seen}) - 1, "every commit was a state of its own"


def _free(backend: SqliteBackend) -> bool:
    """Whether the lease may be taken: its owner, this process, is alive, so a person has to unlock it."""
    lock = backend.lock("s")
    return lock is None or backend.unlock("s", lock.id)


def test_a_file_cut_at_any_page_is_told_of_or_whole(lived: Lived, tmp_path: Path) -> None:
    lived.backend.close()  # the last one out puts the log into the file
    content = lived.path.read_bytes()
    place = tmp_path / "cut"
    place.mkdir()
    path = place / "flowplan.db"
    for cut in [*range(0, len(content), 4096), 1, 100, 4095, len(content) - 1]:
        path.write_bytes(content[:cut])
        with closing(SqliteBackend(place)) as backend, pytest.raises(StoreError) as caught:
            backend.snapshot("s")
        told(caught.value, path)
        with closing(SqliteBackend(place)) as backend, pytest.raises(StoreError):
            backend.acquire("s", "s", "apply", 0)
        assert path.read_bytes() == content[:cut], "nothing is made of it"


def test_whatever_byte_is_spoilt_no_other_state_is_read(lived: Lived, tmp_path: Path) -> None:
    lived.backend.close()
    content, known = lived.path.read_bytes(), [repr(one) for one in lived.seen]
    place, chance, damaged = tmp_path / "spoilt", random.Random(7), 0
    for _ in range(150):
        place.mkdir()
        spoilt = bytearray(content)
        for _ in range(chance.randrange(1, 4)):
            spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
        (place / "flowplan.db").write_bytes(spoilt)
        with closing(SqliteBackend(place)) as backend:
            try:
                found = backend.snapshot("s"), backend.unfinished("s")
            except StoreError as error:
                told(error, place / "flowplan.db")
                damaged += 1
            else:
                assert repr(found) == known[-1]
        shutil.rmtree(place)
    assert damaged > 10


@pytest.mark.parametrize("mode", ["NORMAL", "EXCLUSIVE"])
def test_another_program_that_holds_the_file(lived: Lived, mode: str) -> None:
    lived.backend.close()
    folder = lived.path.parent
    with closing(sqlite3.connect(lived.path, isolation_level=None)) as other:
        other.execute(f"PRAGMA locking_mode = {mode}")
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE leases SET pid = pid")
        with closing(SqliteBackend(folder, busy_s=0.1)) as backend:
            if mode == "NORMAL":
                assert backend.snapshot("s") == lived.seen[-1][0], "reading goes on"
            else:
                with pytest.raises(StoreError) as caught:
                    backend.snapshot("s")
                assert "Another program holds the file" in told(caught.value, lived.path)
            with pytest.raises(StoreError) as caught:
                backend.acquire("t", "t", "apply", 0)
            assert "Another program holds the file" in told(caught.value, lived.path)
            other.execute("ROLLBACK")
            if mode == "NORMAL":
                backend.acquire("t", "t", "apply", 0).release()
    with closing(SqliteBackend(folder)) as backend:
        assert backend.snapshot("s") == lived.seen[-1][0]


def test_a_writer_lets_nothing_pass_until_the_store_takes_records_again(tmp_path: Path) -> None:
    with closing(SqliteBackend(tmp_path, busy_s=0.05)) as backend:
        writer = backend.acquire("s", "s", "apply", 0)
        writer.begin(entry())
        with closing(sqlite3.connect(backend.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError):
                writer.begin(entry())
            with pytest.raises(StoreError):
                writer.check()
            other.execute("ROLLBACK")
        writer.check()
        writer.begin(entry())


# -- disks: only where this user may mount one


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("no small disk can be mounted here: it takes root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(b"x" * 4096)


def test_a_full_disk_is_read_and_not_written(disk: Path) -> None:
    with closing(SqliteBackend(disk / "state")) as backend:
        writer = backend.acquire("s", "s", "apply", 0)
        writer.save([ONE])
        writer.release()
    fill(disk)
    with closing(SqliteBackend(disk / "state")) as backend:
        assert list(backend.snapshot("s").records) == [ONE.address], (
            "there is no room even for the log's index"
        )
        with pytest.raises(StoreError) as caught:
            backend.acquire("s", "s", "apply", 0)
        assert "space" in told(caught.value, backend.path)
        (disk / "filler").unlink()
        writer = backend.acquire("s", "s", "apply", 0)
        writer.save([TWO])
        assert len(backend.snapshot("s").records) == 2


@pytest.mark.parametrize("has_log", [False, True])
def test_a_read_only_disk_is_read_and_not_written(disk: Path, has_log: bool) -> None:
    backend = SqliteBackend(disk / "state")
    writer = backend.acquire("s", "s", "apply", 0)
    writer.save([ONE])
    lock = backend.lock("s")
    assert lock is not None
    if has_log:  # as a killed process leaves it
        copies = {name: (disk / "state" / name).read_bytes() for name in ("flowplan.db", "flowplan.db-wal")}
        backend.close()
        for file in (disk / "state").iterdir():
            file.unlink()
        for name, content in copies.items():
            (disk / "state" / name).write_bytes(content)
    else:
        writer.release()
        backend.close()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with closing(SqliteBackend(disk / "state")) as backend:
        assert list(backend.snapshot("s").records) == [ONE.address]
        with pytest.raises(StoreError) as caught:
            backend.acquire("t", "t", "apply", 0)
        assert "writable" in told(caught.value, backend.path)
        with pytest.raises(StoreError):
            backend.unlock("s", lock.id)
        assert list(backend.snapshot("s").records) == [ONE.address]
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert backend.unlock("s", lock.id) is has_log
        backend.acquire("s", "s", "apply", 0).save([TWO])
        assert len(backend.snapshot("s").records) == 2


# -- processes


def forked(work: Callable[[], None]) -> int:
    """A child process that does ``work``; it is cheap, for it imports nothing."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def write_resources(folder: Path, count: int, told: Callable[[], object] = lambda: None) -> None:
    """What an apply of that many resources does to the state."""
    with closing(SqliteBackend(folder)) as backend:
        writer = backend.acquire("s", "s", "apply", 30)
        done = backend.snapshot("s").records
        for number in range(count):
            if task(number).address in done:
                continue
            begun = writer.begin(entry(address=task(number).address, begun_at=NOW))
            writer.commit(begun, Status.DONE, task(number))
            told()
        writer.release()


@pytest.mark.process
def test_a_reader_never_sees_an_empty_or_a_torn_state(tmp_path: Path) -> None:
    write_resources(tmp_path, 1)
    pid = forked(lambda: write_resources(tmp_path, 300))
    sizes, reads = [1], 0
    try:
        with closing(SqliteBackend(tmp_path)) as backend:
            while os.waitpid(pid, os.WNOHANG) == (0, 0):
                snapshot = backend.snapshot("s")
                assert len(snapshot.records) >= sizes[-1], "it only grows"
                assert list(snapshot.records)[:1] == [task(0).address]
                sizes.append(len(snapshot.records))
                backend.unfinished("s")
                reads += 1
            assert len(backend.snapshot("s").records) == 300
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert reads > 5 and len(set(sizes)) > 5


@pytest.mark.process
def test_kills_at_any_moment_leave_a_state_that_can_be_read_and_gone_on_with(tmp_path: Path) -> None:
    chance, before = random.Random(24), 0
    for _ in range(24):
        heard, said = os.pipe()
        pid = forked(lambda: write_resources(tmp_path, 10_000, lambda: os.write(said, b".")))  # noqa: B023
        for _ in range(chance.randrange(1, 4)):
            assert os.read(heard, 1) == b"."
        time.sleep(chance.uniform(0, 0.01))  # not to wait for anything: to hit any moment of what comes next
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(heard)
        os.close(said)
        with closing(SqliteBackend(tmp_path)) as backend:
            now, left = backend.snapshot("s"), backend.unfinished("s")
            assert len(now.records) >= before and len({one.number for one in left}) == len(left)
            before = len(now.records)
            # The next writer needs no one to unlock anything.
            writer = backend.acquire("s", "s", "apply", 0)
            for one in left:
                writer.commit(one.number, Status.FAILED, None)
            writer.release()
    assert before >= 24
