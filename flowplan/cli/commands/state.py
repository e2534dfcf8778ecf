"""``flowplan state``: what is recorded."""

from __future__ import annotations

import json

import click

from flowplan.cli.context import Context
from flowplan.cli.options import as_json, stack_name


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
