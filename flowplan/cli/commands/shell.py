"""``flowplan shell``: a shell, or one command, on an instance of a task."""

from __future__ import annotations

import asyncio
import json
import shlex

import click

from flowplan.cli.context import Context
from flowplan.cli.options import as_json, stack_name


@click.command("shell")
@click.argument("address")
@click.argument("line", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@stack_name
@click.option("--node", type=click.IntRange(0), default=0, show_default=True, help="Which of its instances.")
@click.option(
    "--record", is_flag=True, help="Keep a copy of all that is shown in a file of the current folder."
)
@as_json
def command(
    address: str, line: tuple[str, ...], stack: str | None, node: int, record: bool, as_json: bool
) -> int:
    """Open a shell on an instance of the task at ADDRESS, or run COMMAND there and end with its exit code.

    A COMMAND of one word is a line for the instance's shell; of several, a program and its arguments. Where ADDRESS
    stands for several tasks it is run on all of them at once, and each line it writes stands after its task's address.
    """
    from flowplan.cli.entering import exit_code, run_on_all, shell_document, way_in, write_results
    from flowplan.cli.handles import find_targets, only_one
    from flowplan.client.shell import on_terminal, transcript_of
    from flowplan.provider.pace import SystemClock

    if as_json and (record or not line):
        raise click.UsageError("--json prints what a COMMAND gave: it needs one, and goes with no --record")
    context = Context.make()
    found = find_targets(context, [address], stack)
    words = line[0] if len(line) == 1 else shlex.join(line) if line else None
    if words is not None and (as_json or len(found.targets) > 1) and not record:
        results, problems = asyncio.run(run_on_all(context, found, node, words))
        if as_json:
            click.echo(json.dumps(shell_document(results), indent=2, ensure_ascii=False))
        else:
            write_results(results, found, context.paint)
        for problem in problems:
            context.warn(problem.diagnostics)
        return exit_code(results, problems)
    target = only_one(found, "flowplan shell --record" if record and line else "an interactive shell")
    name, argv = asyncio.run(way_in(context, found, target, node, words))
    transcript = transcript_of(name, SystemClock().now()) if record else None
    code = on_terminal(argv, transcript)
    if transcript is not None:
        click.echo(f"Recorded in {transcript}", err=True)
    return code
