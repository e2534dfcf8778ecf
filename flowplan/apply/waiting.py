"""Waiting for tasks to run or to complete: one poller for all of them, one listing per round."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field

from flowplan.apply.operations import release
from flowplan.apply.run import Failed, OutcomeUnknown, Run
from flowplan.lang.stack import Condition
from flowplan.plan.change import Step
from flowplan.ports import Observed, StoreError
from flowplan.state.snapshot import Record
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.quantity import format_duration


@define(eq=False)
class Waiting:
    """The one poller of a run."""

    run: Run
    _waiters: dict[str, tuple[Step, asyncio.Future[Record]]] = field(factory=dict)
    _deadlines: dict[str, float] = field(factory=dict)
    _listed_by: dict[str, float] = field(factory=dict)
    _task: asyncio.Task[None] | None = None

    async def wait(self, step: Step) -> Record:
        """Return once the step's task has come as far as its condition asks; its record then says so.

        Raises:
            Failed: it failed, ended without completing, or took longer than its ``timeouts`` allow.
        """
        future: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        self._waiters[step.id] = (step, future)
        self._listed_by[step.id] = self.run.clock.monotonic() + self.run.patience.visibility_s
        resource = self.run.stack.resources.get(step.address)
        assert step.condition is not None
        limit = resource.timeouts.get(step.condition.value) if resource else None
        if limit is not None:
            self._deadlines[step.id] = self.run.clock.monotonic() + limit.total_seconds()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            return await future
        finally:
            self._waiters.pop(step.id, None)

    async def close(self) -> None:
        """Stop polling."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _poll(self) -> None:
        for pause in self.run.pauses():
            if not self._waiters:
                return
            try:
                await self._round()
            except BaseException as error:
                # Why all: a poller that ends must take along whoever waits for it, or the apply would never end.
                for _, future in list(self._waiters.values()):
                    if not future.done():
                        future.set_exception(error) if not isinstance(
                            error, asyncio.CancelledError
                        ) else future.cancel()
                return
            await self.run.clock.sleep(pause)

    async def _round(self) -> None:
        run = self.run
        wanted = {
            s.address: run.records[s.address].id
            for s, _ in self._waiters.values()
            if s.address in run.records
        }
        seen = await run.provider.observe([(Kind.TASK, i) for i in wanted.values()], [Kind.TASK])
        for step, future in list(self._waiters.values()):
            if future.done():
                continue
            record = run.records.get(step.address)
            observed = seen.find(Kind.TASK, record.id) if record else None
            try:
                result = await self._judge(step, record, observed)
            except StoreError:
                raise
            except (Failed, OutcomeUnknown, FlowplanError) as error:
                future.set_exception(error)
                continue
            if result is not None:
                future.set_result(result)

    async def _judge(self, step: Step, record: Record | None, observed: Observed | None) -> Record | None:
        """The task's record once the condition holds, None while it may yet hold."""
        if record is None:
            raise Failed(_ended(step, "it is not in the state"))
        completion = record.attributes.get("completion")
        if completion is None and self.run.access is not None:
            completion = await self.run.access.completion(record.id)
            if completion is not None:
                record = await self._completed(record, completion, observed)
        if isinstance(completion, Mapping):
            code = completion.get("exit_code")
            if code is None:
                raise Failed(_ended(step, "it was cancelled"))
            if code != 0:
                raise Failed(_failed(step, code))
            return record
        if observed is None and self.run.clock.monotonic() < self._listed_by[step.id]:
            return None  # what has just been made may be missing from lists
        if observed is None or not observed.exists:
            raise Failed(_ended(step, "it was cancelled or lost before it completed"))
        if step.condition is Condition.RUNNING and observed.attributes.get("status") == "running":
            return record
        deadline = self._deadlines.get(step.id)
        if deadline is not None and self.run.clock.monotonic() >= deadline:
            resource = self.run.stack.resources[step.address]
            assert step.condition is not None
            limit = resource.timeouts[step.condition.value].total_seconds()
            raise Failed(
                Diagnostic.error(
                    f"{step.address} is not {step.condition.value} after {format_duration(limit)}",
                    f"Its status is {observed.attributes.get('status')}.",
                    address=step.address,
                    suggestion=f"Look at flowplan logs '{step.address}', or raise its timeouts.{step.condition.value}.",
                )
            )
        return None

    async def _completed(
        self, record: Record, completion: Mapping[str, Any], observed: Observed | None
    ) -> Record:
        """Record the completion, and end the instances of a task that wants it (``terminate_on_exit``)."""
        attributes = {
            **record.attributes,
            **(observed.attributes if observed else {}),
            "completion": dict(completion),
        }
        record = evolve(record, attributes=attributes)
        if record.config.get("terminate_on_exit") and (observed is None or observed.exists):
            # One that is not listed may be too new to be; ending what has ended is nothing.
            return await release(self.run, record)
        record = self.run.with_deposed(record)
        self.run.writer.save([record])
        self.run.records[record.address] = record
        return record


def _failed(step: Step, code: Any) -> Diagnostic:
    return Diagnostic.error(
        f"{step.address} failed with exit code {code}",
        "Its command ran to the end and did not succeed.",
        address=step.address,
        suggestion=f"See flowplan logs '{step.address}'. failed_ok: true in depends_on lets a failed task pass.",
    )


def _ended(step: Step, why: str) -> Diagnostic:
    return Diagnostic.error(
        f"{step.address} ended without completing", f"{why[0].upper()}{why[1:]}.", address=step.address
    )
