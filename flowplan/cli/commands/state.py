"""``flowplan state``: what is recorded."""

from __future__ import annotations

import json

import click

from flowplan.cli.context import Context
from flowplan.cli.options import as_json, lock_timeout, stack_name, stack_path, variables
from flowplan.values.diagnostic import FlowplanError


@click.group("state")
def command() -> None:
    """List and show what is recorded."""


@command.command("list")
@stack_name
@as_json
def list_(stack: str | None, as_json: bool) -> int:
    """List the addresses of all recorded resources."""
    from flowplan.cli.recorded import recorded

    with recorded(Context.make(), stack) as (_, _, snapshot):
        rows = [{"address": str(r.address), "id": r.id, "name": r.name} for r in snapshot.records.values()]
    if as_json:
        document = {
            "stack": snapshot.stack,
            "lineage": snapshot.lineage,
            "serial": snapshot.serial,
            "resources": rows,
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for row in rows:
            click.echo(row["address"])
    return 0


@command.command("show")
@click.argument("address")
@stack_name
@as_json
def show(address: str, stack: str | None, as_json: bool) -> int:
    """Show what is recorded of one resource."""
    from flowplan.cli.recorded import record_at, recorded
    from flowplan.report.state_text import record_document, render_record

    context = Context.make()
    with recorded(context, stack) as (_, _, snapshot):
        record = record_at(snapshot, address)
    if as_json:
        click.echo(json.dumps(record_document(record), indent=2, ensure_ascii=False))
    else:
        click.echo(render_record(record, context.paint))
    return 0


@command.command("rebuild")
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
def rebuild(
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
