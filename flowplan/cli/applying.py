"""Applying a plan from the command line: show, ask, lock, settle what was interrupted, run, sum up."""

from __future__ import annotations

import asyncio
import secrets
import shlex
import sys
import uuid
from typing import Any

import click
from attrs import evolve

from flowplan.apply.durations import Durations
from flowplan.apply.engine import execute
from flowplan.apply.recover import recover
from flowplan.apply.run import Result, Run
from flowplan.apply.undo import undo
from flowplan.cli.code import read_code
from flowplan.cli.context import Connection, Context
from flowplan.cli.fitting import refuse_changed_objects
from flowplan.cli.outputs import settle_outputs
from flowplan.cli.patience import patience
from flowplan.cli.planning import Planned, look_at, with_observation
from flowplan.cli.project import prepare_state
from flowplan.cli.resuming import path_from_here, with_replacing
from flowplan.cli.saved import refuse_other_state
from flowplan.cli.stopping import Signals, unless_stopped, wait_for_lock
from flowplan.cli.telling import Teller
from flowplan.lang.stack import Condition
from flowplan.plan.change import Mode, Plan, StepKind
from flowplan.plan.planfile import not_approved, stale
from flowplan.plan.staleness import record_digests
from flowplan.ports import StoreError, Writer
from flowplan.provider.pace import SystemClock
from flowplan.resources import Settings
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode


@frozen
class Wish:
    """How the user wants a plan applied. ``exact``: a saved plan, which must not be planned anew.

    ``digest``: only the plan with this digest, which someone has looked at; it stands for the answer yes.
    """

    approved: bool = False
    exact: bool = False
    digest: str = ""
    parallelism: int = 10
    lock_timeout: float = 0.0
    fail_fast: bool = False
    undo: bool = False
    again: str = ""
    """The command that goes on after an apply that was cut short, but for what it still has to replace."""


def refuse_without_person(approved: bool, what: str, as_json: bool = False) -> None:
    """Refuse, before anything is read or asked, to change things when no one can say yes.

    Raises:
        FlowplanError: there is neither a terminal nor ``--auto-approve``.
        click.UsageError: the output is for a program, which cannot answer.
    """
    if as_json and not approved:
        raise click.UsageError(f"--json asks no questions: add --auto-approve, or {what} a saved plan")
    if not approved and not sys.stdin.isatty():
        raise FlowplanError(
            Diagnostic.error(
                f"{what} needs an answer, and there is no terminal to ask on",
                "Nothing was read or changed.",
                suggestion=f"Add --auto-approve, or save a plan with flowplan plan --out FILE and {what} that file.",
            )
        )


def apply_plan(context: Context, planned: Planned, wish: Wish, teller: Teller | None = None) -> int:
    """Apply a plan and return the exit code."""
    teller = teller or Teller(context)
    plan = planned.plan
    teller.plan(planned, is_new=not wish.exact)
    teller.warn(plan.diagnostics)
    if plan.has_errors:
        teller.nothing(planned, plan.error_code)
        return plan.error_code
    if wish.digest and planned.digest != wish.digest:
        raise not_approved(wish.digest, planned.digest)
    if plan.is_empty:
        return _nothing_to_do(planned, teller)
    if not wish.approved and not _confirm(context, plan):
        teller.say(f"\n{'Destroy' if plan.mode is Mode.DESTROY else 'Apply'} cancelled.")
        teller.nothing(planned, ExitCode.ERROR)
        return ExitCode.ERROR
    return asyncio.run(_apply(context, planned, wish, teller))


def _nothing_to_do(planned: Planned, teller: Teller) -> int:
    teller.finish(planned, Result(), "", ExitCode.DONE, planned.snapshot.outputs, lead="")
    return ExitCode.DONE


def _confirm(context: Context, plan: Plan) -> bool:
    if plan.mode is Mode.DESTROY:
        click.echo(context.paint("Do you really want to destroy all resources of this stack?", "bold"))
        click.echo(
            "  flowplan will destroy everything shown above.\n  There is no undo. Only 'yes' will be accepted.\n"
        )
    else:
        click.echo(context.paint("Do you want to perform these actions?", "bold"))
        click.echo(
            "  flowplan will perform the actions described above.\n  Only 'yes' will be accepted to approve.\n"
        )
    try:
        answer: str = click.prompt("  Enter a value", prompt_suffix=": ", default="", show_default=False)
    except click.Abort:
        return False
    return answer == "yes"


async def _apply(context: Context, planned: Planned, wish: Wish, teller: Teller) -> int:
    signals = Signals(teller.note)
    signals.listen()
    prepare_state(planned.loaded.project)
    backend = context.backend(planned.loaded.project)
    try:
        async with context.connect(planned.loaded.stack, planned.loaded.project) as connection:
            # Why two more: looking on while things are waited for must not take the place of one that works.
            connection.provider.client.widen(wish.parallelism + 2)
            _refuse_unseen_ends(planned, connection)
            operation = "destroy" if planned.plan.mode is Mode.DESTROY else "apply"
            name, label = planned.loaded.stack.name, planned.loaded.files.label

            def acquire() -> Writer:
                return backend.acquire(name, label, operation, 0.0)

            writer = await wait_for_lock(acquire, wish.lock_timeout, signals)
            try:
                work = _locked(context, planned, wish, connection, backend, writer, signals, teller)
                async with teller.live():
                    result, final = await unless_stopped(work, signals)
            finally:
                _release(writer)
    finally:
        signals.rest()
        backend.close()
    code = result.exit_code
    if result.interrupted and code:
        code = signals.code
    again = with_replacing(_again(planned, wish), planned.plan, result, planned.options.replace)
    outputs = final.snapshot.outputs if result.ok and planned.plan.mode is not Mode.DESTROY else None
    teller.finish(planned, result, again, code, outputs)
    return code


def _again(planned: Planned, wish: Wish) -> str:
    verb = "destroy" if planned.plan.mode is Mode.DESTROY else "apply"
    return (
        wish.again or planned.loaded.again or f"flowplan {verb} {shlex.quote(path_from_here(planned.loaded))}"
    )


def _refuse_unseen_ends(planned: Planned, connection: Connection) -> None:
    """Refuse, before anything is made, to wait for a task's end where no one can see it: it would wait for ever.

    Raises:
        FlowplanError: a step awaits a completion, and the instances cannot be reached.
    """
    if connection.access is not None:
        return
    for step in planned.plan.steps:
        if step.kind is StepKind.AWAIT and step.condition is Condition.COMPLETED:
            resource = planned.loaded.stack.resources.get(step.address)
            raise FlowplanError(
                Diagnostic.error(
                    f"{step.address} is awaited until it has completed, and here no one can see when it has",
                    "That a task has completed is written on its instances. Over the network they are reached by SSH, which is "
                    "not installed here. Nothing was changed.",
                    span=resource.span if resource else None,
                    snippet=resource.snippet if resource else "",
                    address=step.address,
                    suggestion=f"Depend on {step.address} with the condition running or created, "
                    "or apply this stack in the embedded sandbox.",
                )
            )


def _release(writer: Writer) -> None:
    """Give the lease back if it is still ours; one that was lost has nothing to give."""
    try:
        writer.release()
    except StoreError:
        return


async def _locked(
    context: Context,
    planned: Planned,
    wish: Wish,
    connection: Connection,
    backend: Any,
    writer: Writer,
    signals: Signals,
    teller: Teller,
) -> tuple[Result, Planned]:
    """Everything that happens under the lease."""
    name = planned.loaded.stack.name
    snapshot, unfinished = backend.snapshot(name), backend.unfinished(name)
    run = _run_of(planned, connection, writer, snapshot, teller)
    if unfinished:
        teller.say("Settling what an interrupted run began...")
        left = await recover(run, unfinished)
        if left:
            raise FlowplanError(*left, exit_code=ExitCode.UNKNOWN)
        snapshot = backend.snapshot(name)
    changed = (snapshot.serial, snapshot.lineage or planned.snapshot.lineage) != (
        planned.snapshot.serial,
        planned.snapshot.lineage or snapshot.lineage,
    )
    if unfinished or changed:
        if wish.exact:
            refuse_other_state(
                planned.snapshot.lineage,
                planned.snapshot.serial,
                record_digests(planned.snapshot),
                snapshot,
            )
            raise stale("Another apply began work on the state and did not end it.")
        stack = planned.loaded.stack
        observation = None
        if planned.observation is not None:
            region = planned.options.region
            observation = run.as_left(await look_at(context, connection, stack, snapshot, (), region))
        again = with_observation(planned.loaded, snapshot, observation, (), planned.options)
        _check_same(context, planned, again, wish, teller)
        planned = again
    elif wish.exact:
        await refuse_changed_objects(context, connection, planned, snapshot)
    run = _run_of(planned, connection, writer, snapshot, teller)
    project = await connection.provider.project()
    if snapshot.project != project and not snapshot.records:
        writer.save(project=project)
    durations = Durations.learned(backend.timings(name, max(1000, 2 * len(planned.plan.steps))))
    result = await execute(
        run,
        wish.parallelism,
        signals.stop,
        fail_fast=wish.fail_fast or wish.undo,
        durations=durations,
    )
    if wish.undo:
        result = await undo(run, result, wish.parallelism, signals.stop)
    final = evolve(planned, snapshot=evolve(snapshot, records=run.records))
    if result.fatal is None:
        outputs, wrong = settle_outputs(planned, run)
        result = evolve(result, outputs=tuple(wrong))
        if outputs != dict(snapshot.outputs):
            try:
                writer.save(outputs=outputs)
            except StoreError as error:
                result = evolve(result, fatal=error.diagnostics[0], fatal_code=error.exit_code)
        final = evolve(planned, snapshot=evolve(snapshot, records=run.records, outputs=outputs))
    return result, final


def _check_same(context: Context, before: Planned, again: Planned, wish: Wish, teller: Teller) -> None:
    """After settling an interrupted run the plan is made again; one that does more than was shown needs a new yes."""
    shown, now = before.plan, again.plan
    if now.has_errors:
        raise FlowplanError(*now.diagnostics, exit_code=now.error_code)
    if wish.digest:
        if (found := again.digest) != wish.digest:
            raise not_approved(wish.digest, found)
        return
    agreed = {(change.address, change.action) for change in shown.changes}
    if wish.approved or {(change.address, change.action) for change in now.changes} <= agreed:
        return
    teller.say("\nThe state has changed since the plan was shown. It is now:\n")
    teller.plan(again)
    if not _confirm(context, now):
        raise FlowplanError(Diagnostic.error("Apply cancelled"))


def _run_of(planned: Planned, connection: Connection, writer: Writer, snapshot: Any, teller: Teller) -> Run:
    names: dict[Any, list[str]] = {}
    if planned.observation is not None:
        for (kind, id), observed in planned.observation.objects.items():
            if observed.exists:
                names.setdefault((kind, observed.name), []).append(id)
    folder = planned.loaded.files.folder

    def code(root: str | None) -> bytes:
        return read_code(folder / root if root else folder)

    return Run.of(
        planned.plan,
        snapshot,
        id=uuid.uuid4().hex,
        stack=planned.loaded.stack,
        provider=connection.provider,
        writer=writer,
        clock=SystemClock(),
        reporter=teller.reporter,
        access=connection.access,
        new_suffix=lambda: secrets.token_hex(3),
        read_code=code,
        settings=Settings(planned.options.region),
        patience=patience(teller.context.environ),
        names=names,
    )
