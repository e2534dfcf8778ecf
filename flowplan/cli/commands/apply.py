"""``flowplan apply``: do what the plan says, or exactly what a saved plan says."""

from __future__ import annotations

from pathlib import Path

import click

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import applying, refresh, stack_path, variables


@click.command("apply")
@stack_path
@variables
@refresh
@applying
def command(
    path: str,
    variables: tuple[str, ...],
    var_files: tuple[str, ...],
    refresh: bool,
    auto_approve: bool,
    parallelism: int,
    lock_timeout: float,
) -> int:
    """Make the world match the stack at PATH, or do what the saved plan PATH says (without asking)."""
    from flowplan.cli.applying import Wish, apply_plan, refuse_without_person
    from flowplan.cli.planning import plan_stack
    from flowplan.cli.saved import is_plan_file, read, restore
    from flowplan.plan.change import Mode

    context = Context.make()
    inputs = Inputs(variables, var_files)
    if is_plan_file(Path(path)):
        planned = restore(context, Path(path), read(Path(path)), inputs)
        return apply_plan(
            context,
            planned,
            Wish(approved=True, exact=True, parallelism=parallelism, lock_timeout=lock_timeout),
        )
    refuse_without_person(auto_approve, "apply")
    loaded = context.load(path, inputs)
    planned = plan_stack(context, loaded, Mode.NORMAL, refresh)
    return apply_plan(
        context, planned, Wish(approved=auto_approve, parallelism=parallelism, lock_timeout=lock_timeout)
    )
