"""``flowplan state list``."""

from __future__ import annotations

import json

import click

from flowplan.cli.context import Context
from flowplan.cli.options import as_json, stack_name


@click.command("list")
@click.argument("patterns", nargs=-1, metavar="[ADDRESS]...")
@click.option("--id", "id", metavar="ID", help="Only what has this id at the provider.")
@click.option("--serial", type=click.IntRange(1), metavar="N", help="As it was at this serial.")
@stack_name
@as_json
def command(
    patterns: tuple[str, ...], id: str | None, serial: int | None, stack: str | None, as_json: bool
) -> int:
    """List the addresses of recorded resources: all, or those that match an ADDRESS, module or pattern."""
    from flowplan.cli.recorded import chosen
    from flowplan.plan.patterns import select
    from flowplan.values.diagnostic import FlowplanError

    with chosen(Context.make(), stack) as (_, backend, name):
        snapshot = backend.snapshot(name, serial)
    records = [record for record in snapshot.records.values() if id is None or record.id == id]
    if patterns:
        found, problems = select(patterns, snapshot.records, "ADDRESS")
        if problems:
            raise FlowplanError(*problems)
        records = [record for record in records if record.address in found]
    rows = [{"address": str(r.address), "id": r.id, "name": r.name} for r in records]
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
