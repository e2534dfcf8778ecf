"""``flowplan run``: one task file as a one-off, in a stack of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowplan.cli.context import Context
from flowplan.cli.options import as_json

if TYPE_CHECKING:
    from flowplan.cli.context import Loaded
    from flowplan.cli.handles import Found
    from flowplan.cli.waiting import Waited
    from flowplan.values.address import Address
    from flowplan.values.diagnostic import FlowplanError


@click.command("run")
@click.argument("file", metavar="FILE")
@click.option("--name", metavar="NAME", help="Name the run: its stack is run-NAME, its task task.NAME.")
@click.option(
    "--env",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set an environment variable, kept secret; NAME alone takes over its value from here.",
)
@click.option("--instance-type", metavar="TYPE", help="Run on this type of instance.")
@click.option("--wait", "until_end", is_flag=True, help="Wait until it has ended; end with its exit code.")
@click.option(
    "--follow", is_flag=True, help="Print what it writes until it has ended; end with its exit code."
)
@click.option("--detach", is_flag=True, help="Do not wait for it (what is done anyway).")
@click.option("--dry-run", is_flag=True, help="Show the plan, and spend nothing.")
@as_json
def command(
    file: str,
    name: str | None,
    env: tuple[str, ...],
    instance_type: str | None,
    until_end: bool,
    follow: bool,
    detach: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Submit the task in FILE (the form of TaskConfig.to_yaml) as a one-off.

    Each run has a stack of its own, run-NAME, or run- with the task's name and a suffix; see status, logs and cancel.
    """
    from attrs import evolve

    from flowplan.cli.running import Wanted, check_name, load_run

    if detach and (until_end or follow):
        raise click.UsageError("--detach does not go with --wait or --follow")
    if follow and as_json:
        raise click.UsageError("--follow prints what the task writes; use --wait with --json")
    context = Context.make()
    chosen = check_name(name) if name is not None else None
    loaded, address = load_run(context, Wanted(Path(file), chosen, env, instance_type))
    stack = loaded.stack.name
    again = f"flowplan run {shlex.quote(file)} --name {stack.removeprefix('run-')}"
    loaded = evolve(loaded, again=again)
    if dry_run:
        return _show(context, loaded, as_json)
    _refuse_taken(context, loaded, address)
    code = _submit(context, loaded)
    if code:
        return code
    found = _found(context, stack)
    _announce(found, as_json, follow)
    if not (until_end or follow):
        if as_json:
            click.echo(json.dumps(_document(found, None), indent=2, ensure_ascii=False))
        return 0
    try:
        waited = asyncio.run(_attend(context, found, follow))
    except KeyboardInterrupt:
        click.echo(f"\n{address} goes on. To end it: flowplan cancel '{address}' --stack {stack}", err=True)
        return 130
    return _conclude(context, found, waited, as_json)


def _show(context: Context, loaded: Loaded, as_json: bool) -> int:
    """The plan of a dry run."""
    from flowplan.cli.planning import plan_stack
    from flowplan.plan.change import Mode
    from flowplan.report.plan_text import render_plan

    planned = plan_stack(context, loaded, Mode.NORMAL, True)
    document = planned.document()
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    elif not planned.plan.has_errors:
        click.echo(render_plan(document, context.paint), nl=False)
    context.warn(planned.plan.diagnostics)
    return 1 if planned.plan.has_errors else 0


def _refuse_taken(context: Context, loaded: Loaded, address: Address) -> None:
    """Refuse the name of a run whose task was made; one that was interrupted before is gone on with.

    Raises:
        FlowplanError: there is such a run.
    """
    from flowplan.values.diagnostic import Diagnostic, FlowplanError

    stack, backend = loaded.stack.name, context.backend(loaded.project)
    try:
        taken = address in backend.snapshot(stack).records
    finally:
        backend.close()
    if taken:
        raise FlowplanError(
            Diagnostic.error(
                f"There is a run {stack} already",
                f"A run is made once. flowplan status '{address}' --stack {stack} shows how it stands.",
                suggestion="Choose another name, or leave --name out.",
            )
        )


def _submit(context: Context, loaded: Loaded) -> int:
    """Plan and apply the run's stack; all that is told of it goes to stderr. Returns the exit code."""
    from flowplan.cli.applying import Wish, apply_plan
    from flowplan.cli.planning import plan_stack
    from flowplan.plan.change import Mode

    planned = plan_stack(context, loaded, Mode.NORMAL, True)
    with contextlib.redirect_stdout(sys.stderr):
        # A new stack needs no second look at its plan; an interrupted one is settled and planned anew.
        return apply_plan(context, planned, Wish(approved=True, exact=not planned.unfinished))


def _found(context: Context, stack: str) -> Found:
    from flowplan.cli.handles import find_targets

    return find_targets(context, (), stack)


def _announce(found: Found, as_json: bool, follow: bool) -> None:
    (target,) = found.targets
    if not as_json:
        id = target.record.id if target.record else ""
        click.echo(f"{target.stack}: {target.address} [id={id}]", err=follow)
        if not follow:
            at = f"'{target.address}' --stack {target.stack}"
            click.echo(f"To follow it: flowplan logs -f {at}\nTo end it: flowplan cancel {at}", err=True)


def _document(found: Found, waited: Waited | None) -> dict[str, Any]:
    from flowplan.cli.standing import recorded_row, recorded_standing
    from flowplan.report.task_text import task_document

    (target,) = found.targets
    row = recorded_row(target, recorded_standing(target)) if waited is None else waited.row
    outcome = {} if waited is None else {"outcome": waited.ending.value}
    return {"format_version": "1.0", **task_document(row), **outcome}


async def _attend(context: Context, found: Found, follow: bool) -> Waited:
    """Wait for the end of the run, with its output and its error output printed meanwhile where ``follow``."""
    from flowplan.cli.sessions import open_sessions
    from flowplan.cli.streaming import Reading, print_logs
    from flowplan.cli.waiting import wait_for_all
    from flowplan.provider.pace import SystemClock

    async with open_sessions(context, found.project) as sessions:
        if follow:
            streams = [Reading("stdout", follow=True), Reading("stderr", follow=True, on_stderr=True)]
            told = await asyncio.gather(*(print_logs(sessions, found, w, context.paint) for w in streams))
            problems: dict[str, FlowplanError] = {str(one): one for some in told for one in some}
            for problem in problems.values():
                context.warn(problem.diagnostics)
        (waited,) = await wait_for_all(
            sessions, found.targets, False, None, SystemClock(), lambda _, row: None
        )
    return waited


def _conclude(context: Context, found: Found, waited: Waited, as_json: bool) -> int:
    """Record how the task ended, and give back its instances where it asked for that; its exit code is ours."""
    from flowplan.cli.concluding import conclude
    from flowplan.cli.waiting import exit_code

    (target,) = found.targets
    row = waited.row
    conclude(context, found, target, row)
    if as_json:
        click.echo(json.dumps(_document(found, waited), indent=2, ensure_ascii=False))
    else:
        code = f" with exit code {row.exit_code}" if row.exit_code is not None else ""
        click.echo(f"{target.address}: {row.standing.value}{code}", err=True)
    return row.exit_code or exit_code([waited])
