"""What is done once a recorded task has been seen to end: its end goes on record, and it gives back its instances."""

from __future__ import annotations

import asyncio

from flowplan.cli.cancelling import record_end
from flowplan.cli.context import Context
from flowplan.cli.handles import Found, Target
from flowplan.report.task_text import Standing, TaskRow
from flowplan.values.diagnostic import FlowplanError
from flowplan.values.quantity import format_instant

_OUT_OF_TIME = 124
"""The exit code of a command that ran into its run-time limit."""


def wants_release(target: Target, row: TaskRow) -> bool:
    """Whether a task that has ended is to hold no instances any more; where it can, it has ended them itself."""
    if row.standing not in (Standing.COMPLETED, Standing.FAILED) or target.record is None:
        return False
    config = target.record.config
    is_out_of_time = bool(config.get("max_run_time_hours")) and row.exit_code == _OUT_OF_TIME
    return bool(config.get("terminate_on_exit")) or is_out_of_time


def conclude(context: Context, found: Found, target: Target, row: TaskRow) -> None:
    """Record how a task has ended, and end its instances where it wants that; problems are only told.

    It has ended all the same, and the next refresh sees it.
    """
    if row.standing not in (Standing.COMPLETED, Standing.FAILED) or target.record is None:
        return
    completion = {
        "exit_code": row.exit_code,
        "started_at": format_instant(row.started_at) if row.started_at else None,
        "ended_at": format_instant(row.ended_at) if row.ended_at else None,
    }
    try:
        asyncio.run(record_end(context, found, target, completion, wants_release(target, row)))
    except FlowplanError as error:
        context.warn(error.diagnostics)
