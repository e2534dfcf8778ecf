"""What a damaged state is told as, and how far its history still holds."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from flowplan.backend.faults import damaged
from flowplan.ports import StoreError
from flowplan.state.format import serial_sum
from flowplan.state.sums import row_sum, total


def last_good(db: sqlite3.Connection, stack: str) -> int:
    """The newest serial that the history, replayed from its start, still gives wholly; 0 where there is none."""
    changes = db.execute(
        "SELECT serial, address, kind, id, body, action FROM changes WHERE stack = ? ORDER BY serial",
        (stack,),
    )
    pending = changes.fetchone()
    there: dict[str, int] = {}
    running, before, good = 0, 0, 0
    for row in db.execute("SELECT * FROM serials WHERE stack = ? ORDER BY serial", (stack,)):
        mine = []
        while pending is not None and pending["serial"] <= row["serial"]:
            sum = row_sum(pending["address"], pending["kind"], pending["id"], pending["body"])
            mine.append(sum)
            running = total([running], [there.pop(pending["address"], 0)])
            if pending["action"] != "remove":
                there[pending["address"]] = sum
                running = total([running, sum])
            pending = changes.fetchone()
        if serial_sum(row, before, total(mine)) == row["sum"] and running == row["total"]:
            good = row["serial"]
        before = row["sum"]
    return good


def told(db: sqlite3.Connection, path: Path, stack: str, what: str) -> StoreError:
    """The error for a stack whose state is damaged, with the last good serial and what to do."""
    good = 0
    with suppress(sqlite3.Error, ValueError, TypeError):
        good = last_good(db, stack)
    summary = f"The state of stack {stack} is damaged"
    if not good:
        return damaged(path, summary, f"{what}. No serial of its history is whole.")
    return damaged(
        path,
        summary,
        f"{what}. Its last good serial is {good}.",
        f"flowplan state rollback {good} --stack {stack} restores it, and shows first what that changes.",
    )
