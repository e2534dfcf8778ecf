"""``flowplan apply``: do what the plan says, or exactly what a saved plan says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
from attrs import evolve

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import applying, choosing, refresh, refresh_only, stack_path, variables


@click.command("apply")
@stack_path
@variables
@refresh
@refresh_only
@choosing()
@applying
@click.option(
    "--approve",
    metavar="DIGEST",
    default="",
    help="Apply only the plan with this digest, which flowplan plan prints, and do not ask.",
)
def command(
    path: str,
    variables: tuple[str, ...],
    var_files: tuple[str, ...],
    refresh: bool,
    refresh_only: bool,
    auto_approve: bool,
    parallelism: int,
    lock_timeout: float,
    approve: str,
    **asked: Any,
) -> int:
    """Make the world match the stack at PATH, or do what the saved plan PATH says (without asking)."""
    from flowplan.cli.applying import Wish, apply_plan, refuse_without_person
    from flowplan.cli.planning import plan_stack
    from flowplan.cli.saved import is_plan_file, read, restore
    from flowplan.plan.change import Mode, PlanOptions
    from flowplan.plan.planfile import not_approved

    context = Context.make()
    inputs = Inputs(variables, var_files)
    digest = whole_digest(approve)
    wish = Wish(
        approved=auto_approve or bool(digest),
        digest=digest,
        parallelism=parallelism,
        lock_timeout=lock_timeout,
    )
    if is_plan_file(Path(path)):
        if refresh_only or any(asked.values()):
            raise click.UsageError("a saved plan is applied as it is; plan again with these options")
        plan_file = read(Path(path))
        if digest and plan_file.digest != digest:
            raise not_approved(digest, plan_file.digest)
        planned = restore(context, Path(path), plan_file, inputs)
        return apply_plan(context, planned, evolve(wish, approved=True, exact=True))
    refuse_without_person(wish.approved, "apply")
    loaded = context.load(path, inputs, ask=True)
    mode = Mode.REFRESH_ONLY if refresh_only else Mode.NORMAL
    planned = plan_stack(context, loaded, mode, refresh, PlanOptions(**asked))
    return apply_plan(context, planned, wish)


def whole_digest(text: str) -> str:
    """A digest as the user typed it, with or without ``sha256:``; "" for none.

    Raises:
        click.UsageError: it is none, or only a part of one.
    """
    bare = text.removeprefix("sha256:").lower()
    if text and not re.fullmatch(r"[0-9a-f]{64}", bare):
        raise click.UsageError(f"--approve {text!r} is not a digest; flowplan plan prints one as sha256:…")
    return f"sha256:{bare}" if text else ""
