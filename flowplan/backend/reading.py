"""Reading states and journals out of the database, each checked against its checksums."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from flowplan.ports import LockInfo
from flowplan.state.format import entry_sum, stack_sum
from flowplan.state.journal import Entry, Operation, Timing
from flowplan.state.rows import OUTPUTS, entry_of, from_text, records_of
from flowplan.state.snapshot import Snapshot
from flowplan.state.sums import row_sum, total
from flowplan.values.address import Address, Kind
from flowplan.values.quantity import format_instant

if TYPE_CHECKING:
    from flowplan.state.history import Serial


class Damage(Exception):
    """What is stored of a stack is not what flowplan wrote; the text says what does not fit."""


class NoSuchSerial(Exception):
    """A serial that a stack never had; ``newest`` is the last one it has."""

    def __init__(self, serial: int, newest: int) -> None:
        super().__init__(f"there is no serial {serial}; the newest is {newest}")
        self.serial, self.newest = serial, newest


def stack_row(db: sqlite3.Connection, stack: str, check: bool = True) -> sqlite3.Row | None:
    """A stack's own row; None for one that was never written.

    Raises:
        Damage: it was edited.
    """
    row: sqlite3.Row | None = db.execute("SELECT * FROM stacks WHERE name = ?", (stack,)).fetchone()
    if row is not None and check and stack_sum(dict(row)) != row["sum"]:
        newest = db.execute("SELECT max(serial) FROM serials WHERE stack = ?", (stack,)).fetchone()[0] or 0
        if newest != row["serial"]:
            raise Damage(f"its serial is given as {row['serial']}, and its history ends with {newest}")
        last = db.execute(
            "SELECT lineage, project FROM serials WHERE stack = ? AND serial = ?", (stack, newest)
        ).fetchone()
        for name in ("lineage", "project"):
            if last is not None and last[name] != row[name]:
                raise Damage(f"its {name} is given as {row[name]!r}, and was {last[name]!r}")
        raise Damage("its row in the table of stacks was edited")
    return row


def present(db: sqlite3.Connection, stack: str) -> Snapshot:
    """The recorded state of a stack as it is now.

    Raises:
        Damage: it is not as flowplan wrote it.
    """
    row = stack_row(db, stack)
    if row is None:
        return Snapshot(stack)
    rows = _plain(db, "SELECT address, id, body, kind, sum FROM resources WHERE stack = ?", stack)
    outputs = _plain(db, "SELECT body, sum FROM outputs WHERE stack = ?", stack)
    sums = [row_sum(address, kind, id, body) for address, id, body, kind, _ in rows]
    sums += [row_sum(OUTPUTS, "", "", body) for body, _ in outputs]
    kept = [one[4] for one in rows] + [one[1] for one in outputs]
    if sums != kept or total(sums) != row["total"] or len(rows) != row["resources"]:
        raise Damage(_what_differs(db, row, rows, outputs))
    return _snapshot(row, row["serial"], row["project"], rows, outputs[0][0] if outputs else "{}")


def past(db: sqlite3.Connection, stack: str, serial: int) -> Snapshot:
    """The recorded state of a stack as it was at ``serial``.

    Raises:
        NoSuchSerial: it never had such a serial.
        Damage: the history is not as flowplan wrote it.
    """
    row = stack_row(db, stack, check=False)
    then = db.execute(
        "SELECT * FROM serials WHERE stack = ? AND serial = ?", (stack, serial)
    ).fetchone()  # fmt: skip
    if row is None or then is None:
        newest = db.execute("SELECT max(serial) FROM serials WHERE stack = ?", (stack,)).fetchone()[0]
        raise NoSuchSerial(serial, newest or 0)
    rows = db.cursor()
    rows.row_factory = None
    found = rows.execute(
        "SELECT c.address, c.id, c.body, c.kind, c.sum FROM changes c JOIN "
        "(SELECT address, max(serial) AS serial FROM changes WHERE stack = ? AND serial <= ? GROUP BY address) last "
        "ON c.address = last.address AND c.serial = last.serial WHERE c.stack = ? AND c.action <> 'remove'",
        (stack, serial, stack),
    ).fetchall()
    sums = [row_sum(address, kind, id, body) for address, id, body, kind, _ in found]
    resources = [one for one in found if one[0] != OUTPUTS]
    if total(sums) != then["total"] or len(resources) != then["resources"]:
        raise Damage(f"the history of serial {serial} was edited")
    outputs = next((one[2] for one in found if one[0] == OUTPUTS), "{}")
    return _snapshot(row, serial, then["project"], resources, outputs, then["lineage"])


def _plain(db: sqlite3.Connection, query: str, stack: str) -> list[Any]:
    """Rows as bare tuples, which are quicker to take apart."""
    cursor = db.cursor()
    cursor.row_factory = None
    return cursor.execute(query, (stack,)).fetchall()


def _snapshot(
    row: sqlite3.Row, serial: int, project: str, rows: Sequence[Any], outputs: str, lineage: str = ""
) -> Snapshot:
    records = records_of([(address, id, body) for address, id, body, _, _ in rows])
    records.sort(key=lambda record: record.address.sort_key)
    return Snapshot(
        stack=row["name"],
        lineage=lineage or row["lineage"],
        serial=serial,
        records={record.address: record for record in records},
        outputs=from_text(outputs),
        key=row["key"],
        project=project,
        source=row["source"],
    )


def _what_differs(
    db: sqlite3.Connection, row: sqlite3.Row, rows: Sequence[Any], outputs: Sequence[Any]
) -> str:
    """What is wrong with a state whose rows do not come to its total: edited, cut out or put in."""
    edited = [address for address, id, body, kind, sum in rows if row_sum(address, kind, id, body) != sum]
    edited += [OUTPUTS for body, sum in outputs if row_sum(OUTPUTS, "", "", body) != sum]
    there = {one[0]: one[4] for one in rows}
    kept = {
        one[0]: (one[1], one[2])
        for one in _plain(
            db,
            "SELECT address, action, sum, max(serial) FROM changes WHERE stack = ? GROUP BY address",
            row["name"],
        )
        if one[0] != OUTPUTS
    }
    gone = [address for address, (action, _) in kept.items() if action != "remove" and address not in there]
    new = [address for address in there if kept.get(address, ("remove", 0))[0] == "remove"]
    other = [
        address
        for address, sum in there.items()
        if address not in edited and address not in new and kept[address][1] != sum
    ]
    said = [
        f"{what}: {', '.join(sorted(names)[:10])}{f' and {len(names) - 10} more' if len(names) > 10 else ''}"
        for what, names in (
            ("edited by something other than flowplan", edited + other),
            ("cut out", gone),
            ("put in by something other than flowplan", new),
        )
        if names
    ]
    return "; ".join(said) or "its records do not come to the total that is recorded of them"


def unfinished(db: sqlite3.Connection, stack: str) -> list[Entry]:
    """The journal entries that began and did not end, in their order.

    Raises:
        Damage: one was edited, cut out or put in.
    """
    row = stack_row(db, stack)
    query = "SELECT * FROM operations WHERE stack = ? AND status = 'begun' ORDER BY number"
    rows = db.execute(query, (stack,)).fetchall()
    if row is None:
        return []
    if total(entry_sum(dict(one)) for one in rows) != row["open"]:
        edited = [one["address"] for one in rows if entry_sum(dict(one)) != one["sum"]]
        what = f"the entry of {edited[0]} was edited" if edited else "an entry was cut out of it or put in"
        raise Damage(f"in the journal of operations that have not ended, {what}")
    return [entry_of(one) for one in rows]


_LATELY = timedelta(minutes=10)
"""How long ago an operation began at most that is told with a state; no list lags as far behind."""
_UPDATED = timedelta(minutes=1)
"""How long ago an update ended at most: what was deleted stays so, and what was set may be set by another hand."""


def done_lately(
    db: sqlite3.Connection, stack: str, now: datetime
) -> dict[tuple[Kind, str], dict[str, Any] | None]:
    """See `Snapshot.lately`; what cannot be read is passed over."""
    since = format_instant(now - _LATELY)
    row = db.execute(
        "SELECT number FROM operations WHERE begun_at < ? ORDER BY number DESC LIMIT 1", (since,)
    ).fetchone()
    found: dict[tuple[Kind, str], dict[str, Any] | None] = {}
    for operation, address, body in db.execute(
        "SELECT operation, address, body FROM operations WHERE number > ? AND stack = ? AND status = 'done' "
        "AND (operation = 'delete' OR operation = 'update' AND ended_at >= ?) ORDER BY number",
        (row[0] if row else 0, stack, format_instant(now - _UPDATED)),
    ):
        with suppress(ValueError, KeyError, TypeError):
            told = from_text(body)
            key = Address.parse(address).kind, str(told["id"])
            before = found.get(key, {})
            is_gone = before is None or Operation(operation) is Operation.DELETE
            found[key] = None if is_gone else {**(before or {}), **told["changes"]["send"]}
    return found


_LOOKED_AT = 100_000
"""How far back in the journal of all stacks durations are looked for: the cost must not grow with its age."""


def timings(db: sqlite3.Connection, stack: str, limit: int) -> list[Timing]:
    """How long the last operations took that were done, newest first; what cannot be read is passed over."""
    found = []
    for operation, address, begun, ended in db.execute(
        "SELECT operation, address, begun_at, ended_at FROM operations WHERE stack = ? AND status = 'done' "
        "AND number > (SELECT MAX(number) FROM operations) - ? ORDER BY number DESC LIMIT ?",
        (stack, _LOOKED_AT, limit),
    ):
        with suppress(ValueError, TypeError):
            seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()
            found.append(Timing(Operation(operation), Address.parse(address), seconds))
    return found


def history(db: sqlite3.Connection, stack: str, limit: int) -> list[Serial]:
    """The last serials of a stack, newest first; all of them with ``limit`` 0."""
    rows = db.execute(
        "SELECT * FROM serials WHERE stack = ? ORDER BY serial DESC LIMIT ?", (stack, limit or -1)
    ).fetchall()
    if not rows:
        return []
    from flowplan.state.history import Serial, Touch, Touched

    touched: dict[int, list[Touched]] = {}
    for serial, address, action, id in db.execute(
        "SELECT serial, address, action, id FROM changes WHERE stack = ? AND serial >= ? ORDER BY serial, address",
        (stack, rows[-1]["serial"]),
    ):
        touched.setdefault(serial, []).append(Touched(Touch(action), address, id))
    return [
        Serial(
            row["serial"],
            datetime.fromisoformat(row["at"]) if row["at"] else None,
            row["operation"],
            row["version"],
            row["resources"],
            tuple(touched.get(row["serial"], ())),
        )
        for row in rows
    ]


def lock_info(db: sqlite3.Connection, stack: str) -> LockInfo | None:
    """Who holds a stack's lease, or held it last and never gave it back; None where no one does."""
    row = db.execute("SELECT * FROM leases WHERE stack = ?", (stack,)).fetchone()
    return None if row is None else lock_of(row)


def lock_of(row: sqlite3.Row) -> LockInfo:
    """A row of the table of leases as a value."""
    return LockInfo(
        id=row["id"],
        operation=row["operation"],
        who=row["who"],
        pid=row["pid"],
        host=row["host"],
        version=row["version"],
        created_at=datetime.fromisoformat(row["created_at"]),
        expires_at=datetime.fromisoformat(row["expires_at"]),
        token=row["token"],
        done=row["done"],
        steps=row["steps"],
    )
