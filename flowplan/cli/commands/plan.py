"""``flowplan plan``: show what apply would do, and save it if asked."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path
from typing import Any

import click

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import as_json, choosing, refresh, refresh_only, stack_path, variables


@click.command("plan")
@stack_path
@variables
@refresh
@refresh_only
@choosing()
@as_json
@click.option("--out", metavar="FILE", help="Save the plan, to apply exactly this later.")
@click.option("--destroy", is_flag=True, help="Plan to remove everything the stack has made.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there is something to do, 0 when not.")
def command(
    path: str,
    variables: tuple[str, ...],
    var_files: tuple[str, ...],
    refresh: bool,
    refresh_only: bool,
    as_json: bool,
    out: str | None,
    destroy: bool,
    detailed_exitcode: bool,
    **asked: Any,
) -> int:
    """Show what apply would do to make the world match the stack at PATH."""
    from flowplan.cli.planning import plan_stack
    from flowplan.plan.change import Mode, PlanOptions
    from flowplan.report.plan_text import render_plan

    # Why: what a plan makes lives to its end, so looking for cycles in it finds none, and takes a tenth of the time.
    gc.disable()
    if destroy and refresh_only:
        raise click.UsageError("--destroy and --refresh-only are two plans; ask for one")
    context = Context.make()
    # Why not for documents: they explain each value, which takes the whole stack.
    may_recall = not (as_json or out)
    inputs = Inputs(variables, var_files)
    loaded = context.load(path, inputs, ask=True, lenient=destroy, may_recall=may_recall)
    mode = Mode.DESTROY if destroy else Mode.REFRESH_ONLY if refresh_only else Mode.NORMAL
    planned = plan_stack(context, loaded, mode, refresh, PlanOptions(**asked))
    document = planned.document()
    if as_json or out is not None:
        document = planned.explained()
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    elif not (planned.plan.has_errors and planned.plan.is_empty):
        click.echo(render_plan(document, context.paint), nl=False)
    context.warn(planned.plan.diagnostics)
    if planned.plan.has_errors:
        return planned.plan.error_code
    if out is not None:
        from flowplan.cli.saved import save

        save(planned, document, Path(out))
        if not as_json:
            _say_saved(out)
    return 2 if detailed_exitcode and not planned.plan.is_empty else 0


def _say_saved(out: str) -> None:
    click.echo(f"\nSaved the plan to: {out}")
    if not (os.environ.get("FLOWPLAN_IN_AUTOMATION") or os.environ.get("CI")):
        click.echo("\nTo perform exactly these actions, run the following command to apply:")
        click.echo(f'    flowplan apply "{out}"')
