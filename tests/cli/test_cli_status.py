"""How tasks stand, in one word, in a table, and as an exit code of waiting."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from flowplan.cli.standing import standing_of
from flowplan.cli.waiting import ENDED_OTHERWISE, TIMED_OUT, Ending, Waited, exit_code, judge
from flowplan.models.enums import TaskStatus
from flowplan.models.task import Task
from flowplan.report.paint import Paint
from flowplan.report.task_text import Standing, TaskRow, render_tasks, task_document
from flowplan.values.quantity import parse_instant

AT = parse_instant("2026-11-01T12:00:00Z")
ROW = TaskRow("one", "task.a", Standing.RUNNING, created_at=AT)


@pytest.mark.parametrize(
    ("status", "bid", "has_started", "standing"),
    [
        (TaskStatus.PENDING, "Open", False, Standing.PENDING),
        (TaskStatus.PENDING, "Allocated", True, Standing.PENDING),
        (TaskStatus.PENDING, "Open", True, Standing.PREEMPTED),
        (TaskStatus.RUNNING, "Allocated", True, Standing.RUNNING),
        (TaskStatus.PAUSED, "Paused", True, Standing.PAUSED),
        (TaskStatus.PREEMPTING, "Preempting", True, Standing.PREEMPTING),
        (TaskStatus.COMPLETED, "Terminated", True, Standing.COMPLETED),
        (TaskStatus.FAILED, "Allocated", True, Standing.FAILED),
        (TaskStatus.CANCELLED, "Terminated", True, Standing.LOST),
    ],
)
def test_what_the_provider_says_in_one_word(
    status: TaskStatus, bid: str, has_started: bool, standing: Standing
) -> None:
    task = Task(
        task_id="bid_1",
        name="a",
        status=status,
        created_at=AT,
        started_at=AT if has_started else None,
        instance_type="a100",
        num_instances=1,
        region="r",
        cost_per_hour="$1.00",
        provider_metadata={"bid_status": bid},
    )
    assert standing_of(task) is standing


@given(st.lists(st.sampled_from(Ending), max_size=6))
def test_the_exit_code_of_waiting(endings: list[Ending]) -> None:
    code = exit_code([Waited(ROW, ending) for ending in endings])
    assert (code == 0) == (set(endings) <= {Ending.REACHED})
    assert (code == 1) == (Ending.FAILED in endings)
    assert code in (0, 1, ENDED_OTHERWISE, TIMED_OUT)
    if code == TIMED_OUT:
        assert not {Ending.FAILED, Ending.ENDED} & set(endings)


@given(st.sampled_from(Standing))
def test_whoever_waits_to_complete_waits_at_least_as_long(standing: Standing) -> None:
    row = evolve(ROW, standing=standing)
    runs, completes = judge(row, True), judge(row, False)
    assert runs is completes or (completes is None and runs is Ending.REACHED)
    assert (completes is not None) == (standing.is_over or standing is Standing.INTERRUPTED)


ROWS = st.builds(
    TaskRow,
    st.sampled_from(["one", "two"]),
    st.text(min_size=1, max_size=8),
    st.sampled_from(Standing),
    name=st.text(max_size=5),
    nodes=st.integers(0, 9),
    price=st.none() | st.just("$3.00"),
    cost=st.none() | st.just("$1,000.00"),
    created_at=st.none() | st.just(AT),
    host=st.none() | st.just("h"),
)


@given(st.lists(ROWS, min_size=1, max_size=5), st.booleans())
def test_the_table_is_a_table(rows: list[TaskRow], in_colour: bool) -> None:
    plain = render_tasks(rows, AT, Paint(False))
    assert "\x1b" not in plain and "\r" not in plain and plain.count("\n") == len(rows)
    if in_colour:
        painted = render_tasks(rows, AT, Paint(True))
        assert (
            painted.replace("\x1b[1m", "")
            .replace("\x1b[2m", "")
            .replace("\x1b[31m", "")
            .replace("\x1b[32m", "")
            .replace("\x1b[0m", "")
            == plain
        )
    assert ("STACK" in plain.split("\n")[0]) == (len({row.stack for row in rows}) > 1)
    for row in rows:
        document = task_document(row)
        assert document["status"] == row.standing.value and document["cost_per_hour"] == row.price
