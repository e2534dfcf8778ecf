"""``flowplan show``: a saved plan, or all that is recorded."""

from __future__ import annotations

import json
from pathlib import Path

import click

from flowplan.cli.context import Context
from flowplan.cli.options import as_json, stack_name


@click.command("show")
@click.argument("plan", required=False, metavar="[PLAN]")
@stack_name
@as_json
def command(plan: str | None, stack: str | None, as_json: bool) -> int:
    """Show the saved plan PLAN, or without it the recorded state of a stack."""
    from flowplan.cli.outputs import masked, print_outputs

    context = Context.make()
    if plan is not None:
        from flowplan.cli.saved import read
        from flowplan.report.plan_text import render_plan

        document = read(Path(plan)).document
        if as_json:
            click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        else:
            click.echo(render_plan(document, context.paint), nl=False)
        return 0
    from flowplan.cli.recorded import recorded
    from flowplan.report.state_text import record_document, render_snapshot

    with recorded(context, stack) as (_, _, snapshot):
        pass
    if as_json:
        state = {
            "format_version": "1.0",
            "stack": snapshot.stack,
            "lineage": snapshot.lineage,
            "serial": snapshot.serial,
            "resources": [record_document(record) for record in snapshot.records.values()],
            "outputs": masked(dict(snapshot.outputs)),
        }
        click.echo(json.dumps(state, indent=2, ensure_ascii=False))
        return 0
    click.echo(render_snapshot(snapshot, context.paint))
    print_outputs(snapshot.outputs, None, context.paint)
    return 0
