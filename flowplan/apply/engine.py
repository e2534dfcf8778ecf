"""The engine: workers over the ready set, heartbeat, interrupts. The only place with concurrency."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field

from flowplan.apply.detaching import detach
from flowplan.apply.operations import create, delete, forget, take_in, update
from flowplan.apply.prelude import prepare
from flowplan.apply.run import Failed, OutcomeUnknown, Result, Run, StepFailure
from flowplan.apply.schedule import Schedule
from flowplan.apply.waiting import Waiting
from flowplan.plan.change import Step, StepKind
from flowplan.ports import EventKind, StoreError
from flowplan.state.snapshot import Record
from flowplan.values.diagnostic import Diagnostic, FlowplanError

_EXPECTED_S: Mapping[StepKind, float] = {
    StepKind.CREATE: 2.0,
    StepKind.UPDATE: 1.0,
    StepKind.DELETE: 1.0,
    StepKind.FORGET: 0.01,
    StepKind.AWAIT: 60.0,
    StepKind.IMPORT: 0.01,
    StepKind.DETACH: 1.0,
}
"""What a step takes by guess, in seconds: only the order of starting depends on it."""

_STILL_S = 10.0


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
    running: dict[asyncio.Task[str], Step] = field(factory=dict)
    done: list[Step] = field(factory=list)
    failed: list[StepFailure] = field(factory=list)
    unknown: list[StepFailure] = field(factory=list)
    skipped: list[tuple[Step, Step]] = field(factory=list)
    fatal: StoreError | None = None

    async def go(self) -> None:
        heartbeat = asyncio.create_task(self._heartbeat())
        stopping: list[asyncio.Task[Any]] = [
            asyncio.create_task(self.stop.requested.wait()),
            asyncio.create_task(self.stop.at_once.wait()),
        ]
        try:
            while True:
                self.run.writer.progress(len(self.done), len(self.run.plan.steps))
                self._start()
                if not self.running:
                    return
                pending = [*self.running, *(t for t in (heartbeat, *stopping) if not t.done())]
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if heartbeat.done() and self.fatal is None:
                    error = heartbeat.exception()
                    self.fatal = error if isinstance(error, StoreError) else self.fatal
                self._collect()
                if self.stop.requested.is_set() or self.fatal:
                    self._drop_waits()
                if self.stop.at_once.is_set():
                    return
        finally:
            await self._wind_up([heartbeat, *stopping])

    def _start(self) -> None:
        """Start what may start: waits cost nothing, so only the others count against the parallelism."""
        while not (self.stop.requested.is_set() or self.fatal):
            busy = sum(step.kind is not StepKind.AWAIT for step in self.running.values())
            if busy >= self.parallelism:
                break
            step = self.schedule.take()
            if step is None:
                break
            self.running[asyncio.create_task(self._one(step))] = step

    async def _one(self, step: Step) -> str:
        run = self.run
        record = run.records.get(step.address)
        begun = run.clock.monotonic()
        run.emit(EventKind.STARTED, step, id=step.deposed or (record.id if record else ""))
        still = asyncio.create_task(self._still(step, begun))
        try:
            after = await _ACT[step.kind](self, step)
        finally:
            still.cancel()
            await asyncio.gather(still, return_exceptions=True)
        name = step.deposed or ((after or record).id if (after or record) else "")  # type: ignore[union-attr]
        run.emit(EventKind.DONE, step, id=name, elapsed_s=run.clock.monotonic() - begun)
        return name

    async def _still(self, step: Step, begun: float) -> None:
        while True:
            await self.run.clock.sleep(_STILL_S)
            self.run.emit(EventKind.PROGRESS, step, elapsed_s=self.run.clock.monotonic() - begun)

    def _collect(self) -> None:
        for task in [t for t in self.running if t.done()]:
            step = self.running.pop(task)
            if task.cancelled():
                continue
            error = task.exception()
            if error is None:
                self.done.append(step)
                self.schedule.finish(step)
            elif isinstance(error, Failed):
                self._fail(step, StepFailure(step, error.diagnostic, error.transient), self.failed)
            elif isinstance(error, OutcomeUnknown):
                self._fail(step, StepFailure(step, error.diagnostic), self.unknown)
            elif isinstance(error, FlowplanError):
                if isinstance(error, StoreError):
                    self.fatal = self.fatal or error
                else:
                    self._fail(
                        step, StepFailure(step, error.diagnostics[0], error.exit_code == 6), self.failed
                    )
            else:
                raise error

    def _fail(self, step: Step, failure: StepFailure, into: list[StepFailure]) -> None:
        into.append(failure)
        self.run.emit(EventKind.FAILED, step, diagnostic=failure.diagnostic)
        for skipped in self.schedule.fail(step):
            self.skipped.append((skipped.step, skipped.because))
            self.run.emit(EventKind.SKIPPED, skipped.step, message=f"{skipped.because.address} was not done")

    def _drop_waits(self) -> None:
        """Waiting changes nothing at the provider, so an interrupt ends it at once."""
        for task, step in self.running.items():
            if step.kind is StepKind.AWAIT:
                task.cancel()

    async def _heartbeat(self) -> None:
        while True:
            await self.run.clock.sleep(self.run.writer.heartbeat_s)
            self.run.writer.renew()

    async def _wind_up(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        await self.waiting.close()
        for task in [*tasks, *self.running]:
            task.cancel()
        await asyncio.gather(*tasks, *self.running, return_exceptions=True)


async def _create(engine: _Engine, step: Step) -> Record | None:
    return await create(engine.run, step)


async def _update(engine: _Engine, step: Step) -> Record | None:
    return await update(engine.run, step)


async def _delete(engine: _Engine, step: Step) -> Record | None:
    await delete(engine.run, step)
    return None


async def _forget(engine: _Engine, step: Step) -> Record | None:
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


async def execute(run: Run, parallelism: int, stop: Stop) -> Result:
    """Do the steps of the run's plan. Every problem is in the result; nothing is raised for what the world did."""
    try:
        prepare(run)
    except StoreError as error:
        return Result(not_started=run.plan.steps, fatal=error.diagnostics[0], fatal_code=error.exit_code)
    schedule = Schedule(run.plan.steps, lambda step: _EXPECTED_S[step.kind])
    engine = _Engine(run, parallelism, stop, schedule, Waiting(run))
    await engine.go()
    started = {step.id for step in engine.done} | {f.step.id for f in [*engine.failed, *engine.unknown]}
    cut = [step for step in engine.running.values() if step.id not in started]
    result = Result(
        done=tuple(engine.done),
        failed=tuple(engine.failed),
        unknown=tuple(engine.unknown)
        + tuple(
            StepFailure(step, Diagnostic.error(f"{step.address} was cut off", address=step.address))
            for step in cut
            if step.kind is not StepKind.AWAIT
        ),
        skipped=tuple(engine.skipped),
        not_started=tuple(s for s in schedule.waiting() if s.id not in started),
        interrupted=stop.requested.is_set(),
    )
    if engine.fatal is not None:
        return evolve(result, fatal=engine.fatal.diagnostics[0], fatal_code=engine.fatal.exit_code)
    return result
