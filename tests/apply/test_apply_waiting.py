"""Waiting for tasks: what it costs at the provider, how it ends, and what an interrupt leaves of it."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from fault_world import Clock, CutProvider, Finished, Listener, World
from plan_builders import REGION, stack, task

from flowplan.apply import waiting
from flowplan.apply.engine import Stop, execute
from flowplan.apply.run import Result, Run
from flowplan.cli.embedded import EmbeddedTransport
from flowplan.lang.stack import Condition
from flowplan.plan.change import Mode, Plan, Step, StepKind
from flowplan.ports import Done, EventKind, Outcome, Refused
from flowplan.provider.mithril.provider import MithrilProvider
from flowplan.resources import Settings
from flowplan.sandbox.desk import Desk
from flowplan.state.snapshot import Record
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode

MANY = 1000
INTERVAL_S = 5


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world")
    world.home.mkdir()
    world.sandbox().close()
    world.elapsed += 100.0
    return world


def machines(world: World, number: int) -> None:
    """Let every market have so many machines."""
    with closing(world.sandbox()) as sandbox:
        Desk(sandbox).override("*", capacity=number)


def test_a_thousand_waiting_tasks_cost_a_handful_of_requests_an_interval(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And ten thousand cost the same: a round reads so many pages at most and goes on where it stopped."""
    machines(world, 0)
    asked: list[float] = []
    honest = EmbeddedTransport.handle_async_request

    async def counted(self: EmbeddedTransport, request: Any) -> Any:
        if request.method == "GET":
            asked.append(asyncio.get_running_loop().time())
        return await honest(self, request)

    steps = [
        Step(f"await {n}", StepKind.AWAIT, Address(Kind.TASK, f"t{n}"), condition=Condition.RUNNING)
        for n in range(MANY)
    ]

    async def main(provider: MithrilProvider) -> Result:
        offers = (await provider.observe((), [Kind.VOLUME])).offers
        body = {
            "instance_type": next(o.instance_type for o in offers if o.region == REGION),
            "region": REGION,
            "num_instances": 1,
            "limit_price": 500.0,
            "volume_ids": [],
            "ssh_key_ids": [],
            "startup_script": "#!/bin/sh\n",
        }
        records = {}
        for step in steps:
            made = await provider.create(Kind.TASK, {"name": f"n{step.address.name}", **body}, step.id)
            assert isinstance(made, Done) and made.observed is not None
            records[step.address] = Record(step.address, made.observed.id, made.observed.name, {})
        run = Run(
            id="r",
            plan=Plan("s", Mode.NORMAL, "", 0, steps=tuple(steps)),
            stack=stack(f"tasks: {{a: {task()}}}"),
            provider=provider,
            writer=_NoWriter(),  # type: ignore[arg-type]
            clock=Clock(),
            reporter=Listener(),
            access=None,
            new_suffix=str,
            read_code=lambda root: b"",
            settings=Settings(REGION),
            key=b"k" * 32,
            records=records,
        )
        monkeypatch.setattr(EmbeddedTransport, "handle_async_request", counted)
        begun = asyncio.get_running_loop().time()
        going = asyncio.create_task(execute(run, 10, Stop()))
        await asyncio.sleep(300)
        assert not going.done()
        # The first pauses are short, so that a short wait is short; from then on one round an interval.
        steady = [moment for moment in asked if moment > begun + 30]
        rounds = Counter(int(moment // INTERVAL_S) for moment in steady)
        assert steady and max(rounds.values()) <= 2 * waiting.PAGES_A_ROUND, rounds
        assert len(steady) <= waiting.PAGES_A_ROUND * (270 / INTERVAL_S + 1)
        machines(world, 5000)
        return await going

    result = world.run(main)
    assert result.ok and len(result.done) == MANY


class _NoWriter:
    heartbeat_s = 10.0

    def check(self) -> None:
        pass

    def renew(self) -> None: ...

    def progress(self, done: int, steps: int) -> None: ...


AWAITED = f"tasks: {{a: {task('timeouts: {running: 90s}')}, b: {task('depends_on: {task.a: running}')}}}"


def test_a_task_that_does_not_run_in_time_fails_the_wait(world: World) -> None:
    machines(world, 0)
    begun = world.elapsed
    result = world.apply(stack(AWAITED))
    assert result is not None and [f.step.id for f in result.failed] == ["await task.a running"]
    (failure,) = result.failed
    assert failure.diagnostic.summary == "task.a is not running after 1m30s"
    assert "pending" in failure.diagnostic.detail and 90 <= world.elapsed - begun < 110
    assert [s.id for s, _ in result.skipped] == ["create task.b"]
    told = [e for e in world.listener.events if e.kind is EventKind.STATUS]
    assert [(str(e.address), e.status, e.condition) for e in told] == [("task.a", "pending", "running")]


def test_an_interrupt_ends_waiting_at_once_and_says_what_was_not_started(world: World) -> None:
    machines(world, 0)
    stop = Stop()
    honest = Listener.emit

    def interrupting(self: Listener, event: Any) -> None:
        honest(self, event)
        if event.kind is EventKind.STATUS:
            stop.interrupt()

    begun = world.elapsed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Listener, "emit", interrupting)
        result = world.apply(stack(AWAITED), stop=stop)
    assert result is not None and result.interrupted and [s.id for s in result.done] == ["create task.a"]
    assert [s.id for s in result.given_up] == ["await task.a running"]
    assert [s.id for s in result.not_started] == ["create task.b"]
    assert world.elapsed - begun < 5 and not result.failed and not result.cut


def test_waiting_outlives_an_outage_of_the_provider(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    machines(world, 0)
    honest = CutProvider.observe
    until = world.elapsed + 200.0
    refused: list[float] = []

    async def failing(self: CutProvider, *given: Any) -> Any:
        now = asyncio.get_running_loop().time()
        if until - 150 < now < until:
            refused.append(now)
            raise FlowplanError(Diagnostic.error("no answer"), exit_code=ExitCode.TRANSIENT)
        if now >= until:
            machines(world, 5000)
        return await honest(self, *given)

    monkeypatch.setattr(CutProvider, "observe", failing)
    result = world.apply(stack(AWAITED.replace("90s", "1h")))
    assert result is not None and result.ok and len(refused) > 10
    said = [e.diagnostic.summary for e in world.listener.events if e.diagnostic]
    assert said == ["The provider does not answer; what is waited for goes on being waited for"]


def test_completions_are_asked_for_a_few_at_a_time_and_ever_more_rarely(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking: set[str] = set()
    most, asked = 0, Counter[str]()
    over_at = world.elapsed + 600.0

    async def slow(self: Finished, task_id: str) -> Mapping[str, Any] | None:
        nonlocal most
        asking.add(task_id)
        most = max(most, len(asking))
        asked[task_id] += 1
        await asyncio.sleep(1.0)
        asking.discard(task_id)
        return {"exit_code": 0} if asyncio.get_running_loop().time() >= over_at else None

    monkeypatch.setattr(Finished, "completion", slow)
    tasks = ", ".join(f"t{n}: {task()}" for n in range(40))
    waits = ", ".join(f"task.t{n}: completed" for n in range(40))
    machines(world, 5000)
    result = world.apply(stack(f"tasks: {{{tasks}, last: {task(f'depends_on: {{{waits}}}')}}}"))
    assert result is not None and result.ok
    assert most == 16, "as many connections at once as are allowed, and no more"
    assert max(asked.values()) < 60, "six hundred seconds of one-second looks would be hundreds"


def test_what_takes_long_gives_signs_of_life_that_grow_rarer(world: World) -> None:
    machines(world, 0)
    result = world.apply(stack(AWAITED.replace("90s", "30m")))
    assert result is not None and len(result.failed) == 1
    signs = [e.elapsed_s for e in world.listener.events if e.kind is EventKind.PROGRESS]
    gaps = [round(b - a, -1) for a, b in itertools.pairwise(signs)]
    assert round(signs[0], -1) == 10 and gaps[:4] == [10, 10, 10, 10]
    assert gaps[-1] >= 300 and len(signs) < 25
    assert {e.status for e in world.listener.events if e.kind is EventKind.PROGRESS} == {"pending"}


LIMITED = f"tasks: {{a: {task('timeouts: {create: 5s}')}, b: {task('depends_on: [task.a]')}}}"


def test_a_creation_beyond_its_timeout_is_given_up_and_settled_by_the_next_apply(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = CutProvider.create

    async def slow(self: CutProvider, *given: Any) -> Outcome:
        outcome = await honest(self, *given)  # it happens; the answer takes its time
        await asyncio.sleep(60.0)
        return outcome

    monkeypatch.setattr(CutProvider, "create", slow)
    begun = world.elapsed
    result = world.apply(stack(LIMITED))
    assert result is not None and result.exit_code == ExitCode.UNKNOWN and world.elapsed - begun < 10
    assert [f.diagnostic.summary for f in result.unknown] == ["The create of task.a has not ended after 5s"]
    assert [s.id for s, _ in result.skipped] == ["create task.b"]
    monkeypatch.undo()
    again = world.apply(stack(LIMITED))
    assert again is not None and again.ok and len(world.live()) == 2


@pytest.mark.parametrize(("method", "name"), [("update", "update"), ("delete", "delete")])
def test_updates_and_deletions_have_their_timeouts_too(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str, name: str
) -> None:
    desired = stack(f"tasks: {{a: {task(f'timeouts: {{{name}: 5s}}')}}}")
    assert (first := world.apply(desired)) is not None and first.ok

    async def hanging(self: CutProvider, *given: Any) -> Outcome:
        await asyncio.sleep(1000.0)
        raise AssertionError

    monkeypatch.setattr(CutProvider, method, hanging)
    if method == "update":
        desired = stack(f"tasks: {{a: {task(f'timeouts: {{{name}: 5s}}').replace('3.0', '4.0')}}}")
    mode = Mode.DESTROY if method == "delete" else Mode.NORMAL
    result = world.apply(desired, mode)
    assert result is not None and [f.step.id for f in result.unknown] == [f"{method} task.a"]
    monkeypatch.undo()
    again = world.apply(desired, mode)
    assert again is not None and again.ok and world.plan(desired, mode).is_empty


def test_fail_fast_starts_nothing_new_after_a_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = CutProvider.create

    async def refusing(self: CutProvider, kind: Kind, attributes: Any, key: str) -> Outcome:
        if attributes["name"].startswith("a-"):
            return Refused(Diagnostic.error("no"))
        return await honest(self, kind, attributes, key)

    monkeypatch.setattr(CutProvider, "create", refusing)
    desired = stack(f"tasks: {{a: {task()}, b: {task('depends_on: [task.a]')}, c: {task()}, d: {task()}}}")
    fast = evolve(world).copy(world.home.parent / "fast")
    result = fast.apply(desired, parallelism=1, fail_fast=True)
    assert result is not None and not result.done and [f.step.id for f in result.failed] == ["create task.a"]
    assert [s.id for s, _ in result.skipped] == ["create task.b"]
    assert {s.id for s in result.not_started} == {"create task.c", "create task.d"}
    assert result.exit_code == ExitCode.ERROR and not fast.live()
    patient = world.apply(desired, parallelism=1)
    assert patient is not None and {s.id for s in patient.done} == {"create task.c", "create task.d"}
    assert patient.exit_code == ExitCode.PARTLY
