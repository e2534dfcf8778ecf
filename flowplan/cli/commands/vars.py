"""``flowplan vars``: the variables of a stack, what they are, and who said so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from flowplan.cli.context import Context, Inputs
from flowplan.cli.given import SecretFolder
from flowplan.cli.options import as_json, stack_path, variables

if TYPE_CHECKING:
    from flowplan.lang.explain import Explanation, Given

_NOT_GIVEN = "(not given)"


@click.command("vars")
@stack_path
@variables
@as_json
@click.option("--explain", metavar="NAME", help="Show every source that gives NAME a value, weakest first.")
def command(
    path: str, variables: tuple[str, ...], var_files: tuple[str, ...], as_json: bool, explain: str | None
) -> int:
    """List the variables of the stack at PATH with type, value and where the value comes from."""
    from flowplan.cli.reading import Reading
    from flowplan.lang.explain import explain_variables
    from flowplan.values.diagnostic import Diagnostic, FlowplanError, did_you_mean

    context = Context.make()
    reading = Reading.make(context, path, Inputs(variables, var_files))
    explained, found = explain_variables(
        reading.files.all_sources, reading.inputs, SecretFolder(context.environ)
    )
    if found.has_errors:
        raise FlowplanError(*found.in_order())
    if explain is not None:
        if explain not in explained:
            listed = f"The stack declares: {', '.join(explained)}." if explained else "It declares none."
            raise FlowplanError(
                Diagnostic.error(
                    f"The stack has no variable {explain!r}",
                    suggestion=did_you_mean(explain, explained) or listed,
                )
            )
        explained = {explain: explained[explain]}
    if as_json:
        document = {"format_version": "1.0", "variables": [_document(each) for each in explained.values()]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    elif explain is not None:
        _print_sources(explained[explain], context)
    else:
        print_variables(explained, context)
    return 0


def print_variables(explained: Mapping[str, Explanation], context: Context) -> None:
    """A table of all variables: what they will be."""
    if not explained:
        click.echo("The stack declares no variables.")
        return
    rows = [("NAME", "TYPE", "VALUE", "SOURCE")]
    for each in explained.values():
        chosen = each.chosen
        value = _NOT_GIVEN if chosen is None else _short(chosen)
        rows.append((each.name, each.type or "any", value, chosen.source if chosen else "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for number, row in enumerate(rows):
        line = "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        click.echo(context.paint(line, "bold") if number == 0 else line)


def _print_sources(each: Explanation, context: Context) -> None:
    """All that is given for one variable, weakest first."""
    from flowplan.report.paint import clean

    about = f": {each.description}" if each.description else ""
    click.echo(clean(f"{each.name} ({each.type or 'any type'}){about}"))
    click.echo(f"declared at {clean(str(each.span))}{', deprecated' if each.deprecated else ''}")
    if not each.given:
        click.echo(f"No source gives a value: use --var {each.name}=…, FLOWPLAN_VAR_{each.name} or a file.")
        return
    click.echo()
    width = max(len(given.source) for given in each.given)
    for given in each.given:
        wins = context.paint("  ← this one", "green") if given is each.chosen else ""
        click.echo(f"  {clean(given.source).ljust(width)}  {_short(given)}{wins}")


def _short(given: Given) -> str:
    """A value on one line."""
    from flowplan.cli.values import render_value

    text = render_value(given.value, on_one_line=True)
    text = text if len(text) <= 60 else f"{text[:59]}…"
    return f"{text} ({given.problem})" if given.problem else text


def _document(each: Explanation) -> dict[str, Any]:
    from flowplan.plan.document import shown

    chosen = each.chosen
    return {
        "name": each.name,
        "type": each.type,
        "description": each.description,
        "sensitive": each.sensitive,
        "deprecated": each.deprecated,
        "declared_at": str(each.span),
        "given": chosen is not None,
        "value": None if chosen is None else shown(chosen.value),
        "source": None if chosen is None else chosen.source,
        "sources": [
            {"source": given.source, "value": shown(given.value), "problem": given.problem or None}
            for given in each.given
        ],
    }
