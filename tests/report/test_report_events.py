"""Events as lines for people and as JSON lines: documented, versioned, harmless."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.ports import Event, EventKind
from flowplan.report.event_json import event_document, line_of, version_document
from flowplan.report.event_schema import MEANINGS, events_schema
from flowplan.report.events import LineReporter, event_line
from flowplan.report.paint import Paint
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
VALIDATOR = jsonschema_rs.validator_for(events_schema())
A = Address.parse("task.a")


def test_every_kind_of_event_has_its_words() -> None:
    assert set(MEANINGS) == {kind.value for kind in EventKind} | {"version", "diagnostic"}
    VALIDATOR.validate(version_document("0.1", AT))


_STEP = {
    "address": st.just(A),
    "operation": st.sampled_from(["create", "update", "delete", "forget", "await", "import", "detach"]),
    "condition": st.sampled_from(["running", "completed"]),
    "status": st.text(min_size=1),
    "id": st.text(),
    "elapsed_s": st.floats(0, 1e9),
    "message": st.text(min_size=1),
    "diagnostic": st.builds(Diagnostic.error, st.text(), st.text()),
    "usd_per_hour": st.none() | st.floats(0, 1e6),
}
_OF_STEPS = [kind for kind in EventKind if kind.value not in ("planned", "plan", "summary", "outputs")]


@given(st.sampled_from(_OF_STEPS), st.fixed_dictionaries(_STEP))
def test_every_line_fits_the_schema_and_is_one_plain_line(kind: EventKind, more: Any) -> None:
    line = line_of(event_document(Event(kind, AT, **more)))
    assert line.isascii() and line.isprintable()
    VALIDATOR.validate(json.loads(line))


@given(st.sampled_from(_OF_STEPS), st.fixed_dictionaries(_STEP))
def test_no_line_for_people_drives_a_terminal(kind: EventKind, more: Any) -> None:
    line = event_line(Event(kind, AT, **more), Paint())
    assert line and all(c.isprintable() or c in "\n\t" or ord(c) > 0x9F for c in line)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Event(EventKind.STARTED, AT, A, "create"), "task.a: Creating..."),
        (
            Event(EventKind.STARTED, AT, A, "await", condition="completed"),
            "task.a: Waiting for it to complete...",
        ),
        (
            Event(EventKind.PROGRESS, AT, A, "await", elapsed_s=70, condition="running", status="pending"),
            "task.a: Still waiting for it to run... [pending, 1m10s elapsed]",
        ),
        (
            Event(EventKind.PROGRESS, AT, message="7 more are still under way"),
            "7 more are still under way...",
        ),
        (
            Event(EventKind.DONE, AT, A, "create", "bid_1", 2.0),
            "task.a: Creation complete after 2s [id=bid_1]",
        ),
        (
            Event(EventKind.FAILED, AT, A, "create", diagnostic=Diagnostic.error("no")),
            "task.a: Failed: no",
        ),
        (
            Event(EventKind.SKIPPED, AT, A, "create", message="task.b was not done"),
            "task.a: Skipped, because task.b was not done",
        ),
    ],
)
def test_the_words_of_events(event: Event, line: str) -> None:
    assert event_line(event, Paint()) == line


def test_a_status_is_told_when_it_changes() -> None:
    said: list[str] = []
    reporter = LineReporter(said.append, Paint())
    for status in ("pending", "pending", "running", "running", "preempting"):
        reporter.emit(Event(EventKind.STATUS, AT, A, "await", status=status, condition="completed"))
    assert said == ["task.a: Now running", "task.a: Now preempting"]
