"""The engine: steps over the ready set, heartbeat, interrupts. The only place with concurrency.

Its own work is linear in the steps: what ends puts itself into a queue, so that ten thousand steps that wait cost
nothing while one ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from attrs import evolve, field

from flowplan.apply import launching
from flowplan.apply.deleting import delete, forget
from flowplan.apply.detaching import detach
from flowplan.apply.durations import Durations
from flowplan.apply.operations import create, take_in, update
from flowplan.apply.prelude import prepare
from flowplan.apply.pulse import Pulse
from flowplan.apply.run import Failed, OutcomeUnknown, Result, Run, StepFailure
from flowplan.apply.schedule import Schedule
from flowplan.apply.waiting import Waiting
from flowplan.plan.change import Step, StepKind
from flowplan.ports import EventKind, StoreError
from flowplan.state.snapshot import Record
from flowplan.values.classes import define
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode
from flowplan.values.quantity import format_duration

_BOUNDED = {StepKind.CREATE: "create", StepKind.UPDATE: "update", StepKind.DELETE: "delete"}
"""The steps that ``timeouts`` bound as a whole, by the name of their limit; waits have theirs in `Waiting`."""


@define(eq=False)
class Stop:
    """How an interrupt reaches the engine: once, start nothing new; twice, stop waiting."""

    requested: asyncio.Event = field(factory=asyncio.Event)
    at_once: asyncio.Event = field(factory=asyncio.Event)

    def interrupt(self) -> None:
        """One more interrupt."""
        (self.at_once if self.requested.is_set() else self.requested).set()


@define(eq=False)
class _Engine:
    run: Run
    parallelism: int
    stop: Stop
    schedule: Schedule
    waiting: Waiting
    pulse: Pulse
    fail_fast: bool = False
    running: dict[asyncio.Task[None], Step] = field(factory=dict)
    busy: int = 0
    """How many running steps count against the parallelism: all but waits."""
    done: list[Step] = field(factory=list)
    failed: list[StepFailure] = field(factory=list)
    unknown: list[StepFailure] = field(factory=list)
    skipped: list[tuple[Step, Step]] = field(factory=list)
    dropped: list[Step] = field(factory=list)
    """Waits that were given up, not because of themselves."""
    cut: list[Step] = field(factory=list)
    """What was in flight when the store failed."""
    unbegun: list[Step] = field(factory=list)
    """What could not even be begun, because the store failed."""
    fatal: StoreError | None = None
    _ended: deque[asyncio.Task[None]] = field(factory=deque)
    _wake: asyncio.Event = field(factory=asyncio.Event)
    _waits_dropped: bool = False

    async def go(self) -> None:
        heartbeat = asyncio.create_task(self._heartbeat())
        pulse = asyncio.create_task(self.pulse.beat())
        stopping: list[asyncio.Task[Any]] = [
            asyncio.create_task(self.stop.requested.wait()),
            asyncio.create_task(self.stop.at_once.wait()),
        ]
        for task in (heartbeat, *stopping):
            task.add_done_callback(lambda _: self._wake.set())
        try:
            while True:
                self.run.writer.progress(len(self.done), len(self.run.plan.steps))
                self._start()
                if not self.running:
                    return
                await self._wake.wait()
                self._wake.clear()
                if heartbeat.done() and self.fatal is None:
                    error = heartbeat.exception()
                    if not isinstance(error, StoreError):
                        heartbeat.result()
                    self.fatal = error  # type: ignore[assignment]  # narrowed just above
                self._collect()
                if self._is_closing():
                    self._drop_waits()
                if self.stop.at_once.is_set():
                    return
        finally:
            await self._wind_up([heartbeat, pulse, *stopping])

    def _is_closing(self) -> bool:
        """Whether nothing new may be started any more."""
        is_failing = self.fail_fast and bool(self.failed or self.unknown)
        return self.stop.requested.is_set() or self.fatal is not None or is_failing

    def _start(self) -> None:
        """Start what may start: waits cost nothing, so only the others count against the parallelism."""
        while not self._is_closing():
            step = self.schedule.take_wait() or (
                self.schedule.take() if self.busy < self.parallelism else None
            )
            if step is None:
                break
            self.busy += step.kind is not StepKind.AWAIT
            task = asyncio.create_task(self._one(step))
            self.running[task] = step
            task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._ended.append(task)
        self._wake.set()

    async def _one(self, step: Step) -> None:
        run = self.run
        record = run.records.get(step.address)
        begun = run.clock.monotonic()
        run.emit(EventKind.STARTED, step, id=step.deposed or (record.id if record else ""))
        self.pulse.begin(step, begun)
        limit = self._limit(step)
        try:
            async with asyncio.timeout(limit) as bound:
                after = await _ACT[step.kind](self, step)
        except TimeoutError:
            if limit is None or not bound.expired():
                raise
            raise OutcomeUnknown(_timed_out(step, limit)) from None
        finally:
            self.pulse.end(step)
        name = step.deposed or ((after or record).id if (after or record) else "")  # type: ignore[union-attr]
        run.emit(EventKind.DONE, step, id=name, elapsed_s=run.clock.monotonic() - begun)

    def _limit(self, step: Step) -> float | None:
        """How long a step may take, in seconds, by its resource's ``timeouts``."""
        resource = self.run.stack.resources.get(step.address)
        limit = resource.timeouts.get(_BOUNDED.get(step.kind, "")) if resource else None
        return None if limit is None else limit.total_seconds()

    def _collect(self) -> None:
        while self._ended:
            task = self._ended.popleft()
            step = self.running.pop(task)
            self.busy -= step.kind is not StepKind.AWAIT
            if task.cancelled():
                self.dropped.append(step)
                continue
            error = task.exception()
            if error is None:
                self.done.append(step)
                self.schedule.finish(step)
            elif isinstance(error, Failed):
                self._fail(step, StepFailure(step, error.diagnostic, error.transient), self.failed)
            elif isinstance(error, OutcomeUnknown):
                self._fail(step, StepFailure(step, error.diagnostic), self.unknown)
            elif isinstance(error, StoreError):
                self.fatal = self.fatal or error
                is_begun = step.address in self.run.together.open.values()
                (self.cut if is_begun else self.unbegun).append(step)
            elif isinstance(error, FlowplanError):
                failure = StepFailure(step, error.diagnostics[0], error.exit_code == ExitCode.TRANSIENT)
                self._fail(step, failure, self.failed)
            else:
                raise error

    def _fail(self, step: Step, failure: StepFailure, into: list[StepFailure]) -> None:
        into.append(failure)
        self.run.emit(EventKind.FAILED, step, diagnostic=failure.diagnostic)
        for skipped in self.schedule.fail(step):
            self.skipped.append((skipped.step, skipped.because))
            self.run.emit(EventKind.SKIPPED, skipped.step, message=f"{skipped.because.address} was not done")

    def _drop_waits(self) -> None:
        """Waiting changes nothing at the provider, so it is given up at once."""
        if not self._waits_dropped:
            self._waits_dropped = True
            self.waiting.drop()

    async def _heartbeat(self) -> None:
        while True:
            await self.run.clock.sleep(self.run.writer.heartbeat_s)
            self.run.writer.renew()

    async def _wind_up(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        running = list(self.running)
        for task in [*tasks, *running]:
            task.cancel()
        await self.waiting.close()
        await asyncio.gather(*tasks, *running, return_exceptions=True)


async def _create(engine: _Engine, step: Step) -> Record | None:
    return await create(engine.run, step)


async def _update(engine: _Engine, step: Step) -> Record | None:
    return await update(engine.run, step)


async def _delete(engine: _Engine, step: Step) -> Record | None:
    await delete(engine.run, step)
    return None


async def _forget(engine: _Engine, step: Step) -> Record | None:
    await launching.retire_forgotten(engine.run, step)
    forget(engine.run, step)
    return None


async def _import(engine: _Engine, step: Step) -> Record | None:
    return take_in(engine.run, step)


async def _detach(engine: _Engine, step: Step) -> Record | None:
    return await detach(engine.run, step)


async def _await(engine: _Engine, step: Step) -> Record | None:
    return await engine.waiting.wait(step)


_ACT: Mapping[StepKind, Callable[[_Engine, Step], Awaitable[Record | None]]] = {
    StepKind.CREATE: _create,
    StepKind.UPDATE: _update,
    StepKind.DELETE: _delete,
    StepKind.FORGET: _forget,
    StepKind.AWAIT: _await,
    StepKind.IMPORT: _import,
    StepKind.DETACH: _detach,
}


async def _late(run: Run, engine: _Engine, stop: Stop) -> list[StepFailure]:
    """Wait for the code that is still being copied to instances; the creations whose code was not."""
    if not run.uploads:
        return []
    made = {step.address: step for step in engine.done if step.kind is StepKind.CREATE}
    for address in run.uploads.under_way:
        run.emit(EventKind.NOTICE, address=address, message="copying its code to its instances")
    failures = [
        StepFailure(made[one.address], one.diagnostic)
        for one in await run.uploads.settle(stop.requested, run.writer.renew)
        if one.address in made
    ]
    for failure in failures:
        run.emit(EventKind.FAILED, failure.step, diagnostic=failure.diagnostic)
    return failures


def _timed_out(step: Step, limit_s: float) -> Diagnostic:
    name = _BOUNDED[step.kind]
    return Diagnostic.error(
        f"The {name} of {step.address} has not ended after {format_duration(limit_s)}",
        "It was given up, and whether it has happened is not known. The journal remembers it, and the next apply looks "
        "first and never doubles it.",
        address=step.address,
        suggestion=f"Run apply again, or raise its timeouts.{name}.",
    )


async def execute(
    run: Run,
    parallelism: int,
    stop: Stop,
    *,
    fail_fast: bool = False,
    durations: Durations | None = None,
) -> Result:
    """Do the steps of the run's plan. Every problem is in the result; nothing is raised for what the world did.

    ``fail_fast``: after the first failure nothing new is started. ``durations`` decide what goes first.
    """
    try:
        prepare(run)
    except StoreError as error:
        return Result(not_started=run.plan.steps, fatal=error.diagnostics[0], fatal_code=error.exit_code)
    known = durations or Durations()
    schedule = Schedule(run.plan.steps, lambda step: known.expected(step, run.stack, run.records))
    waiting = Waiting(run)
    engine = _Engine(run, parallelism, stop, schedule, waiting, Pulse(run, waiting.status), fail_fast)
    await engine.go()
    late = await _late(run, engine, stop)
    cut = [step for step in engine.running.values() if step.kind is not StepKind.AWAIT]
    dropped = [*engine.dropped, *(s for s in engine.running.values() if s.kind is StepKind.AWAIT)]
    gone_on = {step.id for step, _ in engine.skipped}
    result = Result(
        done=tuple(engine.done),
        failed=(*engine.failed, *late),
        unknown=tuple(engine.unknown),
        skipped=tuple(engine.skipped),
        cut=(*engine.cut, *cut),
        given_up=tuple(dropped),
        not_started=(*engine.unbegun, *(s for s in schedule.waiting() if s.id not in gone_on)),
        interrupted=stop.requested.is_set(),
    )
    if engine.fatal is not None:
        return evolve(result, fatal=engine.fatal.diagnostics[0], fatal_code=engine.fatal.exit_code)
    return result
