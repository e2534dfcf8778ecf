"""Ending recorded tasks under the lease of their stack, and recording that it was wished."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

import click
from attrs import evolve

from flowplan.apply.ending import cancellation, end_task, note_end, was_cancelled
from flowplan.apply.recover import recover
from flowplan.apply.run import Failed, OutcomeUnknown, Run
from flowplan.cli.code import read_code
from flowplan.cli.context import Connection, Context
from flowplan.cli.handles import Found, Target
from flowplan.cli.patience import patience
from flowplan.lang.stack import Stack
from flowplan.plan.change import Mode, Plan
from flowplan.ports import Observation, StoreError, Writer
from flowplan.provider.pace import SystemClock
from flowplan.report.events import LineReporter
from flowplan.resources import Settings
from flowplan.state.journal import Entry
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode

_AT_ONCE = 8
_KILLED = (137, 143)
"""What a command that our own request has ended may leave as its exit code."""
UNKNOWN, PARTLY, TRANSIENT = ExitCode.UNKNOWN, ExitCode.PARTLY, ExitCode.TRANSIENT


class Ending(Enum):
    """What became of a task that was to be cancelled."""

    CANCELLED = "cancelled"
    ALREADY_CANCELLED = "already cancelled"
    RELEASED = "had completed; its instances are ended"
    COMPLETED = "had completed"
    NOT_MADE = "was never made"
    FAILED = "not cancelled"


@frozen
class Cancelled:
    """A task and what became of it; ``problem`` where it could not be ended, ``code`` the exit code of that."""

    target: Target
    ending: Ending
    record: Record | None = None
    problem: Diagnostic | None = None
    code: int = 0


def is_over(record: Record | None) -> bool:
    """Whether it is on record that a task has ended and holds no instances: nothing is left to cancel."""
    if record is None:
        return False
    has_completion = isinstance(record.attributes.get("completion"), Mapping)
    return has_completion and record.attributes.get("status") in ("completed", "cancelled")


def exit_code(ended: Sequence[Cancelled]) -> int:
    """As for an apply: 0 where all have ended, 9 with an unknown outcome, 5 where only some have, else why none has."""
    codes = {one.code for one in ended}
    if codes <= {0}:
        return 0
    if UNKNOWN in codes:
        return UNKNOWN
    return PARTLY if 0 in codes else max(codes)


def cancel_all(context: Context, found: Found, lock_timeout: float) -> list[Cancelled]:
    """End all targets, stack by stack, each under its stack's lease; what is over stays as it is.

    Raises:
        FlowplanError: a stack is locked, its provider cannot be reached, or something interrupted cannot be settled.
    """
    ended: list[Cancelled] = []
    for name in found.stacks:
        targets = [target for target in found.targets if target.stack == name]
        if all(is_over(target.record) for target in targets):
            ended += [_already(target, target.record) for target in targets]
            continue
        with_lease = Leased(context, found, targets[0].snapshot)
        ended += with_lease.run(lock_timeout, targets)
    return ended


@frozen
class Leased:
    """Work on the tasks of one recorded stack, under its lease."""

    context: Context
    found: Found
    snapshot: Snapshot
    operation: str = "cancel"

    def run(self, lock_timeout: float, targets: Sequence[Target]) -> list[Cancelled]:
        """Cancel ``targets``."""
        return asyncio.run(self._cancel(lock_timeout, targets))

    async def _cancel(self, lock_timeout: float, targets: Sequence[Target]) -> list[Cancelled]:
        async with self.open(lock_timeout) as (run, unfinished, connection):
            await _settle(run, unfinished)
            ids = [(Kind.TASK, r.id) for t in targets if (r := run.records.get(t.address)) is not None]
            seen = await connection.provider.observe(ids, [Kind.TASK])
            slots = asyncio.Semaphore(_AT_ONCE)

            async def one(target: Target) -> Cancelled:
                async with slots:
                    return await _end(run, target, seen)

            return list(await asyncio.gather(*(one(target) for target in targets)))

    @asynccontextmanager
    async def open(self, lock_timeout: float) -> AsyncIterator[tuple[Run, list[Entry], Connection]]:
        """The stack's lease, kept by a heartbeat, and a run that works under it.

        Raises:
            FlowplanError: someone else holds the lease (exit code 7), or the provider cannot be reached.
        """
        name, backend = self.snapshot.stack, self.context.backend(self.found.project)
        try:
            async with self.context.connect_recorded(self.found.project, self.snapshot) as connection:
                writer = await self._acquire(backend, lock_timeout)
                beating = asyncio.create_task(_beat(writer))
                try:
                    snapshot = backend.snapshot(name)
                    yield self._run(snapshot, connection, writer), backend.unfinished(name), connection
                finally:
                    beating.cancel()
                    await asyncio.gather(beating, return_exceptions=True)
                    _release(writer)
        finally:
            backend.close()

    async def _acquire(self, backend: Any, lock_timeout: float) -> Writer:
        clock = SystemClock()
        deadline = clock.monotonic() + lock_timeout
        while True:
            try:
                writer: Writer = backend.acquire(
                    self.snapshot.stack, self.snapshot.source, self.operation, 0.0
                )
                return writer
            except StoreError as error:
                if error.exit_code != 7 or clock.monotonic() >= deadline:
                    raise
            await clock.sleep(min(0.2, max(0.0, deadline - clock.monotonic())))

    def _run(self, snapshot: Snapshot, connection: Connection, writer: Writer) -> Run:
        stack = snapshot.stack
        return Run.of(
            Plan(stack, Mode.NORMAL, snapshot.lineage, snapshot.serial),
            snapshot,
            id=uuid.uuid4().hex,
            stack=Stack(stack),
            provider=connection.provider,
            writer=writer,
            clock=SystemClock(),
            reporter=LineReporter(lambda line: click.echo(line, err=True), self.context.paint_err),
            access=connection.access,
            new_suffix=lambda: secrets.token_hex(3),
            read_code=lambda root: read_code(self.found.project.root / (root or ".")),
            settings=Settings(self.context.region(None)),
            patience=patience(self.context.environ),
        )


async def record_end(
    context: Context, found: Found, target: Target, completion: Mapping[str, Any], release: bool
) -> None:
    """Record that a task has completed, and with ``release`` end its instances; nothing where it is on record.

    Raises:
        FlowplanError: the stack is locked, or its provider cannot be reached.
    """
    async with Leased(context, found, target.snapshot).open(0.0) as (run, unfinished, _):
        await _settle(run, unfinished)
        record = run.records.get(target.address)
        if record is None or is_over(record):
            return
        try:
            if release:
                await end_task(run, record, completion)
            else:
                note_end(run, record, completion, has_instances=True)
        except (Failed, OutcomeUnknown) as error:
            raise FlowplanError(error.diagnostic) from None


async def _settle(run: Run, unfinished: Sequence[Entry]) -> None:
    if unfinished and (left := await recover(run, unfinished)):
        raise FlowplanError(*left, exit_code=UNKNOWN)


async def _end(run: Run, target: Target, seen: Observation) -> Cancelled:
    record = run.records.get(target.address)
    if record is None:
        return Cancelled(target, Ending.NOT_MADE)
    if is_over(record):
        return _already(target, record)
    observed = seen.find(Kind.TASK, record.id)
    # One that is not listed may be too new to be; ending what has ended is nothing.
    is_live = observed is None or observed.exists
    told = record.attributes.get("completion") or await _completion(run, record.id)
    try:
        if not is_live:
            kept = note_end(run, record, told or cancellation(run), has_instances=False)
            return Cancelled(target, Ending.COMPLETED if told else Ending.CANCELLED, kept)
        kept = await end_task(run, record, told or cancellation(run))
    except Failed as error:
        return _not(target, error.diagnostic, TRANSIENT if error.transient else 1)
    except OutcomeUnknown as error:
        return _not(target, error.diagnostic, UNKNOWN)
    if told:
        return Cancelled(target, Ending.RELEASED, kept)
    # It may have come to its own end in the meantime.
    late = await _completion(run, record.id)
    if late is not None and late.get("exit_code") not in _KILLED:
        return Cancelled(target, Ending.COMPLETED, note_end(run, kept, late, has_instances=False))
    return Cancelled(target, Ending.CANCELLED, kept)


async def _completion(run: Run, id: str) -> Mapping[str, Any] | None:
    try:
        return None if run.access is None else await run.access.completion(id)
    except FlowplanError:
        return None  # an instance that cannot be reached can be ended all the same


def _already(target: Target, record: Record | None) -> Cancelled:
    assert record is not None, "what is over is on record"
    over = was_cancelled(record.attributes["completion"])
    return Cancelled(target, Ending.ALREADY_CANCELLED if over else Ending.COMPLETED, record)


def _not(target: Target, problem: Diagnostic, code: int) -> Cancelled:
    return Cancelled(target, Ending.FAILED, None, evolve(problem, address=target.address), code)


async def _beat(writer: Writer) -> None:
    while True:
        await asyncio.sleep(writer.heartbeat_s)
        writer.renew()


def _release(writer: Writer) -> None:
    """Give the lease back if it is still ours."""
    try:
        writer.release()
    except StoreError:
        return
