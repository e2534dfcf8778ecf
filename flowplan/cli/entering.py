"""Ways into the instances of recorded tasks: a shell or a command on one, or a command on several at once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from flowplan.cli.context import Context
from flowplan.cli.handles import Found, Target
from flowplan.cli.sessions import Sessions, asked_of_a_handle, open_sessions
from flowplan.cli.standing import look_at, worst_code
from flowplan.models.task import Task
from flowplan.report.paint import Paint, clean
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError, NotYet

_AT_ONCE = 16


@frozen
class Result:
    """What a command gave on one task."""

    target: Target
    node: int
    exit_code: int
    out: bytes
    err: bytes


async def way_in(
    context: Context, found: Found, target: Target, node: int, words: str | None
) -> tuple[str, list[str]]:
    """The task's name, and the program of this machine that opens the shell or runs the command.

    Raises:
        FlowplanError: the task has no such node, or the node is not running.
    """
    async with open_sessions(context, found.project) as sessions:
        task = await _task(sessions, target, node)
        session = await sessions.of(target.snapshot)
        try:
            with asked_of_a_handle():
                remote = session.remote()
                argv = await remote.shell_argv(task.task_id, node, words) if task.instances else None
        except NotYet as error:
            raise await _not_running(
                sessions, target, task, " ".join(d.detail for d in error.diagnostics)
            ) from None
        if argv is None:
            raise await _not_running(sessions, target, task, f"Node {node} has no address now.")
    return task.name, argv


async def run_on_all(
    context: Context, found: Found, node: int, words: str
) -> tuple[list[Result], list[FlowplanError]]:
    """Run a command on a node of each target; what it gave, and why it could not be run on others."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(sessions: Sessions, target: Target) -> Result | FlowplanError:
        async with slots:
            try:
                task = await _task(sessions, target, node)
                session = await sessions.of(target.snapshot)
                if not task.instances:
                    raise await _not_running(sessions, target, task, f"Node {node} has no address now.")
                try:
                    with asked_of_a_handle():
                        code, out, err = await session.remote().run(task.task_id, node, words)
                except NotYet as error:
                    why = " ".join(d.detail for d in error.diagnostics)
                    raise await _not_running(sessions, target, task, why) from None
            except FlowplanError as error:
                return error
        return Result(target, node, code, out, err)

    async with open_sessions(context, found.project) as sessions:
        gave = await asyncio.gather(*(one(sessions, target) for target in found.targets))
    results = [one for one in gave if isinstance(one, Result)]
    return results, [one for one in gave if isinstance(one, FlowplanError)]


def exit_code(results: Sequence[Result], problems: Sequence[FlowplanError]) -> int:
    """That of the first command that did not end with 0, else why one could not be run."""
    return next((one.exit_code for one in results if one.exit_code), 0) or worst_code(problems)


def shell_document(results: Sequence[Result]) -> dict[str, Any]:
    """What a command gave, as JSON-shaped data."""
    return {
        "format_version": "1.0",
        "results": [
            {
                "stack": one.target.stack,
                "address": str(one.target.address),
                "node": one.node,
                "exit_code": one.exit_code,
                "stdout": one.out.decode("utf-8", "replace"),
                "stderr": one.err.decode("utf-8", "replace"),
            }
            for one in results
        ],
    }


def write_results(results: Sequence[Result], found: Found, paint: Paint) -> None:
    """Print what a command wrote on several tasks, each line after its task's address."""
    for one in results:
        label = paint(clean(found.label(one.target)), "cyan")
        for data, stream in ((one.out, sys.stdout), (one.err, sys.stderr)):
            for line in data.decode("utf-8", "replace").splitlines():
                # Why bytes: a command writes what it likes, and this terminal may not know its characters.
                stream.buffer.write(f"{label} | {line}\n".encode("utf-8", "replace"))
            stream.buffer.flush()


async def _task(sessions: Sessions, target: Target, node: int) -> Task:
    """The task of a target, which has the node.

    Raises:
        FlowplanError: it was never made, has no such node, or cannot be asked for.
    """
    at = target.address
    if target.record is None:
        raise FlowplanError(
            Diagnostic.error(f"{at} has not been made", "Its creation was interrupted.", address=at)
        )
    session = await sessions.of(target.snapshot)
    task = await session.tasks.task(target.record.id)
    count = task.num_instances
    if node >= count:
        has = f"It has {count} nodes, 0 to {count - 1}." if count > 1 else "Its only node is 0."
        raise FlowplanError(Diagnostic.error(f"{at} has no node {node}", has, address=at))
    return task


async def _not_running(sessions: Sessions, target: Target, task: Task, why: str) -> FlowplanError:
    row = await look_at(sessions, target)
    at = target.address
    hint = "" if task.is_terminal else f"Wait for it: flowplan wait '{at}' --for running"
    return FlowplanError(
        Diagnostic.error(f"{at} is not running: it is {row.standing.value}", why, address=at, suggestion=hint)
    )
