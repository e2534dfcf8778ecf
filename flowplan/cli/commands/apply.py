"""``flowplan apply``: do what the plan says, or exactly what a saved plan says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import applying, choosing, refresh, refresh_only, stack_path, variables


@click.command("apply")
@stack_path
@variables
@refresh
@refresh_only
@choosing()
@applying
def command(
    path: str,
    variables: tuple[str, ...],
    var_files: tuple[str, ...],
    refresh: bool,
    refresh_only: bool,
    auto_approve: bool,
    parallelism: int,
    lock_timeout: float,
    **asked: Any,
) -> int:
    """Make the world match the stack at PATH, or do what the saved plan PATH says (without asking)."""
    from flowplan.cli.applying import Wish, apply_plan, refuse_without_person
    from flowplan.cli.planning import plan_stack
    from flowplan.cli.saved import is_plan_file, read, restore
    from flowplan.plan.change import Mode, PlanOptions

    context = Context.make()
    inputs = Inputs(variables, var_files)
    if is_plan_file(Path(path)):
        if refresh_only or any(asked.values()):
            raise click.UsageError("a saved plan is applied as it is; plan again with these options")
        planned = restore(context, Path(path), read(Path(path)), inputs)
        return apply_plan(
            context,
            planned,
            Wish(approved=True, exact=True, parallelism=parallelism, lock_timeout=lock_timeout),
        )
    refuse_without_person(auto_approve, "apply")
    loaded = context.load(path, inputs, ask=True)
    mode = Mode.REFRESH_ONLY if refresh_only else Mode.NORMAL
    planned = plan_stack(context, loaded, mode, refresh, PlanOptions(**asked))
    return apply_plan(
        context, planned, Wish(approved=auto_approve, parallelism=parallelism, lock_timeout=lock_timeout)
    )
