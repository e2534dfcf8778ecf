"""``flowplan state diff``."""

from __future__ import annotations

import json

import click

from flowplan.cli.context import Context
from flowplan.cli.options import as_json, stack_name


@click.command("diff")
@click.argument("before", type=click.IntRange(1), metavar="A")
@click.argument("after", type=click.IntRange(1), metavar="[B]", required=False)
@stack_name
@as_json
def command(before: int, after: int | None, stack: str | None, as_json: bool) -> int:
    """Show what turned serial A of a state into serial B, or into what is recorded now."""
    from flowplan.cli.recorded import chosen
    from flowplan.report.difference_text import difference_document, render_difference
    from flowplan.state.compare import compare

    context = Context.make()
    with chosen(context, stack) as (_, backend, name):
        old, new = backend.snapshot(name, before), backend.snapshot(name, after)
    difference = compare(old, new)
    if as_json:
        document = difference_document(difference, old.serial, new.serial)
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return 0
    text = render_difference(difference, context.paint)
    click.echo(text or f"Serials {old.serial} and {new.serial} say the same.")
    return 0
