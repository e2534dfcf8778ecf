"""The code that is being copied to tasks' instances while a `Flow` is open."""

from __future__ import annotations

import asyncio
import warnings

from flowplan.client.session import Session
from flowplan.models.enums import TaskStatus
from flowplan.values.diagnostic import FlowplanError

_UNDER_WAY = (TaskStatus.RUNNING, TaskStatus.PREEMPTING)


def late_code(session: Session, task_id: str) -> str:
    """Why a task's code could not be copied to its instances; "" where it was, or may yet be."""
    copying = session.uploads.get(task_id)
    if copying is None or not copying.done() or copying.cancelled():
        return ""
    error = copying.exception()
    return "" if error is None else f"Its code could not be copied to its instances: {error}."


async def finish_uploads(session: Session) -> None:
    """Let the copies to running instances come to their end, and give up the others, with a warning for each.

    A task that waits for capacity may wait for days, and a program cannot be kept from its end that long.
    """
    for task_id, copying in session.uploads.items():
        why = ""
        if not copying.done():
            try:
                task = await session.tasks.task(task_id)
                if task.is_terminal:
                    copying.cancel()
                elif task.status in _UNDER_WAY or task.instances:
                    config = session.configs.get(task_id)
                    await asyncio.wait([copying], timeout=config.upload_timeout if config else None)
                    if not copying.done():
                        copying.cancel()
                        why = "its instances do not come up"
                else:
                    copying.cancel()
                    why = "it waits for capacity, and nobody is left to copy it"
            except FlowplanError as error:
                copying.cancel()
                why = str(error)
            await asyncio.gather(copying, return_exceptions=True)
        why = why or late_code(session, task_id)
        if why:
            warnings.warn(
                f"the code of task {task_id} was not copied to its instances: {why}. It waits for it as long as its "
                "upload_timeout says, and then fails. Keep the Flow open until it runs (Task.wait).",
                RuntimeWarning,
                stacklevel=2,
            )


async def drop_uploads(session: Session) -> None:
    """Give up all copies."""
    for copying in session.uploads.values():
        copying.cancel()
    await asyncio.gather(*session.uploads.values(), return_exceptions=True)
