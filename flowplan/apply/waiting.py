"""Waiting for tasks to run or to complete: one poller for all of them, and a bounded number of requests per round.

A round reads a few pages of the provider's list and goes on in the next round where it stopped, so that ten
thousand waiting tasks cost no more requests in a round than ten. Completion records lie on the instances: they are
asked for beside the rounds, a few at a time, and of each task the more rarely the longer it has been running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field

from flowplan.apply.completing import Completions, ended_early
from flowplan.apply.run import Failed, Run
from flowplan.lang.stack import Condition
from flowplan.plan.change import Step
from flowplan.ports import EventKind, Observed, Pager, StoreError
from flowplan.state.snapshot import Record
from flowplan.values.address import Kind
from flowplan.values.classes import define
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode
from flowplan.values.quantity import format_duration

PAGES_A_ROUND = 8
"""How many pages of the list one round reads at most."""
FEW = 100
"""So many waiting tasks, or fewer, are looked at soon when another one joins: one page may show them all."""
SOON_S = 0.3
_NOT_BEGUN = ("", "pending")


@define(eq=False)
class Waiter:
    """One step that waits."""

    step: Step
    future: asyncio.Future[tuple[Mapping[str, Any] | None, Observed | None]]
    since: float
    listed_by: float
    """Until then the task may be missing from lists: it has just been made."""
    deadline: float | None = None
    limit_s: float = 0.0
    status: str = ""
    ask_at: float = 0.0
    """When its completion may be asked for again."""
    observed: Observed | None = None
    has_run: bool = False
    """Whether it was ever seen to have machines: before that it cannot have completed."""


@define(eq=False)
class _Sweep:
    """One pass through the provider's list, over as many rounds as it takes."""

    wanted: set[str]
    seen: set[str] = field(factory=set)
    cursor: str = ""


@define(eq=False)
class Waiting:
    """The one poller of a run."""

    run: Run
    _waiters: dict[str, Waiter] = field(factory=dict)
    _completions: Completions = field(init=False)
    _sweep: _Sweep | None = None
    _task: asyncio.Task[None] | None = None
    _fresh: asyncio.Event = field(factory=asyncio.Event)
    """Set when one more of a few began to wait: then the next round comes soon."""
    _blind_since: float | None = None

    def __attrs_post_init__(self) -> None:
        self._completions = Completions(self.run, self._answered)

    async def wait(self, step: Step) -> Record:
        """Return once the step's task has come as far as its condition asks; its record then says so.

        Raises:
            Failed: it failed, ended without completing, or took longer than its ``timeouts`` allow.
        """
        now = self.run.clock.monotonic()
        waiter = Waiter(
            step,
            asyncio.get_running_loop().create_future(),
            since=now,
            listed_by=now + self.run.patience.visibility_s,
        )
        resource = self.run.stack.resources.get(step.address)
        assert step.condition is not None
        record = self.run.records.get(step.address)
        waiter.has_run = record is not None and record.attributes.get("status") not in (None, *_NOT_BEGUN)
        limit = resource.timeouts.get(step.condition.value) if resource else None
        if limit is not None:
            waiter.limit_s = limit.total_seconds()
            waiter.deadline = now + waiter.limit_s
        self._waiters[step.id] = waiter
        if len(self._waiters) <= FEW:
            self._fresh.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            completion, observed = await waiter.future
        finally:
            self._waiters.pop(step.id, None)
        return await self._completions.settle(step, completion, observed)

    def drop(self) -> None:
        """Give up every wait; one whose task has already ended is still recorded."""
        for waiter in self._waiters.values():
            waiter.future.cancel()

    def status(self, step: Step) -> str:
        """What the provider last said of a step's task; "" if nothing."""
        waiter = self._waiters.get(step.id)
        return waiter.status if waiter else ""

    async def close(self) -> None:
        """Stop polling."""
        await self._completions.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # -- rounds ------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        pauses = self.run.pauses()
        while self._waiters:
            if self._fresh.is_set():
                self._fresh.clear()
                pauses = self.run.pauses()
            try:
                await self._round()
            except BaseException as error:
                # Why all: a poller that ends must take along whoever waits for it, or the apply would never end.
                for waiter in list(self._waiters.values()):
                    if not waiter.future.done():
                        waiter.future.cancel() if isinstance(
                            error, asyncio.CancelledError
                        ) else waiter.future.set_exception(error)
                return
            await self._rest(next(pauses))

    async def _rest(self, pause_s: float) -> None:
        """Sleep, but not long past the moment when someone new begins to wait."""
        sleep = asyncio.create_task(self.run.clock.sleep(pause_s))
        fresh = asyncio.create_task(self._fresh.wait())
        try:
            await asyncio.wait({sleep, fresh}, return_when=asyncio.FIRST_COMPLETED)
            if not sleep.done():
                await self.run.clock.sleep(min(pause_s, SOON_S))
        finally:
            for task in (sleep, fresh):
                task.cancel()
            await asyncio.gather(sleep, fresh, return_exceptions=True)

    async def _round(self) -> None:
        try:
            await self._look()
        except StoreError:
            raise
        except FlowplanError as error:
            self._bear(error)
        else:
            self._blind_since = None
        now = self.run.clock.monotonic()
        for waiter in list(self._waiters.values()):
            if not waiter.future.done() and waiter.deadline is not None and now >= waiter.deadline:
                waiter.future.set_exception(Failed(_too_late(waiter)))

    def _bear(self, error: FlowplanError) -> None:
        """Live with a provider that does not answer for a while: waiting changes nothing and may take hours.

        Raises:
            FlowplanError: it is not a passing failure, or lasts too long.
        """
        now = self.run.clock.monotonic()
        if self._blind_since is None:
            self._blind_since = now
            if error.exit_code == ExitCode.TRANSIENT:
                words = "The provider does not answer; what is waited for goes on being waited for"
                said = Diagnostic.warning(words, error.diagnostics[0].summary)
                self.run.emit(EventKind.NOTICE, diagnostic=said)
        if error.exit_code != ExitCode.TRANSIENT or now - self._blind_since > self.run.patience.outage_s:
            raise error

    def _by_id(self) -> dict[str, list[Waiter]]:
        found: dict[str, list[Waiter]] = {}
        for waiter in list(self._waiters.values()):
            if waiter.future.done():
                continue
            record = self.run.records.get(waiter.step.address)
            if record is None:
                waiter.future.set_exception(Failed(ended_early(waiter.step, "it is not in the state")))
            elif record.attributes.get("completion") is not None:
                self._judge(waiter, record.attributes["completion"])
            else:
                found.setdefault(record.id, []).append(waiter)
        return found

    async def _look(self) -> None:
        """A part of a sweep, or the whole list where the provider has no pages."""
        waiting = self._by_id()
        if not waiting:
            return
        provider: object = self.run.provider
        if not isinstance(provider, Pager):
            seen = await self.run.provider.observe([(Kind.TASK, id) for id in waiting], [Kind.TASK])
            self._see([o for o in (seen.find(Kind.TASK, id) for id in waiting) if o], waiting)
            self._miss(waiting, {id for id in waiting if seen.find(Kind.TASK, id) is not None})
            return
        sweep = self._sweep = self._sweep or _Sweep(set(waiting))
        for _ in range(PAGES_A_ROUND):
            page, sweep.cursor = await provider.page(Kind.TASK, sweep.cursor)
            sweep.seen.update(one.id for one in page)
            self._see(page, waiting)
            if not sweep.cursor or sweep.wanted <= sweep.seen:
                self._sweep = None
                still = {id: waiters for id, waiters in waiting.items() if id in sweep.wanted}
                self._miss(still, sweep.seen)
                return

    def _see(self, page: Sequence[Observed], waiting: Mapping[str, list[Waiter]]) -> None:
        for observed in page:
            for waiter in waiting.get(observed.id, ()):
                status = str(observed.attributes.get("status") or "")
                changed, waiter.status, waiter.observed = waiter.status != status, status, observed
                waiter.has_run = waiter.has_run or status not in _NOT_BEGUN
                if changed and not waiter.future.done():
                    self.run.emit(
                        EventKind.STATUS,
                        waiter.step,
                        status=status,
                        elapsed_s=self.run.clock.monotonic() - waiter.since,
                    )
                self._consider(waiter, observed)

    def _miss(self, waiting: Mapping[str, list[Waiter]], seen: set[str]) -> None:
        for id, waiters in waiting.items():
            for waiter in waiters if id not in seen else ():
                self._consider(waiter, None)

    def _consider(self, waiter: Waiter, observed: Observed | None) -> None:
        """Judge a task by the list; its completion is asked for where the list alone cannot tell."""
        if waiter.future.done():
            return
        now = self.run.clock.monotonic()
        if observed is None and now < waiter.listed_by:
            return
        is_over = observed is None or not observed.exists
        if not is_over and waiter.step.condition is Condition.RUNNING and waiter.status == "running":
            waiter.future.set_result((None, observed))
        elif is_over or (waiter.has_run and now >= waiter.ask_at):
            record = self.run.records[waiter.step.address]
            self._completions.ask(waiter, record.id, is_over)

    def _answered(self, waiter: Waiter, answer: Mapping[str, Any] | BaseException | None, over: bool) -> None:
        """What asking for a completion gave; ``over``: the task has ended, so there will be no other answer."""
        if waiter.future.done():
            return
        if isinstance(answer, BaseException):
            waiter.future.set_exception(answer)
        elif answer is not None:
            self._judge(waiter, answer)
        elif over:
            why = "it was cancelled or lost before it completed"
            waiter.future.set_exception(Failed(ended_early(waiter.step, why)))

    def _judge(self, waiter: Waiter, completion: Mapping[str, Any]) -> None:
        waiter.future.set_result((completion, waiter.observed))


def _too_late(waiter: Waiter) -> Diagnostic:
    step = waiter.step
    assert step.condition is not None
    return Diagnostic.error(
        f"{step.address} is not {step.condition.value} after {format_duration(waiter.limit_s)}",
        f"Its status is {waiter.status or 'not known'}.",
        address=step.address,
        suggestion=f"Look at flowplan logs '{step.address}', or raise its timeouts.{step.condition.value}.",
    )
