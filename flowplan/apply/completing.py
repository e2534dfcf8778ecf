"""The ends of tasks: asking for their completion records, and recording what they tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve, field

from flowplan.apply.deleting import release
from flowplan.apply.run import Failed, Run
from flowplan.plan.change import Step
from flowplan.ports import Observed
from flowplan.resources import kind_of
from flowplan.state.snapshot import Record
from flowplan.values.address import Address, Kind
from flowplan.values.classes import define
from flowplan.values.diagnostic import Diagnostic

if TYPE_CHECKING:
    from flowplan.apply.waiting import Waiter

ASKED_AT_ONCE = 16
"""Of how many tasks the completion is asked at the same time: over a network each takes a connection."""
_RAREST_S = 60.0
"""However long a task has been waited for, its completion is asked for so often, in seconds."""

Answered = Callable[["Waiter", Mapping[str, Any] | BaseException | None, bool], None]


@define(eq=False)
class Completions:
    """Asks for completions beside the poller; ``answered`` is told of each answer, and whether it is the last."""

    run: Run
    answered: Answered
    _asking: dict[str, asyncio.Task[None]] = field(factory=dict)
    _slots: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(ASKED_AT_ONCE))
    _locks: dict[Address, asyncio.Lock] = field(factory=dict)

    def ask(self, waiter: Waiter, task_id: str, is_over: bool) -> None:
        """Ask for one task's completion, unless that is being done; ``is_over``: there will be no other chance."""
        if self.run.access is None:
            self.answered(waiter, None, is_over)
        elif waiter.step.id not in self._asking:
            task = asyncio.create_task(self._ask(waiter, task_id, is_over))
            self._asking[waiter.step.id] = task
            task.add_done_callback(lambda _: self._asking.pop(waiter.step.id, None))

    async def _ask(self, waiter: Waiter, task_id: str, is_over: bool) -> None:
        assert self.run.access is not None
        answer: Mapping[str, Any] | BaseException | None
        async with self._slots:
            try:
                answer = await self.run.access.completion(task_id)
            except Exception as error:
                answer = error
        now = self.run.clock.monotonic()
        waiter.ask_at = now + min(_RAREST_S, max(self.run.patience.poll_s, (now - waiter.since) / 10))
        self.answered(waiter, answer, is_over)

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(
        self, step: Step, completion: Mapping[str, Any] | None, observed: Observed | None
    ) -> Record:
        """The task's record, with its completion in it once it has one.

        Raises:
            Failed: the task did not succeed.
        """
        if completion is None:
            return self.run.records[step.address]
        async with self._locks.setdefault(step.address, asyncio.Lock()):
            record = self.run.records[step.address]
            if record.attributes.get("completion") is None:
                record = await self._completed(record, completion, observed)
        judge(step, completion)
        return record

    async def _completed(
        self, record: Record, completion: Mapping[str, Any], observed: Observed | None
    ) -> Record:
        """Record the completion, and end the instances of a task that wants it, or whose time is over."""
        # Why not what we control: a list that lags would undo on record what an update has just done.
        seen = observed.attributes if observed else {}
        told = {name: value for name, value in seen.items() if name not in kind_of(Kind.TASK).feeds}
        attributes = {**record.attributes, **told, "completion": dict(completion)}
        record = evolve(record, attributes=attributes)
        wants_it = record.config.get("terminate_on_exit") or completion.get("timed_out") is True
        if wants_it and (observed is None or observed.exists):
            # One that is not listed may be too new to be; ending what has ended is nothing.
            return await release(self.run, record)
        record = self.run.with_deposed(record)
        self.run.writer.save([record])
        self.run.records[record.address] = record
        return record


def judge(step: Step, completion: Mapping[str, Any]) -> None:
    """Refuse a completion that is no success.

    Raises:
        Failed: it is none.
    """
    code = completion.get("exit_code")
    if code is None:
        raise Failed(ended_early(step, "it was cancelled"))
    if code != 0:
        raise Failed(
            Diagnostic.error(
                f"{step.address} failed with exit code {code}",
                "Its command ran to the end and did not succeed.",
                address=step.address,
                suggestion=f"See flowplan logs '{step.address}'. failed_ok: true in depends_on lets a failed task pass.",
            )
        )


def ended_early(step: Step, why: str) -> Diagnostic:
    """What is said of a task that ended and left no completion."""
    return Diagnostic.error(
        f"{step.address} ended without completing", f"{why[0].upper()}{why[1:]}.", address=step.address
    )
