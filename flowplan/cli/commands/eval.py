"""``flowplan eval``: one expression, in the context of a stack."""

from __future__ import annotations

import json

import click

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import as_json, stack_path, variables


@click.command("eval")
@click.argument("expression")
@stack_path
@variables
@as_json
@click.option("--raw", is_flag=True, help="Print the bare text of a string.")
def command(
    expression: str,
    path: str,
    variables: tuple[str, ...],
    var_files: tuple[str, ...],
    as_json: bool,
    raw: bool,
) -> int:
    """Print what EXPRESSION gives in the stack at PATH, with or without its braces: var.nodes * 2.

    It sees what an output sees. What the provider decides is taken from the state where it is recorded.
    """
    from flowplan.cli.reading import Reading, recorded_values
    from flowplan.cli.values import HIDDEN, LATER, render_value, value_document
    from flowplan.lang.evaluate import evaluate, settle
    from flowplan.report.paint import clean
    from flowplan.values.diagnostic import FlowplanError
    from flowplan.values.value import is_known, is_sensitive

    context = Context.make()
    reading = Reading.make(context, path, Inputs(variables, var_files))
    result, found = evaluate(expression, reading.files.all_sources, reading.load)
    if result is None:
        raise FlowplanError(*found.in_order())
    context.warn(found.in_order())
    value = result.value
    if not is_known(value):
        value = settle(value, recorded_values(context, reading, result.stack))
    if as_json:
        document = {"format_version": "1.0", "expression": expression, **value_document(value)}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    elif raw and isinstance(value, str):
        click.echo(clean(value))
    elif raw and (is_sensitive(value) or not is_known(value)):
        click.echo(HIDDEN if is_sensitive(value) else LATER)
    else:
        click.echo(render_value(value))
    return 0
