"""Ending tasks before or after their own end, with their records kept: what a cancellation is to the state.

A cancelled task keeps its record, with a completion that holds no exit code but the time of the cancellation. So the
planner takes it for over (``lifecycle.rerun``) and never for lost (``lifecycle.on_lost``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from flowplan.apply.deleting import finish_delete
from flowplan.apply.run import Run
from flowplan.state.journal import Entry, Operation
from flowplan.state.snapshot import Record
from flowplan.values.quantity import format_instant

CANCELLED_AT = "cancelled_at"
"""The key that tells the completion of a cancelled task from one that its own command left."""


def was_cancelled(completion: Mapping[str, Any]) -> bool:
    """Whether a completion, as recorded, is that of a cancelled task."""
    return CANCELLED_AT in completion


def cancellation(run: Run) -> dict[str, Any]:
    """The completion of a task that is being cancelled now."""
    now = format_instant(run.clock.now())
    return {"exit_code": None, "started_at": None, "ended_at": now, CANCELLED_AT: now}


async def end_task(run: Run, record: Record, completion: Mapping[str, Any]) -> Record:
    """End a task's instances and keep its record with ``completion``; journalled like any deletion.

    Raises:
        Failed: the provider refused.
        OutcomeUnknown: no one knows whether it has ended; the next run settles it.
    """
    kept = completed(record, completion)
    entry = Entry(
        operation=Operation.DELETE,
        address=record.address,
        run=run.id,
        begun_at=run.clock.now(),
        id=record.id,
        name=record.name,
        changes={"keep": dict(kept.attributes)},
    )
    entry = await run.together.begin(entry)
    await finish_delete(run, entry, kept)
    return kept


def note_end(run: Run, record: Record, completion: Mapping[str, Any], has_instances: bool) -> Record:
    """Record how a task has ended; nothing is sent. With ``has_instances`` it goes on to hold (and cost) them."""
    kept = evolve(record, attributes={**record.attributes, "completion": dict(completion)})
    if not has_instances:
        kept = completed(record, completion)
    run.writer.save([kept])
    run.records[record.address] = kept
    return kept


def completed(record: Record, completion: Mapping[str, Any]) -> Record:
    """The record of a task that has ended in this way and holds no instances any more."""
    status = "cancelled" if was_cancelled(completion) else "completed"
    attributes = {**record.attributes, "status": status, "completion": dict(completion)}
    return evolve(record, attributes=attributes)
