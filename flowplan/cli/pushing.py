"""Recording what a state document says: read, compared with what is recorded, and refused where it is not newer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from attrs import evolve

from flowplan.cli.context import Context
from flowplan.cli.ledger import editing
from flowplan.cli.project import find_project, prepare_state
from flowplan.report.difference_text import render_difference
from flowplan.report.paint import clean
from flowplan.state.compare import compare
from flowplan.state.document import parse_state, state_document
from flowplan.state.snapshot import Snapshot
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode

_MOST_BYTES = 512 * 1024 * 1024
_MOST_PROBLEMS = 20


def push(context: Context, file: str, dry_run: bool, lock_timeout: float) -> int:
    """Record the state in ``file``; returns the exit code.

    Raises:
        FlowplanError: it is no state, is not of this lineage or not newer (exit code 4), or the lease is held (7).
    """
    wanted = _read(file)
    project = find_project(Path.cwd(), context.environ)
    if not dry_run:
        prepare_state(project)
    backend = context.backend(project)
    try:
        if dry_run:
            return _push(context, wanted, backend.snapshot(wanted.stack), None)
        with editing(context, backend, wanted.stack, "state push", lock_timeout) as edit:
            return _push(context, wanted, edit.snapshot, edit)
    finally:
        backend.close()


def _push(context: Context, wanted: Snapshot, present: Snapshot, edit: Any) -> int:
    is_new = not present.serial
    if is_new:
        present = evolve(present, lineage=wanted.lineage)
    difference = compare(present, wanted)
    _refuse(present, wanted, difference.is_empty)
    if difference.is_empty and present.serial == wanted.serial:
        click.echo(f"The state of stack {clean(wanted.stack)} says that already, at serial {wanted.serial}.")
        return 0
    click.echo(render_difference(difference, context.paint) or "  (no record changes)")
    if lost := difference.lost():
        context.warn(
            [
                Diagnostic.warning(
                    f"{len(lost)} object{'s' if len(lost) > 1 else ''} on record now will be on none",
                    ", ".join(f"{address} [id={id}]" for address, _, id in lost[:20]),
                    suggestion="They go on at the provider; flowplan scan finds them.",
                )
            ]
        )
    head = f"stack {clean(wanted.stack)} at serial {wanted.serial}"
    if edit is None:
        click.echo(f"\nWould record {head} over serial {present.serial}.")
        return 0
    edit.writer.replace(wanted, "state push")
    click.echo(f"\nRecorded {head}.")
    if is_new and '"$fingerprint"' in json.dumps(state_document(wanted)):
        click.echo("Secrets will show as changed once: a new state has a new key for their fingerprints.")
    return 0


def _refuse(present: Snapshot, wanted: Snapshot, is_same: bool) -> None:
    """Refuse what would not follow on what is recorded.

    Raises:
        FlowplanError: with exit code 4.
    """
    if not present.serial:
        return
    name = wanted.stack
    if present.lineage != wanted.lineage:
        raise _refusal(
            f"The file holds another state that is called {name}",
            f"Its lineage is {wanted.lineage}, and that of the recorded state is {present.lineage}.",
            "Push it where that stack lives, or under another name.",
        )
    if wanted.serial < present.serial:
        raise _refusal(
            f"The file holds an older state of stack {name}",
            f"It is at serial {wanted.serial}, and the recorded state is at serial {present.serial}.",
            f"flowplan state rollback {wanted.serial} goes back to an earlier serial, and shows first what that means.",
        )
    if wanted.serial == present.serial and not is_same:
        raise _refusal(
            f"The file holds another state of stack {name} with the same serial",
            f"Both are at serial {wanted.serial}, and they say different things.",
            f"If the file is right, give it serial {present.serial + 1}; flowplan state push --dry-run shows the difference.",
        )


def _refusal(summary: str, detail: str, suggestion: str) -> FlowplanError:
    return FlowplanError(
        Diagnostic.error(summary, f"{detail} Nothing was recorded.", suggestion=suggestion),
        exit_code=ExitCode.REFUSED,
    )


def _read(file: str) -> Snapshot:
    """The state in a file.

    Raises:
        FlowplanError: it cannot be read, or with each thing that is wrong with it.
    """
    name = "standard input" if file == "-" else file
    try:
        if file == "-":
            content = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with Path(file).open("rb") as source:
                content = source.read(_MOST_BYTES + 1)
    except OSError as error:
        raise FlowplanError(Diagnostic.error(f"{name} cannot be read", f"{error.strerror}.")) from None
    if len(content) > _MOST_BYTES:
        raise FlowplanError(Diagnostic.error(f"{name} is too large to be a state"))
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FlowplanError(
            Diagnostic.error(
                f"{name} is no JSON document",
                f"{str(error)[:200]}.",
                suggestion="flowplan state pull > FILE writes one.",
            )
        ) from None
    try:
        snapshot, problems = parse_state(document)
    except RecursionError:
        snapshot, problems = None, ["it is nested too deeply"]
    if snapshot is None:
        raise FlowplanError(
            *[
                Diagnostic.error(f"{name} holds no state that can be recorded", f"{problem}.")
                for problem in problems[:_MOST_PROBLEMS]
            ]
        )
    return snapshot
