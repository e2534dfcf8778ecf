"""``flowplan apply``: do what the plan says, or exactly what a saved plan says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import applying, choosing, on_failure, refresh, refresh_only, stack_path, variables

if TYPE_CHECKING:
    from flowplan.cli.applying import Wish
    from flowplan.cli.telling import Teller


@click.command("apply")
@stack_path
@variables
@refresh
@refresh_only
@choosing()
@applying
@on_failure
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
    fail_fast: bool,
    as_json: bool,
    json_into: str,
    on_failure: str,
    approve: str,
    **asked: Any,
) -> int:
    """Make the world match the stack at PATH, or do what the saved plan PATH says (without asking)."""
    from flowplan.cli.applying import Wish, refuse_without_person
    from flowplan.cli.saved import is_plan_file
    from flowplan.cli.telling import Telling, told

    context = Context.make()
    inputs = Inputs(variables, var_files)
    digest = whole_digest(approve)
    wish = Wish(
        approved=auto_approve or bool(digest),
        digest=digest,
        parallelism=parallelism,
        lock_timeout=lock_timeout,
        fail_fast=fail_fast,
        undo=on_failure == "undo",
    )
    is_saved = is_plan_file(Path(path))
    if is_saved and (refresh_only or any(asked.values())):
        raise click.UsageError("a saved plan is applied as it is; plan again with these options")
    if not is_saved:
        refuse_without_person(wish.approved, "apply", as_json)

    def work(teller: Teller) -> int:
        if is_saved:
            return _saved(context, Path(path), inputs, wish, teller)
        return _fresh(context, path, inputs, wish, teller, refresh, refresh_only, asked)

    return told(context, Telling(as_json, json_into), work)


def _saved(context: Context, path: Path, inputs: Inputs, wish: Wish, teller: Teller) -> int:
    """Do what a saved plan says."""
    from flowplan.cli.applying import apply_plan
    from flowplan.cli.resuming import how_words, path_from_here, resume_command
    from flowplan.cli.saved import read, restore
    from flowplan.plan.planfile import not_approved

    plan_file = read(path)
    if wish.digest and plan_file.digest != wish.digest:
        raise not_approved(wish.digest, plan_file.digest)
    planned = restore(context, path, plan_file, inputs)
    loaded, options = planned.loaded, planned.options
    asked = {"targets": options.targets, "excludes": options.excludes}
    here = path_from_here(loaded)
    again = resume_command(options.mode.verb, here, inputs, asked, how_words(wish), loaded)
    return apply_plan(context, planned, evolve(wish, approved=True, exact=True, again=again), teller)


def _fresh(
    context: Context,
    path: str,
    inputs: Inputs,
    wish: Wish,
    teller: Teller,
    refresh: bool,
    refresh_only: bool,
    asked: dict[str, Any],
) -> int:
    """Plan and do it."""
    from flowplan.cli.applying import apply_plan
    from flowplan.cli.planning import plan_stack
    from flowplan.cli.resuming import how_words, resume_command
    from flowplan.plan.change import Mode, PlanOptions

    loaded = context.load(path, inputs, ask=True)
    mode = Mode.REFRESH_ONLY if refresh_only else Mode.NORMAL
    words = [*(["--refresh=false"] if not refresh else []), *(["--refresh-only"] if refresh_only else [])]
    again = resume_command("apply", path, inputs, asked, [*words, *how_words(wish)], loaded)
    planned = plan_stack(context, loaded, mode, refresh, PlanOptions(**asked))
    code = apply_plan(context, planned, evolve(wish, again=again), teller)
    context.keep(loaded, inputs)
    return code


def whole_digest(text: str) -> str:
    """A digest as the user typed it, with or without ``sha256:``; "" for none.

    Raises:
        click.UsageError: it is none, or only a part of one.
    """
    bare = text.removeprefix("sha256:").lower()
    if text and not re.fullmatch(r"[0-9a-f]{64}", bare):
        raise click.UsageError(f"--approve {text!r} is not a digest; flowplan plan prints one as sha256:…")
    return f"sha256:{bare}" if text else ""
