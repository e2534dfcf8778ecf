"""Applying a plan from the command line: show, ask, lock, settle what was interrupted, run, sum up."""

from __future__ import annotations

import asyncio
import secrets
import shlex
import signal
import sys
import uuid
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click
from attrs import evolve, frozen

from flowplan.apply.engine import Stop, execute
from flowplan.apply.recover import recover
from flowplan.apply.run import Result, Run
from flowplan.backend.lease import LOCK_HELD
from flowplan.cli.code import read_code
from flowplan.cli.context import Connection, Context
from flowplan.cli.fitting import refuse_changed_objects
from flowplan.cli.outputs import print_outputs, settle_outputs
from flowplan.cli.planning import Planned, look_at, with_observation
from flowplan.cli.project import prepare_state
from flowplan.cli.saved import refuse_other_state
from flowplan.lang.stack import Condition
from flowplan.plan.change import Mode, Plan, StepKind
from flowplan.plan.planfile import not_approved, stale
from flowplan.plan.staleness import record_digests
from flowplan.ports import StoreError, Writer
from flowplan.provider.pace import SystemClock
from flowplan.report.events import LineReporter
from flowplan.report.plan_text import render_plan
from flowplan.report.summary import render_summary
from flowplan.resources import Settings
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode

_T = TypeVar("_T")
_GRACE_S = 1.0
"""How long the engine may take to sum up after a second signal."""


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


def refuse_without_person(approved: bool, what: str) -> None:
    """Refuse, before anything is read or asked, to change things when no one can say yes.

    Raises:
        FlowplanError: there is neither a terminal nor ``--auto-approve``.
    """
    if not approved and not sys.stdin.isatty():
        raise FlowplanError(
            Diagnostic.error(
                f"{what} needs an answer, and there is no terminal to ask on",
                "Nothing was read or changed.",
                suggestion=f"Add --auto-approve, or save a plan with flowplan plan --out FILE and {what} that file.",
            )
        )


def apply_plan(context: Context, planned: Planned, wish: Wish) -> int:
    """Apply a plan and return the exit code."""
    plan = planned.plan
    document = planned.document()
    if not wish.exact and not (plan.has_errors and plan.is_empty):
        click.echo(render_plan(document, context.paint))
    context.warn(plan.diagnostics)
    if plan.has_errors:
        return plan.error_code
    if wish.digest and document["digest"] != wish.digest:
        raise not_approved(wish.digest, document["digest"])
    if plan.is_empty:
        return _nothing_to_do(context, planned)
    if not wish.approved and not _confirm(context, plan):
        click.echo(f"\n{'Destroy' if plan.mode is Mode.DESTROY else 'Apply'} cancelled.")
        return 1
    return asyncio.run(_apply(context, planned, wish))


def _nothing_to_do(context: Context, planned: Planned) -> int:
    summary = "Destroy" if planned.plan.mode is Mode.DESTROY else "Apply"
    tail = "0 destroyed" if summary == "Destroy" else "0 added, 0 changed, 0 destroyed"
    click.echo(context.paint(f"{summary} complete! Resources: {tail}.", "green", "bold"))
    print_outputs(planned.snapshot.outputs, planned.loaded.stack, context.paint)
    return 0


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


async def _apply(context: Context, planned: Planned, wish: Wish) -> int:
    stop = Stop()
    code = _listen(stop)
    prepare_state(planned.loaded.project)
    backend = context.backend(planned.loaded.project)
    try:
        async with context.connect(planned.loaded.stack, planned.loaded.project) as connection:
            _refuse_unseen_ends(planned, connection)
            operation = "destroy" if planned.plan.mode is Mode.DESTROY else "apply"
            name, label = planned.loaded.stack.name, planned.loaded.files.label

            def acquire() -> Writer:
                return backend.acquire(name, label, operation, 0.0)

            writer = await _wait_for_lock(acquire, wish.lock_timeout, stop, code)
            try:
                work = _locked(context, planned, wish, connection, backend, writer, stop)
                result, final = await _unless_stopped(work, stop, code)
            finally:
                _release(writer)
    finally:
        backend.close()
    ended = result.exit_code
    if result.interrupted and ended:
        ended = code[0]
    _sum_up(context, planned, final, result)
    return ended


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


async def _wait_for_lock(
    acquire: Callable[[], Writer], timeout: float, stop: Stop, code: list[int]
) -> Writer:
    """The lease; asked for again and again for ``timeout`` seconds, unless a signal comes first."""
    clock = SystemClock()
    deadline = clock.monotonic() + timeout
    while True:
        try:
            return acquire()
        except StoreError as error:
            if error.exit_code != LOCK_HELD or clock.monotonic() >= deadline:
                raise
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.requested.wait(), min(0.2, max(0.0, deadline - clock.monotonic())))
        if stop.requested.is_set():
            raise FlowplanError(
                Diagnostic.error("Interrupted while waiting for the lock", "Nothing was changed."),
                exit_code=code[0],
            )


async def _unless_stopped(work: Coroutine[Any, Any, _T], stop: Stop, code: list[int]) -> _T:
    """What comes of ``work``, unless a second signal asks to stop at once and it does not end by itself."""
    task, hurry = asyncio.create_task(work), asyncio.create_task(stop.at_once.wait())
    try:
        await asyncio.wait({task, hurry}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait({task}, timeout=_GRACE_S)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise FlowplanError(
                Diagnostic.error(
                    "Stopped at once",
                    "What had begun is in the journal.",
                    suggestion="flowplan plan shows it, and the next apply settles it first.",
                ),
                exit_code=code[0],
            )
        return task.result()
    finally:
        hurry.cancel()


def _release(writer: Writer) -> None:
    """Give the lease back if it is still ours; one that was lost has nothing to give."""
    try:
        writer.release()
    except StoreError:
        return


def _listen(stop: Stop) -> list[int]:
    """Let SIGINT, SIGTERM and SIGHUP stop the engine; the list tells the exit code of the last one."""
    code = [130]
    loop = asyncio.get_running_loop()

    def on(number: int) -> None:
        code[0] = 128 + number
        if stop.requested.is_set():
            click.echo("\nStopping at once; the journal covers what is in flight.", err=True)
        else:
            click.echo("\nInterrupted: starting nothing new, finishing what is in flight.", err=True)
        stop.interrupt()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on, number)
    return code


async def _locked(
    context: Context,
    planned: Planned,
    wish: Wish,
    connection: Connection,
    backend: Any,
    writer: Writer,
    stop: Stop,
) -> tuple[Result, Planned]:
    """Everything that happens under the lease."""
    name = planned.loaded.stack.name
    snapshot, unfinished = backend.snapshot(name), backend.unfinished(name)
    run = _run_of(context, planned, connection, writer, snapshot)
    if unfinished:
        _write("Settling what an interrupted run began...")
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
        _check_same(context, planned, again, wish)
        planned = again
    elif wish.exact:
        await refuse_changed_objects(context, connection, planned, snapshot)
    run = _run_of(context, planned, connection, writer, snapshot)
    project = await connection.provider.project()
    if snapshot.project != project and not snapshot.records:
        writer.save(project=project)
    result = await execute(run, wish.parallelism, stop)
    final = evolve(planned, snapshot=evolve(snapshot, records=run.records))
    if result.fatal is None:
        outputs, wrong = settle_outputs(planned, run)
        result = evolve(result, outputs=tuple(wrong))
        if outputs != dict(snapshot.outputs):
            writer.save(outputs=outputs)
        final = evolve(planned, snapshot=evolve(snapshot, records=run.records, outputs=outputs))
    return result, final


def _check_same(context: Context, before: Planned, again: Planned, wish: Wish) -> None:
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
    click.echo("\nThe state has changed since the plan was shown. It is now:\n")
    click.echo(render_plan(again.document(), context.paint))
    if not _confirm(context, now):
        raise FlowplanError(Diagnostic.error("Apply cancelled"))


def _run_of(context: Context, planned: Planned, connection: Connection, writer: Writer, snapshot: Any) -> Run:
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
        reporter=LineReporter(_write, context.paint),
        access=connection.access,
        new_suffix=lambda: secrets.token_hex(3),
        read_code=code,
        settings=Settings(planned.options.region),
        names=names,
    )


def _write(line: str) -> None:
    try:
        click.echo(line)
    except BrokenPipeError:
        # Why: a reader that went away (apply | head) must not stop an apply halfway.
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115, PTH123


def _sum_up(context: Context, planned: Planned, final: Planned, result: Result) -> None:
    path = planned.loaded.files.label
    again = planned.loaded.again or (
        f"flowplan {'destroy' if planned.plan.mode is Mode.DESTROY else 'apply'} {shlex.quote(str(Path(path)))}"
    )
    _write("\n" + render_summary(planned.plan, result, again, context.paint))
    problems: Sequence[Diagnostic] = [
        *(failure.diagnostic for failure in (*result.failed, *result.unknown)),
        *([result.fatal] if result.fatal else []),
        *result.outputs,
    ]
    context.warn(problems)
    if result.ok and planned.plan.mode is not Mode.DESTROY:
        print_outputs(final.snapshot.outputs, planned.loaded.stack, context.paint)
