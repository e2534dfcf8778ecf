"""``flowplan state show``."""

from __future__ import annotations

import json

import click

from flowplan.cli.context import Context
from flowplan.cli.options import as_json, stack_name


@click.command("show")
@click.argument("address", required=False)
@click.option("--serial", type=click.IntRange(1), metavar="N", help="As it was at this serial.")
@stack_name
@as_json
def command(address: str | None, serial: int | None, stack: str | None, as_json: bool) -> int:
    """Show what is recorded of one resource, or of all; now, or as it was at an earlier serial."""
    from flowplan.cli.recorded import chosen, record_at
    from flowplan.report.state_text import record_document, render_record, render_snapshot, snapshot_document

    context = Context.make()
    with chosen(context, stack) as (_, backend, name):
        snapshot = backend.snapshot(name, serial)
    if address is None:
        if as_json:
            click.echo(json.dumps(snapshot_document(snapshot), indent=2, ensure_ascii=False))
        else:
            click.echo(render_snapshot(snapshot, context.paint))
        return 0
    record = record_at(snapshot, address)
    if as_json:
        click.echo(json.dumps(record_document(record), indent=2, ensure_ascii=False))
    else:
        click.echo(render_record(record, context.paint))
    return 0
