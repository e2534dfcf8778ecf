"""``flowplan state history``."""

from __future__ import annotations

import json

import click

from flowplan.cli.context import Context
from flowplan.cli.options import as_json, stack_name


@click.command("history")
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    metavar="N",
    help="How many; 0 for all.",
)
@stack_name
@as_json
def command(limit: int, stack: str | None, as_json: bool) -> int:
    """List the serials of a state, newest first: when and by what each was recorded, and what it touched."""
    from flowplan.cli.recorded import chosen
    from flowplan.report.difference_text import history_document, render_history

    context = Context.make()
    with chosen(context, stack) as (_, backend, name):
        serials = backend.history(name, limit)
    if as_json:
        click.echo(json.dumps(history_document(name, serials), indent=2, ensure_ascii=False))
        return 0
    if not serials:
        click.echo(f"Nothing was ever recorded of stack {name}.")
        return 0
    click.echo(render_history(serials, context.paint))
    if limit and len(serials) == limit and serials[-1].number > 1:
        click.echo("Earlier ones: flowplan state history --limit 0")
    return 0
