"""``flowplan upload``: copy tasks' code to their instances, where an apply could not."""

from __future__ import annotations

import asyncio

import click

from flowplan.cli.context import Context
from flowplan.cli.options import Seconds, need_tasks, stack_name, task_addresses


@click.command("upload")
@task_addresses
@stack_name
@click.option(
    "--code",
    metavar="DIR",
    help="The folder with the code; by default the task's code_root, or the folder of its stack.",
)
@click.option(
    "--timeout",
    type=Seconds(),
    metavar="DURATION",
    help="Give up when an instance does not run after this long; by default the task's upload_timeout.",
)
def command(addresses: tuple[str, ...], stack: str | None, code: str | None, timeout: float | None) -> int:
    """Copy the code of the tasks at ADDRESS to their instances, waiting until they run.

    An apply does this itself. It is for a task that did not run in time for that: its instances wait for the code, from
    when they run, as long as its upload_timeout says.
    """
    from flowplan.cli.delivering import deliver
    from flowplan.cli.handles import find_targets
    from flowplan.cli.standing import worst_code

    need_tasks(addresses, stack)
    context = Context.make()
    found = find_targets(context, addresses, stack)

    def tell(line: str) -> None:
        click.echo(line)

    problems = asyncio.run(deliver(context, found, code, timeout, tell))
    for problem in problems:
        context.warn(problem.diagnostics)
    return worst_code(problems)
