"""What is expected of a step: its own past, its kind's, what is declared, a guess; and what that decides."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fault_world import CutProvider, World
from plan_builders import stack, task

from flowplan.apply.durations import COMPLETION_S, GUESS_S, Durations
from flowplan.apply.engine import Stop
from flowplan.lang.stack import Condition
from flowplan.plan.change import Step, StepKind
from flowplan.ports import Outcome
from flowplan.state.journal import Operation, Timing
from flowplan.state.snapshot import Record
from flowplan.values.address import Address

A, B, V = (Address.parse(text) for text in ("task.a", "task.b", "volume.v"))


def create(address: Address) -> Step:
    return Step(f"create {address}", StepKind.CREATE, address)


def test_the_steps_own_past_comes_first_then_its_kinds_then_a_guess() -> None:
    known = Durations.learned([Timing(Operation.CREATE, A, s) for s in (9.0, 1.0, 8.0)])
    empty = stack(f"tasks: {{a: {task()}}}")
    assert known.expected(create(A), empty, {}) == 8.0, "the median"
    assert known.expected(create(B), empty, {}) == 8.0, "another task"
    assert known.expected(create(V), empty, {}) == GUESS_S[StepKind.CREATE]
    assert known.expected(Step("d", StepKind.DELETE, A), empty, {}) == GUESS_S[StepKind.DELETE]


def test_a_task_runs_as_long_as_last_time_or_as_it_declares() -> None:
    step = Step("await", StepKind.AWAIT, A, condition=Condition.COMPLETED)
    plain, limited = stack(f"tasks: {{a: {task()}}}"), stack(f"tasks: {{a: {task('max_run_time_hours: 2')}}}")
    assert Durations().expected(step, plain, {}) == COMPLETION_S
    assert Durations().expected(step, limited, {}) == 7200
    completion = {"exit_code": 0, "started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:01:30Z"}
    record = Record(A, "bid_1", "a", {}, {"completion": completion})
    assert Durations().expected(step, limited, {A: record}) == 90


def test_what_took_long_the_last_time_goes_first_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path / "world")
    world.home.mkdir()
    world.sandbox().close()
    honest = CutProvider.create
    order: list[str] = []

    async def slow(self: CutProvider, kind: Any, attributes: Any, key: str) -> Outcome:
        name = attributes["name"].partition("-")[0]
        order.append(name)
        from asyncio import sleep

        await sleep(30.0 if name == "c" else 1.0)
        return await honest(self, kind, attributes, key)

    monkeypatch.setattr(CutProvider, "create", slow)
    desired = stack(f"tasks: {{a: {task()}, b: {task()}, c: {task()}}}")
    assert (first := world.apply(desired, parallelism=1, stop=Stop())) is not None and first.ok
    assert order == ["a", "b", "c"]
    with closing(world.backend()) as backend:
        timings = backend.timings("s", 10)
    assert [(str(t.address), round(t.seconds)) for t in timings] == [
        ("task.c", 30),
        ("task.b", 1),
        ("task.a", 1),
    ]
    order.clear()
    changed = stack(f"tasks: {{a: {task('image: x')}, b: {task('image: x')}, c: {task('image: x')}}}")
    again = world.apply(changed, parallelism=1, durations=Durations.learned(timings))
    assert again is not None and again.ok and order[0] == "c"
