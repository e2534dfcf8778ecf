"""A store whose connection can be cut before, in and after each transaction, as a power cut would."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from fault_world import CutOff, Knife

from flowplan.backend.file import StateFile
from flowplan.backend.sqlite import SqliteBackend

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class CuttingConnection(sqlite3.Connection):
    """A connection that passes the knife at each statement of a transaction; what was not committed is gone."""

    knife: Knife | None = None

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        self._pass(sql)
        done = super().execute(sql, *arguments)
        if self.knife is not None and sql == "COMMIT":
            self.knife.boundary("after a transaction")
        return done

    def executemany(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        self._pass(sql)
        return super().executemany(sql, *arguments)

    def _pass(self, sql: str) -> None:
        knife = self.knife
        if knife is None:
            return
        if knife.dead and sql != "ROLLBACK":
            raise CutOff(sql)
        word = sql.split(None, 1)[0].upper()
        if sql == "BEGIN IMMEDIATE":
            knife.boundary("before a transaction")
        elif sql == "COMMIT":
            knife.boundary("in a transaction, before its end")
        elif self.in_transaction and word in _WRITES:
            knife.boundary(f"in a transaction, before {word} {_table(sql)}")


def _table(sql: str) -> str:
    words = sql.replace("OR REPLACE ", "").split()
    return words[1] if words[0] == "UPDATE" else words[2].partition("(")[0]


class _CuttingFile(StateFile):
    def _ways(self) -> Iterator[Callable[[], sqlite3.Connection]]:
        yield lambda: sqlite3.connect(self.path, timeout=10, isolation_level=None, factory=CuttingConnection)


class CutBackend(SqliteBackend):
    """The embedded backend over such a connection."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._file = _CuttingFile(self.path)

    def cut_with(self, knife: Knife) -> None:
        """Let the connection pass ``knife`` from now on."""
        connection = self._file.for_writing()
        assert isinstance(connection, CuttingConnection), "the store opened a connection of another kind"
        connection.knife = knife
