"""Settling what interrupted runs began, for its own sake: under each stack's lease, and saying what was found."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from attrs import field

from flowplan.apply.recover import recover
from flowplan.cli.cancelling import Leased
from flowplan.cli.context import Context
from flowplan.cli.handles import Found
from flowplan.cli.project import Project
from flowplan.cli.recorded import unknown_stack
from flowplan.ports import Event, EventKind, Reporter
from flowplan.report.events import LineReporter
from flowplan.state.snapshot import Snapshot
from flowplan.values.classes import define, frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode


@define(eq=False)
class _Kept:
    """Keeps events, and hands them on."""

    then: Reporter | None
    events: list[Event] = field(factory=list)

    def emit(self, event: Event) -> None:
        """See `flowplan.ports.Reporter.emit`."""
        self.events.append(event)
        if self.then is not None:
            self.then.emit(event)


@frozen
class Recovered:
    """What was found of one stack's open operations, and what is still unknown."""

    stack: str
    settled: tuple[Event, ...]
    notices: tuple[Diagnostic, ...]
    unknown: tuple[Diagnostic, ...]


def choose(project: Project, backend: Any, path: str | None, stack: str | None) -> list[Snapshot]:
    """The recorded stacks that are meant: the named one, the one of a file or folder, or all.

    Raises:
        FlowplanError: nothing is recorded of what was named.
    """
    names = backend.stacks()
    if stack is not None:
        if stack not in names:
            raise unknown_stack(stack, names, project)
        return [backend.snapshot(stack)]
    found = [backend.snapshot(name) for name in names]
    if path is None:
        return found
    wanted = Path(path).resolve()
    # A stack is a file or a folder of files, and either may be meant by the other's name.
    around = {wanted, wanted.parent} if wanted.is_file() else {wanted}
    here = []
    for one in found:
        source = (project.root / one.source).resolve()
        if one.source and (source in around or (source.is_file() and source.parent == wanted)):
            here.append(one)
    if not here:
        raise FlowplanError(
            Diagnostic.error(
                f"No stack of {path} is recorded in {project.state}",
                f"Recorded here: {', '.join(names)}." if names else "Nothing is recorded here yet.",
                suggestion="Name the stack with --stack, or leave both out to settle all of them.",
            )
        )
    return here


def settle(
    context: Context, project: Project, snapshot: Snapshot, lock_timeout: float, quiet: bool
) -> Recovered:
    """Settle one stack's open operations. ``quiet``: print nothing meanwhile.

    Raises:
        FlowplanError: the stack is locked (7), its provider cannot be reached, or a signal came.
    """
    return asyncio.run(_settle(context, project, snapshot, lock_timeout, quiet))


async def _settle(
    context: Context, project: Project, snapshot: Snapshot, lock_timeout: float, quiet: bool
) -> Recovered:
    task, code = asyncio.current_task(), []
    assert task is not None
    loop = asyncio.get_running_loop()

    def on(number: int) -> None:
        code.append(128 + number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on, number)
    try:
        return await _under_lease(context, project, snapshot, lock_timeout, quiet)
    except asyncio.CancelledError:
        if not code:
            raise
        raise FlowplanError(
            Diagnostic.error(
                "Interrupted",
                "What is not settled yet is still in the journal.",
                suggestion="Run flowplan recover again.",
            ),
            exit_code=code[0],
        ) from None


async def _under_lease(
    context: Context, project: Project, snapshot: Snapshot, lock_timeout: float, quiet: bool
) -> Recovered:
    kept = _Kept(None if quiet else LineReporter(click.echo, context.paint))
    leased = Leased(context, Found(project, ()), snapshot, "recover")
    async with leased.open(lock_timeout) as (run, unfinished, _):
        run.reporter = kept
        left = await recover(run, unfinished) if unfinished else []
    settled = tuple(one for one in kept.events if one.kind is EventKind.RECOVERED)
    notices = tuple(one.diagnostic for one in kept.events if one.diagnostic is not None)
    return Recovered(snapshot.stack, settled, notices, tuple(left))


def document(found: Sequence[Recovered]) -> dict[str, Any]:
    """What ``recover --json`` prints."""
    return {
        "format_version": "1.0",
        "stacks": [
            {
                "stack": one.stack,
                "settled": [
                    {
                        "address": str(event.address),
                        "operation": event.operation,
                        "id": event.id or None,
                        "found": event.message,
                    }
                    for event in one.settled
                ],
                "notices": [diagnostic.summary for diagnostic in one.notices],
                "unknown": [
                    {
                        "address": str(diagnostic.address) if diagnostic.address else None,
                        "summary": diagnostic.summary,
                        "detail": diagnostic.detail,
                    }
                    for diagnostic in one.unknown
                ],
            }
            for one in found
        ],
    }


def exit_code(found: Sequence[Recovered]) -> int:
    """0, or 9 where something is still unknown."""
    return int(ExitCode.UNKNOWN) if any(one.unknown for one in found) else 0
