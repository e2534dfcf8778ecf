"""``flowplan cancel``: end tasks, and keep them on record as cancelled."""

from __future__ import annotations

import json
import sys

import click

from flowplan.cli.context import Context
from flowplan.cli.options import Seconds, as_json, need_tasks, stack_name, task_addresses


@click.command("cancel")
@task_addresses
@stack_name
@click.option("-y", "--yes", "--auto-approve", "approved", is_flag=True, help="Do not ask.")
@click.option(
    "--lock-timeout",
    type=Seconds(),
    default=0.0,
    metavar="DURATION",
    help="Wait this long for the stack's lock.",
)
@as_json
def command(
    addresses: tuple[str, ...], stack: str | None, approved: bool, lock_timeout: float, as_json: bool
) -> int:
    """End the tasks at ADDRESS, or with --stack alone all tasks of a stack.

    They stay on record as cancelled, so that apply does not take them for lost; what is over already stays as it is.
    """
    from flowplan.cli.cancelling import cancel_all, exit_code, is_over
    from flowplan.cli.handles import find_targets
    from flowplan.cli.standing import recorded_standing
    from flowplan.report.paint import clean
    from flowplan.values.diagnostic import Diagnostic, FlowplanError

    need_tasks(addresses, stack)
    context = Context.make()
    found = find_targets(context, addresses, stack)
    alive = [target for target in found.targets if not is_over(target.record)]
    if alive and not approved:
        if not sys.stdin.isatty():
            raise FlowplanError(
                Diagnostic.error(
                    "cancel needs an answer, and there is no terminal to ask on",
                    "Nothing was changed.",
                    suggestion="Add --yes.",
                )
            )
        click.echo(context.paint("Do you really want to cancel these tasks?", "bold"), err=as_json)
        for target in alive:
            click.echo(f"  {clean(found.label(target))} ({recorded_standing(target).value})", err=as_json)
        click.echo(
            "\n  Their instances are ended, and what is on their boot disks is lost. Only 'yes' will be accepted.\n",
            err=as_json,
        )
        try:
            answer = click.prompt(
                "  Enter a value", prompt_suffix=": ", default="", show_default=False, err=as_json
            )
        except click.Abort:
            answer = ""
        if answer != "yes":
            click.echo("\nNothing was cancelled.", err=as_json)
            return 1
    ended = cancel_all(context, found, lock_timeout)
    if as_json:
        tasks = [
            {
                "stack": one.target.stack,
                "address": str(one.target.address),
                "id": one.record.id if one.record else None,
                "outcome": one.ending.name.lower(),
            }
            for one in ended
        ]
        click.echo(json.dumps({"format_version": "1.0", "tasks": tasks}, indent=2, ensure_ascii=False))
    else:
        for one in ended:
            click.echo(f"{context.paint(clean(found.label(one.target)), 'bold')}: {one.ending.value}")
    context.warn(one.problem for one in ended if one.problem is not None)
    return exit_code(ended)
