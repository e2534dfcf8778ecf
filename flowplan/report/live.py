"""The live table of an apply on a terminal: what runs, what it waits for, how long already, and what it costs.

What has ended is printed once, above the table, and scrolls away with the terminal's own history. The table is
drawn anew in place, in one write, line over line, so that nothing flickers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from attrs import field

from flowplan.ports import Event, EventKind
from flowplan.report.events import doing, event_line
from flowplan.report.paint import Paint, clean
from flowplan.values.classes import define, frozen
from flowplan.values.quantity import format_duration

MOST_ROWS = 12
_BESIDE = 14
"""The columns of a row besides the name, the words and the price: the wheel, gaps, the time."""
TICK_S = 0.1
"""How often it is drawn at most, in seconds."""
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
"""A terminal that knows them shows what is between all at once; the others pass over them."""
_WHEELS = {True: "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", False: "|/-\\"}

_Key = tuple[str, str, str]


@frozen
class Row:
    """A step that runs, as the table shows it."""

    address: str
    doing: str
    is_wait: bool
    begun: float
    status: str = ""
    usd_per_hour: float | None = None


@define
class Tally:
    """What has come about so far."""

    total: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    usd_per_hour: float = 0.0
    begun: float = 0.0


def width_of(text: str) -> int:
    """How many columns a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def fit(text: str, columns: int) -> str:
    """A text cut and filled to exactly so many columns."""
    if width_of(text) > columns:
        kept = ""
        for letter in text:
            if width_of(kept + letter) > columns - 1:
                break
            kept += letter
        text = kept + "…" if columns > 0 else ""
    return text + " " * (columns - width_of(text))


def draw(
    rows: list[Row], tally: Tally, now: float, columns: int, lines: int, paint: Paint, unicode: bool = True
) -> list[str]:
    """The lines of the table, none wider than ``columns`` and no more than ``lines``."""
    wheel = _WHEELS[unicode]
    mark = wheel[int(now / TICK_S) % len(wheel)]
    ordered = sorted(rows, key=lambda row: (row.is_wait, row.begun))
    most = max(1, min(MOST_ROWS, lines - 3))
    shown = ordered if len(ordered) <= most else ordered[: most - 1]
    longest = max((width_of(row.address) for row in shown), default=0)
    names = max(1, min(longest, max(12, columns // 2), columns - 1 - _BESIDE))
    drawn = [_row(row, mark if not row.is_wait else " ", names, now, columns, paint) for row in shown]
    if hidden := ordered[len(shown) :]:
        waits = sum(row.is_wait for row in hidden)
        kinds = [f"{len(hidden) - waits} running"] if waits < len(hidden) else []
        kinds += [f"{waits} waiting"] if waits else []
        drawn.append(paint(fit(f"   and {' and '.join(kinds)} more", columns - 1), "dim"))
    return [*drawn, _foot(rows, tally, now, columns, paint, unicode)]


def _row(row: Row, mark: str, names: int, now: float, columns: int, paint: Paint) -> str:
    elapsed = format_duration(float(int(now - row.begun)))
    price = f"  up to ${row.usd_per_hour:,.2f}/h" if row.usd_per_hour else ""
    said = row.doing[0].lower() + row.doing[1:] + (f" ({row.status})" if row.status else "")
    left = columns - 1 - names - _BESIDE - len(price)
    if left < 10:
        left, price = left + len(price), ""
    return (
        f" {paint(mark, 'cyan')} {paint(fit(row.address, names), 'bold')}  "
        f"{fit(said, max(0, left))}{paint(elapsed.rjust(9), 'dim')}{paint(price, 'dim')}"
    )


def _foot(rows: list[Row], tally: Tally, now: float, columns: int, paint: Paint, unicode: bool) -> str:
    waits = sum(row.is_wait for row in rows)
    parts = [f"{tally.done} of {tally.total} done" if tally.total else f"{tally.done} done"]
    parts += [f"{len(rows) - waits} running"] if len(rows) > waits else []
    parts += [f"{waits} waiting"] if waits else []
    parts += [f"{tally.failed} failed"] if tally.failed else []
    parts += [f"{tally.skipped} skipped"] if tally.skipped else []
    parts += [format_duration(float(int(now - tally.begun)))]
    parts += [f"up to ${tally.usd_per_hour:,.2f}/h"] if tally.usd_per_hour else []
    text = fit((" · " if unicode else ", ").join(parts), columns - 1).rstrip()
    return paint(text, "red" if tally.failed else "bold")


@define(eq=False)
class LiveReporter:
    """Draws the table with ``write``; `tick` must be called about every `TICK_S` seconds, and `close` at the end."""

    write: Callable[[str], None]
    size: Callable[[], tuple[int, int]]
    """Columns and lines of the terminal."""
    now: Callable[[], float]
    paint: Paint
    unicode: bool = True
    _rows: dict[_Key, Row] = field(factory=dict)
    _tally: Tally = field(factory=Tally)
    _said: list[str] = field(factory=list)
    _drawn: int = 0
    _is_open: bool = False

    def emit(self, event: Event) -> None:
        """See `flowplan.ports.Reporter.emit`."""
        key = (str(event.address), event.operation, event.condition)
        match event.kind:
            case EventKind.PLAN:
                self._tally = Tally(total=int(event.data.get("steps", 0)), begun=self.now())
                return
            case EventKind.STARTED:
                is_wait = event.operation == "await"
                self._rows[key] = Row(
                    clean(key[0]), doing(event), is_wait, self.now(), usd_per_hour=event.usd_per_hour
                )
                return
            case EventKind.STATUS:
                row = self._rows.get(key)
                if row is not None:
                    self._rows[key] = Row(
                        row.address, row.doing, row.is_wait, row.begun, clean(event.status), row.usd_per_hour
                    )
                return
            case EventKind.PROGRESS | EventKind.PLANNED | EventKind.SUMMARY | EventKind.OUTPUTS:
                return
            case EventKind.DONE:
                self._rows.pop(key, None)
                self._tally.done += 1
                if event.operation == "create":
                    self._tally.usd_per_hour += event.usd_per_hour or 0.0
            case EventKind.FAILED:
                self._rows.pop(key, None)
                self._tally.failed += 1
            case EventKind.SKIPPED:
                self._tally.skipped += 1
        if line := event_line(event, self.paint):
            self._said.append(line)

    def say(self, text: str) -> None:
        """A text of another source, above the table."""
        self._said.append(text)

    def tick(self) -> None:
        """Draw what has changed, and the time."""
        columns, lines = self.size()
        table = draw(
            list(self._rows.values()), self._tally, self.now(), columns, lines, self.paint, self.unicode
        )
        self._put(table if self._rows or self._drawn else [])

    def close(self) -> None:
        """Take the table away; what was said stays."""
        if self._said or self._drawn or self._is_open:
            self._put([])
            self.write(_SHOW)
            self._is_open = False

    def _put(self, table: list[str]) -> None:
        if not (self._said or table or self._drawn):
            return
        up = f"\x1b[{self._drawn}A\r" if self._drawn else "\r"
        said = [line for text in self._said for line in text.split("\n")]
        body = "".join(f"{line}\x1b[K\n" for line in (*said, *table))
        hide = "" if self._is_open else _HIDE
        self._is_open, self._said, self._drawn = True, [], len(table)
        self.write(f"{_BEGIN}{hide}{up}{body}\x1b[J{_END}")
