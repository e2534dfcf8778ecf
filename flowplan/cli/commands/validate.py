"""``flowplan validate``: everything that can be known to be wrong without credentials, network or state."""

from __future__ import annotations

import json

import click
from attrs import evolve

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import as_json, stack_path, variables


@click.command("validate")
@stack_path
@variables
@as_json
def command(path: str, variables: tuple[str, ...], var_files: tuple[str, ...], as_json: bool) -> int:
    """Check the stack at PATH and report every mistake at once."""
    from flowplan.cli.reading import Reading
    from flowplan.graph import build
    from flowplan.plan.document import diagnostic_document
    from flowplan.state.snapshot import Snapshot
    from flowplan.values.diagnostic import FlowplanError

    context = Context.make()
    stack = None
    try:
        # Why not `Context.load`: it asks for the region, and to check a stack takes no settings and no credentials.
        reading = evolve(Reading.make(context, path, Inputs(variables, var_files)), secrets=None)
        stack, diagnostics = reading.load(reading.files.all_sources)
        found = diagnostics.in_order()
        if stack is not None and (circle := build(stack, Snapshot(stack.name)).cycle()) is not None:
            found.append(circle)
    except FlowplanError as error:
        found = list(error.diagnostics)
    if as_json:
        errors, warnings = (sum(d.more or 1 for d in found if d.is_error is bad) for bad in (True, False))
        document = {
            "format_version": "1.0",
            "valid": not errors,
            "error_count": errors,
            "warning_count": warnings,
            "diagnostics": [diagnostic_document(d) for d in found],
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return 1 if errors else 0
    if stack is None or any(d.is_error for d in found):
        raise FlowplanError(*found)
    context.warn(found)
    count = len(stack.resources)
    noun = "resource" if count == 1 else "resources"
    click.echo(context.paint("Success!", "green", "bold") + f" Stack {stack.name} is valid: {count} {noun}.")
    return 0
