"""Copying the code of recorded tasks to their instances."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from flowplan.apply.uploading import upload_code
from flowplan.cli.code import read_code
from flowplan.cli.context import Context
from flowplan.cli.handles import Found, Target
from flowplan.cli.sessions import Sessions, asked_of_a_handle, open_sessions
from flowplan.launch import needs_code
from flowplan.values.diagnostic import Diagnostic, FlowplanError


async def deliver(
    context: Context, found: Found, code: str | None, patience_s: float | None, tell: Callable[[str], None]
) -> list[FlowplanError]:
    """Copy the code of all targets, side by side; what went wrong, in their order."""

    async def one(sessions: Sessions, target: Target) -> FlowplanError | None:
        try:
            await _deliver(sessions, found, target, code, patience_s)
        except FlowplanError as error:
            return error
        tell(f"{found.label(target)}: its code is on its instances")
        return None

    async with open_sessions(context, found.project) as sessions:
        gave = await asyncio.gather(*(one(sessions, target) for target in found.targets))
    return [error for error in gave if error is not None]


async def _deliver(
    sessions: Sessions, found: Found, target: Target, code: str | None, patience_s: float | None
) -> None:
    record, at = target.record, target.address
    if record is None or record.attributes.get("completion"):
        why = "Its creation was interrupted." if record is None else "It has ended."
        raise FlowplanError(Diagnostic.error(f"{at} has no instances to copy code to", why, address=at))
    if not needs_code(record.config):
        raise FlowplanError(
            Diagnostic.error(
                f"{at} wants no code", "Its upload_code is false, or its upload_strategy none.", address=at
            )
        )
    packed = read_code(Path(code) if code is not None else _folder(found, target))
    session = await sessions.of(target.snapshot)
    task = await session.tasks.task(record.id)
    if task.is_terminal:
        raise FlowplanError(
            Diagnostic.error(f"{at} has no instances to copy code to", f"It is {task.outcome}.", address=at)
        )
    limit = float(record.config.get("upload_timeout") or 600)
    with asked_of_a_handle():
        remote = session.remote()
    await upload_code(
        remote,
        session.clock,
        record.id,
        task.num_instances,
        packed,
        limit,
        limit if patience_s is None else patience_s,
    )


def _folder(found: Found, target: Target) -> Path:
    """Where the code of a task lies: its code_root, from the folder of its stack on."""
    source = found.project.root / target.snapshot.source
    folder = source if source.is_dir() else source.parent
    assert target.record is not None
    root = target.record.config.get("code_root")
    return folder / root if isinstance(root, str) else folder
