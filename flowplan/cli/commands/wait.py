"""``flowplan wait``: until tasks run, or have completed."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import click

from flowplan.cli.context import Context
from flowplan.cli.options import Seconds, as_json, need_tasks, stack_name, task_addresses

if TYPE_CHECKING:
    from flowplan.cli.handles import Target
    from flowplan.cli.waiting import Waited
    from flowplan.report.task_text import TaskRow


@click.command("wait")
@task_addresses
@stack_name
@click.option(
    "--for",
    "condition",
    type=click.Choice(["running", "completed"]),
    default="completed",
    show_default=True,
    help="How far they must have come.",
)
@click.option(
    "--timeout", type=Seconds(), metavar="DURATION", help="Give up after this long, for example 10m."
)
@as_json
def command(
    addresses: tuple[str, ...], stack: str | None, condition: str, timeout: float | None, as_json: bool
) -> int:
    """Wait until all tasks at ADDRESS run, or have completed.

    A task that wants its instances ended with it (terminate_on_exit) gives them back, where it could not do so itself.
    Ends with 0 when they have, 1 when one failed, 3 when one was cancelled or lost, 124 when the time ran out.
    """
    from flowplan.cli.cancelling import is_over
    from flowplan.cli.concluding import conclude, wants_release
    from flowplan.cli.handles import find_targets
    from flowplan.cli.sessions import open_sessions
    from flowplan.cli.waiting import exit_code, wait_document, wait_for_all
    from flowplan.provider.pace import SystemClock
    from flowplan.report.paint import clean
    from flowplan.values.exit_code import ExitCode

    need_tasks(addresses, stack)
    context = Context.make()
    found = find_targets(context, addresses, stack)

    def tell(target: Target, row: TaskRow) -> None:
        if not as_json:
            code = f" ({row.exit_code})" if row.exit_code else ""
            label = context.paint(clean(found.label(target)), "bold")
            click.echo(f"{label}: {row.standing.value}{code}")

    async def go() -> list[Waited]:
        async with open_sessions(context, found.project) as sessions:
            return await wait_for_all(
                sessions, found.targets, condition == "running", timeout, SystemClock(), tell
            )

    waited = asyncio.run(go())
    for target, one in zip(found.targets, waited, strict=True):
        if wants_release(target, one.row) and not is_over(target.record):
            conclude(context, found, target, one.row)
    code = exit_code(waited)
    if as_json:
        click.echo(json.dumps(wait_document(waited, condition), indent=2, ensure_ascii=False))
    elif code == ExitCode.TIMED_OUT:
        click.echo(f"Not {condition} after {timeout:g} s; what was waited for goes on.", err=True)
    return code
