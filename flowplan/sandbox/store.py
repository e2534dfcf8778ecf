"""The world on disk: one SQLite file, one transaction per changing request.

The objects are kept in memory between requests. Before each request the rows that another process changed since
are read again, so any number of processes may share a file. Startup scripts, which are most of what there is to
read, stay in the file until somebody asks for one.
"""

from __future__ import annotations

import gc
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan.sandbox.world.records import KINDS
from flowplan.sandbox.world.world import Effect, World
from flowplan.values.diagnostic import Diagnostic, FlowplanError

if TYPE_CHECKING:
    from cattrs.preconf.json import JsonConverter

_VERSION = 2
_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
    kind TEXT NOT NULL, fid TEXT NOT NULL, seq INTEGER NOT NULL, rev INTEGER NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY (kind, fid)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS objects_by_rev ON objects (rev, seq);
CREATE TABLE IF NOT EXISTS effects (
    id INTEGER PRIMARY KEY AUTOINCREMENT, verb TEXT NOT NULL, fid TEXT NOT NULL, boots INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS texts (key TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS epochs (epoch INTEGER NOT NULL);
INSERT INTO epochs SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM epochs);
"""

_SCRIPTED = ("bid", "reservation")
_AT_ONCE = 500
_MANY = 500


class Store:
    """The world in a file. Safe to use from several threads and, with one store each, several processes.

    Raises:
        FlowplanError: the file cannot be read or written, is damaged, or comes from a newer version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._world = World(self._texts)
        self._rev = 0
        self._epoch = 0
        self._data_version = -1
        self._converter = _make_converter()
        with self._faults():
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            with self._faults():
                # NORMAL loses nothing when a process is killed; only a power cut could lose the last requests.
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                version = self._db.execute("PRAGMA user_version").fetchone()[0]
                if version > _VERSION:
                    raise _fault(f"The sandbox file {path} was written by a newer flowplan", "")
                if version < _VERSION:
                    self._upgrade()
        except BaseException:
            self._db.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[World]:
        """The world as it is now, to look at."""
        with self._lock, self._faults():
            self._sync()
            yield self._world

    @contextmanager
    def changing(self) -> Iterator[World]:
        """The world, to be changed: stored when the block ends, untouched if it raises."""
        with self._lock, self._faults():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._sync()
                yield self._world
                rev = self._save()
                self._db.execute("COMMIT")
            except BaseException:
                self._world.revert()
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._rev = rev
            self._world.accept()

    def pending(self) -> list[tuple[int, Effect]]:
        """Effects that were decided but not yet done, oldest first, with their numbers."""
        with self._lock, self._faults():
            rows = self._db.execute("SELECT id, verb, fid, boots FROM effects ORDER BY id").fetchall()
        return [(number, Effect(verb, fid, boots)) for number, verb, fid, boots in rows]

    def done(self, numbers: list[int]) -> None:
        """Cross effects off."""
        with self._lock, self._faults():
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM effects WHERE id = ?", [(number,) for number in numbers])
            self._db.execute("COMMIT")

    def wipe(self) -> None:
        """Forget everything."""
        with self._lock, self._faults():
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM objects")
            self._db.execute("DELETE FROM effects")
            self._db.execute("DELETE FROM texts")
            self._db.execute("UPDATE epochs SET epoch = epoch + 1")
            self._db.execute("COMMIT")
            self._data_version = -1

    def dump(self, world: World) -> dict[str, list[Any]]:
        """Every object of the world by kind, as it is stored."""
        return {kind: [self._converter.unstructure(value) for value in world.objects(kind)] for kind in KINDS}

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _sync(self) -> None:
        """Read what another process wrote since we last looked."""
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._data_version and self._epoch:
            return
        # Why: the version is read first, so that a write between the two reads is seen next time.
        epoch = self._db.execute("SELECT epoch FROM epochs").fetchone()[0]
        if epoch != self._epoch:
            self._world, self._rev = World(self._texts), 0
        query = "SELECT seq, kind, rev, doc FROM objects WHERE rev > ?"
        # Sorted here: the database would sort the documents along with the numbers.
        rows = sorted(self._db.execute(query, (self._rev,)), key=_by_seq)
        with _uncollected() if len(rows) > _MANY else nullcontext():
            for _, kind, rev, doc in rows:
                self._world.load(kind, self._converter.loads(doc, KINDS[kind]))
                self._rev = max(self._rev, rev)
        self._epoch, self._data_version = epoch, version

    def _save(self) -> int:
        """Write what changed; the number of the newest row."""
        rev = self._rev + 1
        rows, texts, fresh = [], [], self._world.texts.fresh
        for kind, value in self._world.changed():
            rows.append((kind, value.fid, value.seq, rev, self._converter.dumps(value)))
            if kind in _SCRIPTED and value.launch.script in fresh:
                texts.append((value.launch.script, fresh[value.launch.script]))
        if texts:
            self._db.executemany("INSERT OR IGNORE INTO texts VALUES (?, ?)", texts)
        if rows:
            self._db.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", rows)
        effects = [(effect.verb, effect.fid, effect.boots) for effect in self._world.effects]
        if effects:
            self._db.executemany("INSERT INTO effects (verb, fid, boots) VALUES (?, ?, ?)", effects)
        return rev if rows else self._rev

    def _texts(self, keys: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for first in range(0, len(keys), _AT_ONCE):
            some = keys[first : first + _AT_ONCE]
            places = ", ".join("?" * len(some))
            found.update(self._db.execute(f"SELECT key, text FROM texts WHERE key IN ({places})", some))  # noqa: S608
        return found

    def _upgrade(self) -> None:
        """Make the tables, or bring those of an older version up to this one."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            older = self._db.execute("SELECT kind, fid, doc FROM objects WHERE kind IN (?, ?)", _SCRIPTED)
            for kind, fid, doc in older.fetchall():
                given = json.loads(doc)
                script = given["launch"].pop("startup_script", None)
                if script is not None:
                    texts = self._world.texts
                    given["launch"]["script"] = key = texts.keep(script)
                    self._db.execute("INSERT OR IGNORE INTO texts VALUES (?, ?)", (key, texts.encoded(key)))
                    change = "UPDATE objects SET doc = ? WHERE kind = ? AND fid = ?"
                    self._db.execute(change, (json.dumps(given), kind, fid))
            self._db.execute(f"PRAGMA user_version={_VERSION}")
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._world.texts.stored()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _fault(f"The sandbox file {self._path} cannot be used", str(error)) from error


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for garbage meanwhile: much is made that stays, and looking through it again and again is slow."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _by_seq(row: tuple[int, str, int, str]) -> int:
    return row[0]


def _fault(summary: str, detail: str) -> FlowplanError:
    hint = "Reset the sandbox, or choose another folder for it."
    return FlowplanError(Diagnostic.error(summary, detail, suggestion=hint))


@cache
def _make_converter() -> JsonConverter:
    from cattrs.preconf.json import make_converter

    converter = make_converter(omit_if_default=True)
    converter.register_unstructure_hook(datetime, lambda moment: moment.isoformat())
    converter.register_structure_hook(datetime, _read_instant)
    return converter


def _read_instant(text: Any, _: object) -> datetime:
    return datetime.fromisoformat(text)
