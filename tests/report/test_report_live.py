"""The live table: never wider or higher than the terminal, drawn in place, and driven by no text of others."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flowplan.ports import Event, EventKind
from flowplan.report.live import LiveReporter, Row, Tally, draw, width_of
from flowplan.report.paint import Paint
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_OWN = re.compile(r"\x1b\[(?:[0-9;]*[mAKJ]|\?25[lh]|\?2026[lh])")


def event(kind: EventKind, address: str = "", **more: Any) -> Event:
    return Event(kind, AT, Address.parse(address) if address else None, **more)


class Screen:
    """A terminal of so many lines, as far as the table uses one: up, to the line's end, to the screen's end."""

    def __init__(self) -> None:
        self.lines: list[str] = [""]
        self.row = 0
        self.writes: list[str] = []

    def write(self, text: str) -> None:
        self.writes.append(text)
        for part in re.split(r"(\x1b\[[0-9;?]*[a-zA-Z]|\n|\r)", text):
            if up := re.fullmatch(r"\x1b\[(\d+)A", part):
                self.row -= int(up[1])
            elif part == "\x1b[J":
                del self.lines[self.row + 1 :]
                self.lines[self.row] = ""
            elif part == "\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
            elif part == "\r" or part.startswith("\x1b"):
                pass
            elif part:
                self.lines[self.row] = part  # each part of a line is written at once, from its start


def live(screen: Screen, columns: int = 80, lines: int = 24) -> tuple[LiveReporter, list[float]]:
    now = [0.0]
    return LiveReporter(screen.write, lambda: (columns, lines), lambda: now[0], Paint()), now


def test_what_runs_is_shown_and_what_has_ended_is_above_it() -> None:
    screen = Screen()
    table, now = live(screen)
    table.emit(event(EventKind.PLAN, data={"steps": 3}))
    table.emit(event(EventKind.STARTED, "task.a", operation="create", usd_per_hour=12.0))
    table.emit(event(EventKind.STARTED, "task.b", operation="await", condition="running", usd_per_hour=3.0))
    table.emit(event(EventKind.STATUS, "task.b", operation="await", condition="running", status="pending"))
    now[0] = 65.0
    table.tick()
    assert screen.lines[0].split() == ["⠋", "task.a", "creating", "1m05s", "up", "to", "$12.00/h"]
    assert screen.lines[1].split() == [
        "task.b",
        "waiting",
        "for",
        "it",
        "to",
        "run",
        "(pending)",
        "1m05s",
        "up",
        "to",
        "$3.00/h",
    ]
    assert screen.lines[2] == "0 of 3 done · 1 running · 1 waiting · 1m05s"
    done = {"operation": "create", "id": "bid_1", "elapsed_s": 66.0, "usd_per_hour": 12.0}
    table.emit(event(EventKind.DONE, "task.a", **done))
    now[0] = 66.0
    table.tick()
    assert screen.lines[0] == "task.a: Creation complete after 1m06s [id=bid_1]"
    assert "task.b" in screen.lines[1] and len(screen.lines) == 4
    assert screen.lines[2] == "1 of 3 done · 1 waiting · 1m06s · up to $12.00/h"
    table.emit(event(EventKind.FAILED, "task.b", operation="await", condition="running",
                     diagnostic=Diagnostic.error("it was lost")))  # fmt: skip
    table.close()
    assert screen.lines == [
        "task.a: Creation complete after 1m06s [id=bid_1]",
        "task.b: Failed: it was lost",
        "",
    ]
    assert screen.writes[-1] == "\x1b[?25h", "the cursor is back"


def test_each_drawing_is_one_write_and_clears_no_screen() -> None:
    screen = Screen()
    table, now = live(screen)
    for n in range(5):
        table.emit(event(EventKind.STARTED, f"task.t{n}", operation="create"))
        now[0] += 1
        before = len(screen.writes)
        table.tick()
        assert len(screen.writes) == before + 1
    assert not any("\x1b[2J" in text or "\x1b[H" in text for text in screen.writes)
    quiet = Screen()
    idle, _ = live(quiet)
    idle.tick()
    idle.close()
    assert quiet.writes == [], "nothing runs, nothing is drawn"


def test_ten_thousand_rows_take_twelve_lines() -> None:
    rows = [Row(f"task.t{n}", "Waiting for it to run", True, 0.0, "pending") for n in range(10_000)]
    rows += [Row("task.now", "Creating", False, 5.0)]
    drawn = draw(rows, Tally(total=20_001, done=10_000), 60.0, 80, 50, Paint())
    assert len(drawn) == 13
    assert "task.now" in drawn[0], "what works comes before what waits"
    assert drawn[-2].strip() == "and 9990 waiting more"


_TEXT = st.text(max_size=30) | st.sampled_from(["\x1b[2J", "一二三四五", "a\u0301" * 9, "task.\x07"])
_ROWS = st.lists(
    st.builds(Row, _TEXT, st.text(min_size=1, max_size=20), st.booleans(), st.just(0.0), _TEXT,
              st.none() | st.floats(0, 1e6)), max_size=30)  # fmt: skip


@given(_ROWS, st.integers(20, 200), st.integers(4, 60), st.booleans())
def test_no_line_is_wider_and_no_table_higher_than_the_terminal(
    rows: list[Row], columns: int, lines: int, unicode: bool
) -> None:
    clean_rows = [Row(r.address.replace("\n", ""), r.doing.replace("\n", "") or "x", r.is_wait, r.begun,
                      r.status.replace("\n", ""), r.usd_per_hour) for r in rows]  # fmt: skip
    drawn = draw(clean_rows, Tally(total=9, done=1), 1e6, columns, lines, Paint(True), unicode)
    assert len(drawn) < lines
    for line in drawn:
        assert width_of(_STYLE.sub("", line)) < columns, (columns, line)


@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_no_text_of_others_drives_the_terminal(id: str, status: str) -> None:
    screen = Screen()
    table, _ = live(screen)
    key = f'task.a["{re.sub(r"[^ -~]", "", id).replace(chr(92), "").replace(chr(34), "") or "k"}"]'
    for kind in (EventKind.STARTED, EventKind.STATUS, EventKind.DONE):
        table.emit(event(kind, key, operation="await", condition="running", id=id, status=status))
        table.tick()
    table.emit(event(EventKind.NOTICE, message=status, diagnostic=Diagnostic.error(status, id)))
    table.close()
    for text in screen.writes:
        assert not re.search(
            r"[\x00-\x09\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]", _OWN.sub("", text).replace("\t", "")
        )
        assert "\x1b" not in _OWN.sub("", text)
