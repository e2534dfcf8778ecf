"""``flowplan output``: the outputs as recorded by the last apply."""

from __future__ import annotations

import json

import click

from flowplan.cli.context import Context
from flowplan.cli.options import as_json, stack_name


@click.command("output")
@click.argument("name", required=False)
@stack_name
@as_json
@click.option("--raw", is_flag=True, help="Print the bare text of one output.")
def command(name: str | None, stack: str | None, as_json: bool, raw: bool) -> int:
    """Print all outputs, or the one called NAME."""
    from flowplan.cli.outputs import masked, print_outputs
    from flowplan.cli.recorded import recorded
    from flowplan.values.diagnostic import Diagnostic, FlowplanError, did_you_mean

    context = Context.make()
    with recorded(context, stack) as (_, _, snapshot):
        outputs = snapshot.outputs
    if name is None:
        if as_json:
            click.echo(json.dumps(masked(dict(outputs)), indent=2, ensure_ascii=False))
        elif outputs:
            print_outputs(outputs, None, context.paint)
        else:
            click.echo("No outputs are recorded.")
        return 0
    if name not in outputs:
        raise FlowplanError(
            Diagnostic.error(
                f"There is no output {name!r}",
                f"Stack {snapshot.stack} has {', '.join(sorted(outputs)) or 'no outputs'}.",
                suggestion=did_you_mean(name, outputs),
            )
        )
    value = masked(outputs[name])
    if raw and not isinstance(value, (dict, list)):
        click.echo(value if isinstance(value, str) else json.dumps(value))
    else:
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
    return 0
