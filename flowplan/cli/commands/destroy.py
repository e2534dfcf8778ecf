"""``flowplan destroy``: remove everything a stack has made."""

from __future__ import annotations

from typing import Any

import click

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import applying, choosing, refresh, stack_path, variables


@click.command("destroy")
@stack_path
@variables
@refresh
@choosing("--target", "--exclude")
@applying
def command(
    path: str,
    variables: tuple[str, ...],
    var_files: tuple[str, ...],
    refresh: bool,
    auto_approve: bool,
    parallelism: int,
    lock_timeout: float,
    **asked: Any,
) -> int:
    """Destroy all that the stack at PATH has made. What it protects is refused."""
    from flowplan.cli.applying import Wish, apply_plan, refuse_without_person
    from flowplan.cli.planning import plan_stack
    from flowplan.plan.change import Mode, PlanOptions

    context = Context.make()
    refuse_without_person(auto_approve, "destroy")
    loaded = context.load(path, Inputs(variables, var_files), ask=True, lenient=True)
    planned = plan_stack(context, loaded, Mode.DESTROY, refresh, PlanOptions(**asked))
    return apply_plan(
        context, planned, Wish(approved=auto_approve, parallelism=parallelism, lock_timeout=lock_timeout)
    )
