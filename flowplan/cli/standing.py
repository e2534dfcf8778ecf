"""How recorded tasks stand: what is recorded and what the provider says now, put into one word."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve

from flowplan.apply.ending import was_cancelled
from flowplan.cli.handles import Target, read_again
from flowplan.cli.sessions import Sessions
from flowplan.client.submitting import VISIBILITY_S
from flowplan.models.enums import TaskStatus
from flowplan.models.task import Task
from flowplan.report.task_text import Standing, TaskRow
from flowplan.state.snapshot import Record
from flowplan.values.address import Kind
from flowplan.values.diagnostic import FlowplanError
from flowplan.values.quantity import Money, parse_instant

_AT_ONCE = 8
"""How many tasks are asked about at a time."""


async def look_at_all(
    sessions: Sessions, targets: Sequence[Target]
) -> tuple[list[TaskRow], list[FlowplanError]]:
    """A row for each target in their order, and what kept the provider from being asked, each reason once."""
    slots = asyncio.Semaphore(_AT_ONCE)
    reasons: dict[str, FlowplanError] = {}

    async def one(target: Target) -> TaskRow:
        async with slots:
            try:
                return await look_at(sessions, target)
            except FlowplanError as error:
                reasons.setdefault(str(error), error)
                return recorded_row(target, Standing.UNKNOWN)

    rows = await asyncio.gather(*(one(target) for target in targets))
    return list(rows), list(reasons.values())


async def look_at(sessions: Sessions, target: Target) -> TaskRow:
    """How one task stands now.

    Raises:
        FlowplanError: the provider cannot be asked.
    """
    record = target.record
    if record is None:
        return recorded_row(target, Standing.INTERRUPTED)
    session = await sessions.of(target.snapshot)
    completion = _completion(record)
    try:
        task = await session.tasks.task(record.id)
    except FlowplanError:
        seen = await session.provider.observe([(Kind.TASK, record.id)], [Kind.TASK])
        if seen.find(Kind.TASK, record.id) is not None:
            raise
        if not completion and _is_fresh(record, session.clock.now()):
            return recorded_row(target, Standing.PENDING)
        return recorded_row(target, _recorded_end(completion) or _missing(sessions, target))
    row = _row(target, record, task, completion)
    if row.standing is Standing.LOST and (now := _missing(sessions, target)) is not Standing.LOST:
        row = evolve(row, standing=now, message="")
    if session.access is None and not row.standing.is_over:
        row = evolve(row, unseen="they cannot be reached without pip install 'flowplan[ssh]'")
    return row


def _missing(sessions: Sessions, target: Target) -> Standing:
    """The word for a task that is gone: its state may have learned why since it was read."""
    record, is_ending = read_again(sessions.context, sessions.project, target)
    told = _recorded_end(_completion(record)) if record is not None else None
    return told or (Standing.CANCELLED if is_ending else Standing.LOST)


def _is_fresh(record: Record, now: datetime) -> bool:
    """Whether it was made so shortly ago that the provider need not show it yet."""
    return record.created_at is not None and (now - record.created_at).total_seconds() < VISIBILITY_S


def recorded_row(target: Target, standing: Standing) -> TaskRow:
    """What is recorded of a task, without asking anyone."""
    record = target.record
    if record is None:
        assert target.entry is not None, "what has no record was begun"
        return TaskRow(
            target.stack,
            str(target.address),
            standing,
            name=target.entry.name,
            region=target.entry.region,
            created_at=target.entry.begun_at,
            message=f"its creation was interrupted; flowplan cancel '{target.address}' --stack {target.stack} "
            "settles and ends it",
        )
    seen, completion = record.attributes, _completion(record)
    price = seen.get("limit_price")
    return TaskRow(
        target.stack,
        str(target.address),
        standing,
        id=record.id,
        name=record.name,
        instance_type=str(seen.get("instance_type") or record.config.get("instance_type") or ""),
        nodes=int(record.config.get("num_instances") or 1),
        region=str(seen.get("region") or ""),
        price=str(Money.of_dollars(price)) if isinstance(price, (int, float)) else None,
        created_at=record.created_at,
        started_at=_instant(completion, "started_at"),
        ended_at=_instant(completion, "ended_at"),
        exit_code=_exit_code(completion),
    )


def recorded_standing(target: Target) -> Standing:
    """The word for a task as far as its record alone tells."""
    if target.record is None:
        return Standing.INTERRUPTED
    status = str(target.record.attributes.get("status") or "pending")
    known = Standing(status) if status in {one.value for one in Standing} else Standing.UNKNOWN
    return _recorded_end(_completion(target.record)) or known


def worst_code(errors: Iterable[FlowplanError]) -> int:
    """The exit code for what kept providers from being asked: 0 without any."""
    return max((error.exit_code for error in errors), default=0)


def _row(target: Target, record: Record, task: Task, completion: Mapping[str, Any]) -> TaskRow:
    seen = task.provider_metadata.get("completion")
    told = completion or (seen if isinstance(seen, Mapping) else {})
    standing = _recorded_end(completion) or standing_of(task)
    return TaskRow(
        target.stack,
        str(target.address),
        standing,
        id=record.id,
        name=task.name,
        instance_type=task.instance_type,
        nodes=task.num_instances,
        region=task.region,
        price=task.cost_per_hour,
        cost=task.total_cost,
        created_at=task.created_at,
        started_at=task.started_at or _instant(told, "started_at"),
        ended_at=_instant(told, "ended_at") or task.completed_at,
        exit_code=_exit_code(told),
        host=task.ssh_host,
        message=_message(standing, task),
        unseen=str(task.provider_metadata.get("unseen") or ""),
    )


def standing_of(task: Task) -> Standing:
    """The word for a task as its provider tells of it: one that has ended without completing was not ended by us."""
    if task.status is TaskStatus.CANCELLED:
        return Standing.LOST
    # A bid that holds instances is pending while they start; one that holds none any more has lost them.
    is_open = str(task.provider_metadata.get("bid_status", "")).lower() not in ("allocated", "running")
    if task.status is TaskStatus.PENDING and task.started_at is not None and is_open:
        return Standing.PREEMPTED
    return Standing(task.status.value)


def _message(standing: Standing, task: Task) -> str:
    if standing is Standing.LOST:
        return f"{task.name} was ended at the provider before it completed, and not by flowplan cancel."
    if standing is Standing.PREEMPTED:
        return f"{task.name} lost its instances and waits for others."
    return task.message or ""


def _recorded_end(completion: Mapping[str, Any]) -> Standing | None:
    if not completion:
        return None
    if was_cancelled(completion):
        return Standing.CANCELLED
    return Standing.COMPLETED if completion.get("exit_code") == 0 else Standing.FAILED


def _completion(record: Record) -> Mapping[str, Any]:
    found = record.attributes.get("completion")
    return found if isinstance(found, Mapping) else {}


def _exit_code(completion: Mapping[str, Any]) -> int | None:
    code = completion.get("exit_code")
    return code if isinstance(code, int) else None


def _instant(completion: Mapping[str, Any], name: str) -> datetime | None:
    try:
        return parse_instant(str(completion[name])) if completion.get(name) else None
    except ValueError:
        return None
