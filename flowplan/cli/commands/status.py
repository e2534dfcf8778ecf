"""``flowplan status``: how the recorded tasks stand."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import click

from flowplan.cli.context import Context
from flowplan.cli.options import as_json, stack_name, task_addresses

if TYPE_CHECKING:
    from flowplan.report.task_text import TaskRow
    from flowplan.values.diagnostic import FlowplanError


@click.command("status")
@task_addresses
@stack_name
@as_json
@click.option("--live", is_flag=True, help="Leave out tasks that are over.")
def command(addresses: tuple[str, ...], stack: str | None, as_json: bool, live: bool) -> int:
    """Show how the tasks at ADDRESS stand; without one, all recorded tasks of all stacks."""
    from flowplan.cli.handles import find_targets
    from flowplan.cli.sessions import open_sessions
    from flowplan.cli.standing import look_at_all, worst_code
    from flowplan.provider.pace import SystemClock
    from flowplan.report.task_text import render_tasks, task_document

    context = Context.make()
    found = find_targets(context, addresses, stack, everywhere=True)

    async def go() -> tuple[list[TaskRow], list[FlowplanError]]:
        async with open_sessions(context, found.project) as sessions:
            return await look_at_all(sessions, found.targets)

    rows, problems = asyncio.run(go())
    if live:
        rows = [row for row in rows if not row.standing.is_over]
    if as_json:
        document = {"format_version": "1.0", "tasks": [task_document(row) for row in rows]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    elif rows:
        click.echo(render_tasks(rows, SystemClock().now(), context.paint))
    else:
        click.echo("No task is recorded here." if not found.targets else "No recorded task is alive.")
    for problem in problems:
        context.warn(problem.diagnostics)
    return worst_code(problems)
