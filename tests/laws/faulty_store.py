"""A store whose connection can be cut before, in and after each transaction, as a power cut would."""

from __future__ import annotations

import sqlite3
from typing import Any

from fault_world import CutOff, Knife

from flowplan.backend.sqlite import SqliteBackend


class CuttingConnection(sqlite3.Connection):
    """A connection that passes the knife at each statement of a transaction; what was not committed is gone."""

    knife: Knife | None = None

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        knife = self.knife
        if knife is None:
            return super().execute(sql, *arguments)
        if knife.dead and sql != "ROLLBACK":
            raise CutOff(sql)
        word = sql.split(None, 1)[0].upper()
        if word == "BEGIN" and "IMMEDIATE" in sql.upper():
            knife.boundary("before a transaction")
        elif self.in_transaction and word in ("INSERT", "UPDATE", "DELETE", "REPLACE"):
            knife.boundary(f"in a transaction, before {word} {_table(sql)}")
        elif word == "COMMIT" and self.in_transaction:
            knife.boundary("in a transaction, before its end")
            done = super().execute(sql, *arguments)
            knife.boundary("after a transaction")
            return done
        return super().execute(sql, *arguments)


def _table(sql: str) -> str:
    words = sql.replace("OR REPLACE ", "").split()
    return words[1] if words[0] == "UPDATE" else words[2]


class CutBackend(SqliteBackend):
    """The embedded backend over such a connection."""

    def cut_with(self, knife: Knife) -> None:
        """Let the connection pass ``knife`` from now on."""
        connection = self._connection
        assert isinstance(connection, CuttingConnection), "the store opened a connection of another kind"
        connection.knife = knife

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10, isolation_level=None, factory=CuttingConnection)
