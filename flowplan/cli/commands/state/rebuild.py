"""``flowplan state rebuild``."""

from __future__ import annotations

import click

from flowplan.cli.context import Context
from flowplan.cli.options import lock_timeout, stack_path, variables
from flowplan.values.diagnostic import FlowplanError


@click.command("rebuild")
@stack_path
@variables
@click.option(
    "--choose",
    "choices",
    multiple=True,
    metavar="ADDRESS=ID",
    help="Which object a resource is, where names do not tell. May be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be recorded.")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@lock_timeout
def command(
    path: str,
    variables: tuple[str, ...],
    var_files: tuple[str, ...],
    choices: tuple[str, ...],
    dry_run: bool,
    auto_approve: bool,
    lock_timeout: float,
) -> int:
    """Record again what the stack at PATH has at the provider, where its state was lost.

    Objects are known by the names that the stack gives. Nothing at the provider is changed, and no record is.
    """
    from flowplan.cli.applying import refuse_without_person
    from flowplan.cli.context import Inputs
    from flowplan.cli.rebuilding import look_around, parse_choices, problems_of, record_found, render_finding

    chosen = parse_choices(choices)
    if not dry_run:
        refuse_without_person(auto_approve, "state rebuild")
    context = Context.make()
    loaded = context.load(path, Inputs(variables, var_files), ask=True)
    seen = look_around(context, loaded, chosen)
    click.echo(render_finding(seen.finding, context.paint))
    if problems := problems_of(seen.finding):
        raise FlowplanError(*problems)
    if dry_run or not seen.finding.found:
        return 0
    if not auto_approve and not click.confirm("\nRecord these?"):
        click.echo("Rebuild cancelled.")
        return 1
    serial = record_found(context, loaded, seen, lock_timeout, click.echo)
    click.echo(f"\nRebuild complete! The state is at serial {serial}.\nNext:\n    flowplan plan {path}")
    return 0
