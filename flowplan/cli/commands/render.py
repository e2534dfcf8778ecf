"""``flowplan render``: a stack with everything in it evaluated."""

from __future__ import annotations

import json

import click

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import as_json, stack_path, variables


@click.command("render")
@stack_path
@variables
@as_json
def command(path: str, variables: tuple[str, ...], var_files: tuple[str, ...], as_json: bool) -> int:
    """Print the stack at PATH with all expressions evaluated, as YAML.

    What is known only after apply stays an expression, with a comment; sensitive values are not shown. Neither
    state nor provider is asked.
    """
    from flowplan.lang.evaluate_document import build_rendered, render_yaml
    from flowplan.plan.document import shown

    context = Context.make()
    document = build_rendered(context.load(path, Inputs(variables, var_files)).stack)
    if as_json:
        click.echo(json.dumps({"format_version": "1.0", **shown(document)}, indent=2, ensure_ascii=False))
    else:
        click.echo(render_yaml(document), nl=False)
    return 0
