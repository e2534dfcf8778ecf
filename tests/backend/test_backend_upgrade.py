"""A database of an older form is read as it lies, and upgraded when it is first written to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve

from flowplan.backend.sqlite import SqliteBackend
from flowplan.ports import StoreError
from flowplan.state.format import FORMAT
from flowplan.state.journal import Status
from flowplan.state.snapshot import Deposed, Snapshot
from flowplan.values.address import Address
from flowplan.values.value import Fingerprint

CORPUS = Path(__file__).parents[1] / "corpus" / "state"
"""Dumps of states as each version wrote them; a version that is shipped adds one, and none is ever edited."""
VERSIONS = range(1, FORMAT + 1)
TRAIN = Address.parse('task.train["base \\"q\\""]')


def restore(version: int, folder: Path) -> Path:
    path = folder / "flowplan.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript((CORPUS / f"format-{version}.sql").read_text(encoding="utf-8"))
        db.execute("PRAGMA journal_mode = WAL")
    return path


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def everything(folder: Path) -> dict[str, object]:
    with closing(SqliteBackend(folder)) as backend:
        return {
            name: (backend.snapshot(name), backend.unfinished(name), backend.history(name))
            for name in backend.stacks()
        }


def test_there_is_a_state_of_every_version() -> None:
    assert {path.name for path in CORPUS.glob("*.sql")} == {f"format-{n}.sql" for n in VERSIONS}


@pytest.mark.parametrize("version", VERSIONS)
def test_an_old_state_is_read_as_it_lies(tmp_path: Path, version: int) -> None:
    path = restore(version, tmp_path)
    with closing(SqliteBackend(tmp_path)) as backend:
        found = backend.snapshot("train")
        assert [str(address) for address in found.records] == [
            "volume.data",
            "task.prep",
            str(TRAIN),
            'module.net["eu"].reservation.window',
        ]
        assert (found.serial, found.project, found.source) == (4, "proj_7", "stacks/train.yaml")
        assert found.lineage and len(found.key) == 32
        assert backend.key("train") == found.key and backend.key("none such") == b""
        assert found.outputs == {"id": "vol_1", "secret": Fingerprint("beef"), "list": [1, {"x": "y"}]}
        prep = found.records[Address.parse("task.prep")]
        assert prep.config["env"] == {"$odd": "x", "PLAIN": "y", "TOKEN": Fingerprint("ab12")}
        assert prep.config["command"] == "echo $HOME é 日本\n" and prep.attributes["limit_price"] == 2.5
        assert prep.created_at == datetime(2026, 11, 20, 9, 30, 15, 250000, UTC)
        train = found.records[TRAIN]
        assert train.protected and train.config["nested"] == {"a": [{"b": None}, True, 1.5]}
        if version >= 2:
            assert train.retained and train.triggers["task.prep.env"] == Fingerprint("c0ffee")
            assert train.deposed == (Deposed("bid_0", "train-old", (Address.parse("volume.data"),)),)
        left = backend.unfinished("train")
        assert [(e.operation.value, str(e.address), e.status) for e in left] == [
            ("create", "task.lost", Status.BEGUN),
            ("update", "task.prep", Status.BEGUN),
        ]
        assert left[0].config == {"env": {"T": Fingerprint("f00")}} and left[0].seen == ("bid_0",)
        assert backend.stacks() == ["empty", "held", "train"] and not backend.snapshot("empty").records
        lock = backend.lock("held")
        assert lock is not None and lock.operation == "destroy"
    assert version_of(path) == version, "reading changes nothing"


@pytest.mark.parametrize("version", VERSIONS)
def test_writing_upgrades_and_loses_nothing(tmp_path: Path, version: int) -> None:
    path = restore(version, tmp_path)
    before = everything(tmp_path)
    with closing(SqliteBackend(tmp_path)) as backend:
        writer = backend.acquire("train", "stacks/train.yaml", "apply", 0)
        assert version_of(path) == FORMAT
        assert everything(tmp_path) == before
        entry = backend.unfinished("train")[0]
        train = evolve(backend.snapshot("train").records[TRAIN], name="other")
        writer.commit(entry.number, Status.DONE, train)
        assert writer.begin(entry) > entry.number + 2, "numbers go on where they were"
        writer.release()
        assert backend.snapshot("train").records[TRAIN] == train
        assert backend.snapshot("train", 4) == _snapshot(before), "the history begins with what there was"
        assert backend.history("train")[0].number == 5


def _snapshot(before: dict[str, object]) -> Snapshot:
    (snapshot, _, _) = before["train"]  # type: ignore[misc]
    assert isinstance(snapshot, Snapshot)
    return snapshot


def test_no_upgrade_while_an_older_flowplan_writes(tmp_path: Path) -> None:
    path = restore(2, tmp_path)
    at = datetime(2026, 11, 20, 9, 30, 30, tzinfo=UTC)
    with closing(SqliteBackend(tmp_path, lambda: at)) as backend:
        with pytest.raises(StoreError) as caught:
            backend.acquire("train", "", "apply", 0)
        assert caught.value.exit_code == 7 and "held" in caught.value.diagnostics[0].summary
    assert version_of(path) == 2


def test_an_old_state_that_was_edited_is_not_taken(tmp_path: Path) -> None:
    path = restore(2, tmp_path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE resources SET config = '{'")
        db.commit()
    with closing(SqliteBackend(tmp_path)) as backend:
        for attempt in (
            lambda: backend.snapshot("train"),
            lambda: backend.acquire("train", "", "apply", 0),
        ):
            with pytest.raises(StoreError):
                attempt()
    assert version_of(path) == 2
