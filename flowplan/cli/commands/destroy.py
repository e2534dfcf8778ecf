"""``flowplan destroy``: remove everything a stack has made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import applying, choosing, refresh, variables

if TYPE_CHECKING:
    from flowplan.cli.telling import Teller


@click.command("destroy")
@click.argument("path", default=None, required=False, metavar="[PATH]")
@click.option(
    "--stack",
    metavar="NAME",
    help="Destroy the recorded stack of that name, without its file: that of flowplan run has none.",
)
@variables
@refresh
@choosing("--target", "--exclude")
@applying
def command(
    path: str | None,
    stack: str | None,
    variables: tuple[str, ...],
    var_files: tuple[str, ...],
    refresh: bool,
    auto_approve: bool,
    parallelism: int,
    lock_timeout: float,
    fail_fast: bool,
    as_json: bool,
    json_into: str,
    **asked: Any,
) -> int:
    """Destroy all that the stack at PATH has made. What it protects is refused."""
    from flowplan.cli.applying import Wish, apply_plan, refuse_without_person
    from flowplan.cli.planning import plan_stack
    from flowplan.cli.resuming import how_words, resume_command
    from flowplan.cli.telling import Telling, told
    from flowplan.plan.change import Mode, PlanOptions

    if stack is not None and (path is not None or variables or var_files):
        raise click.UsageError("--stack names a recorded stack: neither PATH nor variables go with it")
    context = Context.make()
    refuse_without_person(auto_approve, "destroy", as_json)
    inputs = Inputs(variables, var_files)
    wish = Wish(auto_approve, parallelism=parallelism, lock_timeout=lock_timeout, fail_fast=fail_fast)

    def work(teller: Teller) -> int:
        if stack is not None:
            from flowplan.cli.recorded import load_recorded

            there, loaded = load_recorded(context, stack)
            planned = plan_stack(there, loaded, Mode.DESTROY, refresh, PlanOptions(**asked))
            return apply_plan(there, planned, evolve(wish, again=loaded.again), teller)
        loaded = context.load(path or ".", inputs, ask=True, lenient=True)
        words = [*(["--refresh=false"] if not refresh else []), *how_words(wish)]
        again = resume_command("destroy", path or ".", inputs, asked, words, loaded)
        planned = plan_stack(context, loaded, Mode.DESTROY, refresh, PlanOptions(**asked))
        return apply_plan(context, planned, evolve(wish, again=again), teller)

    return told(context, Telling(as_json, json_into), work)
