"""``flowplan logs``: what tasks have written."""

from __future__ import annotations

import asyncio

import click

from flowplan.cli.context import Context
from flowplan.cli.options import need_tasks, stack_name, task_addresses


@click.command("logs")
@task_addresses
@stack_name
@click.option("-f", "--follow", is_flag=True, help="Print lines as they come, until the task has ended.")
@click.option(
    "--tail", type=click.IntRange(0), metavar="N", help="Only the last N lines (of those there are at first)."
)
@click.option(
    "--stderr", is_flag=True, help="What it wrote to its standard error; the same as --source stderr."
)
@click.option(
    "--source",
    type=click.Choice(["stdout", "stderr", "both", "startup", "host"]),
    help="Which log: one of the command's outputs (default stdout), both as they came, all since boot, or the host's.",
)
@click.option("--node", type=click.IntRange(0), default=0, show_default=True, help="Which of its instances.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document for each line.")
def command(
    addresses: tuple[str, ...],
    stack: str | None,
    follow: bool,
    tail: int | None,
    stderr: bool,
    source: str | None,
    node: int,
    as_json: bool,
) -> int:
    """Print the output of the tasks at ADDRESS; of several, each line after its task's address."""
    from flowplan.cli.handles import find_targets
    from flowplan.cli.sessions import open_sessions
    from flowplan.cli.standing import worst_code
    from flowplan.cli.streaming import Reading, print_logs
    from flowplan.values.diagnostic import FlowplanError

    if stderr and source not in (None, "stderr"):
        raise click.UsageError(f"--stderr and --source {source} contradict each other")
    need_tasks(addresses, stack)
    context = Context.make()
    found = find_targets(context, addresses, stack)
    wish = Reading(source or ("stderr" if stderr else "stdout"), node, tail, follow, as_json)

    async def go() -> list[FlowplanError]:
        async with open_sessions(context, found.project) as sessions:
            return await print_logs(sessions, found, wish, context.paint)

    problems = asyncio.run(go())
    for problem in problems:
        context.warn(problem.diagnostics)
    return worst_code(problems)
