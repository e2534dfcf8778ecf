"""``flowplan destroy``: remove everything a stack has made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import applying, choosing, refresh, stack_path, variables

if TYPE_CHECKING:
    from flowplan.cli.telling import Teller


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

    context = Context.make()
    refuse_without_person(auto_approve, "destroy", as_json)
    inputs = Inputs(variables, var_files)
    wish = Wish(auto_approve, parallelism=parallelism, lock_timeout=lock_timeout, fail_fast=fail_fast)

    def work(teller: Teller) -> int:
        loaded = context.load(path, inputs, ask=True, lenient=True)
        words = [*(["--refresh=false"] if not refresh else []), *how_words(wish)]
        again = resume_command("destroy", path, inputs, asked, words, loaded)
        planned = plan_stack(context, loaded, Mode.DESTROY, refresh, PlanOptions(**asked))
        return apply_plan(context, planned, evolve(wish, again=again), teller)

    return told(context, Telling(as_json, json_into), work)
