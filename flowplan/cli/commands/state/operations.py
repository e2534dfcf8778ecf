"""``flowplan state operations``."""

from __future__ import annotations

import json

import click

from flowplan.cli.context import Context
from flowplan.cli.options import as_json, stack_name


@click.command("operations")
@stack_name
@as_json
def command(stack: str | None, as_json: bool) -> int:
    """List operations that began and did not end, and what the next apply, or flowplan recover, does about each."""
    from flowplan.cli.recorded import chosen
    from flowplan.report.state_text import operations_document, render_operations

    context = Context.make()
    with chosen(context, stack) as (_, backend, name):
        left, lock = backend.unfinished(name), backend.lock(name)
    if as_json:
        click.echo(json.dumps(operations_document(name, left, lock), indent=2, ensure_ascii=False))
    else:
        click.echo(render_operations(name, left, lock, context.paint))
    return 0
