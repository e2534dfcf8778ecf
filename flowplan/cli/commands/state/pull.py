"""``flowplan state pull``."""

from __future__ import annotations

import json

import click

from flowplan.cli.context import Context
from flowplan.cli.options import stack_name


@click.command("pull")
@click.option("--serial", type=click.IntRange(1), metavar="N", help="As it was at this serial.")
@stack_name
def command(serial: int | None, stack: str | None) -> int:
    """Print the recorded state as a JSON document (schemas/state.schema.json), with fingerprints for secrets."""
    from flowplan.cli.recorded import chosen
    from flowplan.state.document import state_document

    with chosen(Context.make(), stack) as (_, backend, name):
        snapshot = backend.snapshot(name, serial)
    click.echo(json.dumps(state_document(snapshot), indent=2, ensure_ascii=False))
    return 0
