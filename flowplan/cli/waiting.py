"""Waiting for recorded tasks to run or to complete, and the exit code for what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from attrs import evolve

from flowplan.cli.handles import Target
from flowplan.cli.sessions import Sessions
from flowplan.cli.standing import look_at, recorded_row
from flowplan.client.session import pauses
from flowplan.ports import Clock
from flowplan.report.task_text import Standing, TaskRow, task_document
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode

ENDED_OTHERWISE = ExitCode.DIFFERS
"""The exit code where a task was cancelled or lost, or never made, so that the condition can never hold."""
TIMED_OUT = ExitCode.TIMED_OUT
"""The exit code when the time ran out; as that of the program ``timeout``."""
_TRANSIENT = ExitCode.TRANSIENT
_BLIND_S = 300.0
"""How long a provider that cannot be reached for the moment is asked again."""


class Ending(Enum):
    """What came of waiting for one task."""

    REACHED = "reached"
    FAILED = "failed"
    ENDED = "ended"
    TIMED_OUT = "timed out"


@frozen
class Waited:
    """A task, how it stood at the end of the wait, and what that means."""

    row: TaskRow
    ending: Ending


_CODES = {Ending.REACHED: 0, Ending.FAILED: 1, Ending.ENDED: ENDED_OTHERWISE, Ending.TIMED_OUT: TIMED_OUT}


def exit_code(waited: Sequence[Waited]) -> int:
    """0 where all came as far as asked; else that of the first kind found: failed, ended otherwise, timed out."""
    found = {one.ending for one in waited}
    return next((_CODES[e] for e in (Ending.FAILED, Ending.ENDED, Ending.TIMED_OUT) if e in found), 0)


def wait_document(waited: Sequence[Waited], condition: str) -> dict[str, Any]:
    """What came of waiting, as JSON-shaped data."""
    tasks = [{**task_document(one.row), "outcome": one.ending.value} for one in waited]
    return {"format_version": "1.0", "condition": condition, "tasks": tasks}


def judge(row: TaskRow, running_is_enough: bool) -> Ending | None:
    """What a task's standing means for who waits for it to complete (or only to run); None while it may yet come."""
    if row.standing is Standing.COMPLETED or (running_is_enough and row.standing is Standing.RUNNING):
        return Ending.REACHED
    if row.standing is Standing.FAILED:
        return Ending.FAILED
    if row.standing in (Standing.CANCELLED, Standing.LOST, Standing.INTERRUPTED):
        return Ending.ENDED
    return None


async def wait_for_all(
    sessions: Sessions,
    targets: Sequence[Target],
    running_is_enough: bool,
    timeout_s: float | None,
    clock: Clock,
    tell: Callable[[Target, TaskRow], None],
) -> list[Waited]:
    """Wait for every target; ``tell`` is called each time one of them stands otherwise than before.

    Raises:
        FlowplanError: a provider cannot be asked, or no one can see when a task completes.
    """
    deadline = None if timeout_s is None else clock.monotonic() + timeout_s
    waits = [
        asyncio.create_task(_one(sessions, target, running_is_enough, deadline, clock, tell))
        for target in targets
    ]
    try:
        return list(await asyncio.gather(*waits))
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _one(
    sessions: Sessions,
    target: Target,
    running_is_enough: bool,
    deadline: float | None,
    clock: Clock,
    tell: Callable[[Target, TaskRow], None],
) -> Waited:
    pause, before, blind_since = pauses(), None, None
    row = recorded_row(target, Standing.UNKNOWN if target.record else Standing.INTERRUPTED)
    while True:
        try:
            row = await look_at(sessions, target)
            blind_since = None
        except FlowplanError as error:
            now = clock.monotonic()
            blind_since = now if blind_since is None else blind_since
            if error.exit_code != _TRANSIENT or now - blind_since > _BLIND_S:
                raise
            row = evolve(row, standing=Standing.UNKNOWN, message=str(error))
        if row.standing is not before:
            before = row.standing
            tell(target, row)
        ending = judge(row, running_is_enough)
        if ending is not None:
            return Waited(row, ending)
        if row.unseen and row.standing is Standing.RUNNING:
            raise FlowplanError(
                Diagnostic.error(
                    f"No one can see when {target.address} completes",
                    f"That is written on its instances, and: {row.unseen}. The task goes on.",
                    address=target.address,
                    suggestion="Make its instances reachable over SSH (MITHRIL_SSH_KEY), then wait again.",
                )
            )
        wait = pause()
        if deadline is not None:
            left = deadline - clock.monotonic()
            if left <= 0:
                return Waited(row, Ending.TIMED_OUT)
            wait = min(wait, left)
        await clock.sleep(wait)
