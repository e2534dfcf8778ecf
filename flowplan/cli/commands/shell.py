"""``flowplan shell``: a shell, or one command, on an instance of a task."""

from __future__ import annotations

import asyncio
import shlex
from typing import TYPE_CHECKING

import click

from flowplan.cli.context import Context
from flowplan.cli.options import stack_name

if TYPE_CHECKING:
    from flowplan.cli.handles import Found, Target


@click.command("shell")
@click.argument("address")
@click.argument("line", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@stack_name
@click.option("--node", type=click.IntRange(0), default=0, show_default=True, help="Which of its instances.")
@click.option(
    "--record", is_flag=True, help="Keep a copy of all that is shown in a file of the current folder."
)
def command(address: str, line: tuple[str, ...], stack: str | None, node: int, record: bool) -> int:
    """Open a shell on an instance of the task at ADDRESS, or run COMMAND there and end with its exit code.

    A COMMAND of one word is a line for the instance's shell; of several, a program and its arguments.
    """
    from flowplan.cli.handles import find_targets, only_one
    from flowplan.client.shell import on_terminal, transcript_of
    from flowplan.provider.pace import SystemClock

    context = Context.make()
    found = find_targets(context, [address], stack)
    target = only_one(found, "flowplan shell")
    name, argv = asyncio.run(_way_in(context, found, target, node, line))
    transcript = transcript_of(name, SystemClock().now()) if record else None
    code = on_terminal(argv, transcript)
    if transcript is not None:
        click.echo(f"Recorded in {transcript}", err=True)
    return code


async def _way_in(
    context: Context, found: Found, target: Target, node: int, line: tuple[str, ...]
) -> tuple[str, list[str]]:
    """The task's name, and the program of this machine that opens the shell or runs the command.

    Raises:
        FlowplanError: the task has no such node, or the node is not running.
    """
    from flowplan.cli.sessions import asked_of_a_handle, open_sessions
    from flowplan.cli.standing import look_at
    from flowplan.sandbox.access import NotRunning, UnknownNode
    from flowplan.values.diagnostic import Diagnostic, FlowplanError

    at = target.address
    if target.record is None:
        raise FlowplanError(
            Diagnostic.error(f"{at} has not been made", "Its creation was interrupted.", address=at)
        )
    async with open_sessions(context, found.project) as sessions:
        session = await sessions.of(target.snapshot)
        task = await session.tasks.task(target.record.id)
        count = task.num_instances
        if node >= count:
            raise FlowplanError(
                Diagnostic.error(
                    f"{at} has no node {node}",
                    f"It has {count} nodes, 0 to {count - 1}." if count > 1 else "Its only node is 0.",
                    address=at,
                )
            )
        words = line[0] if len(line) == 1 else shlex.join(line) if line else None
        try:
            with asked_of_a_handle():
                argv = (
                    await session.remote().shell_argv(task.task_id, node, words) if task.instances else None
                )
            why = "" if argv else f"Node {node} has no address now."
        except (NotRunning, UnknownNode) as error:
            argv, why = None, " ".join(one.detail for one in error.diagnostics)
        if argv is None:
            row = await look_at(sessions, target)
            hint = "" if task.is_terminal else f"Wait for it: flowplan wait '{at}' --for running"
            raise FlowplanError(
                Diagnostic.error(
                    f"{at} is not running: it is {row.standing.value}", why, address=at, suggestion=hint
                )
            )
    return task.name, argv
