"""Recording again what was recorded at an earlier serial: shown, agreed to, and never at the cost of a live object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import evolve

from flowplan.cli.context import Context
from flowplan.cli.ledger import confirmed, leased, refuse_unsettled
from flowplan.cli.recorded import chosen
from flowplan.ports import StoreError
from flowplan.report.difference_text import difference_document, render_difference
from flowplan.report.paint import clean
from flowplan.state.compare import Difference, compare
from flowplan.state.document import state_document
from flowplan.state.edits import with_kept
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode

if TYPE_CHECKING:
    from flowplan.backend.sqlite import SqliteBackend


@frozen
class Rollback:
    """How the user wants it."""

    serial: int
    dry_run: bool = False
    approved: bool = False
    keep_newer: bool = False
    forget_newer: bool = False
    out: str | None = None
    lock_timeout: float = 0.0
    as_json: bool = False


@frozen
class _Found:
    """What is recorded now, as far as it can be read; ``damage`` says why it cannot. ``newest`` is the last serial."""

    snapshot: Snapshot
    newest: int
    damage: StoreError | None = None


def roll_back(context: Context, stack: str | None, wish: Rollback) -> int:
    """Show what the rollback changes, ask, and record it; returns the exit code.

    Raises:
        FlowplanError: objects would be on no record any more and no flag says what is wished (exit code 4), an
            operation has not ended (9), or the state was changed meanwhile (8).
    """
    with chosen(context, stack) as (_, backend, name):
        found = _present(backend, name)
        if found.damage is not None:
            context.warn([evolve(one, suggestion="") for one in found.damage.diagnostics])
        target = _target(backend, name, wish, found)
        difference = compare(found.snapshot, target)
        _show(context, difference, found, target, wish)
        if wish.out is not None:
            _save(wish.out, target)
        if difference.is_empty and found.damage is None:
            return 0
        _refuse_loss(found.snapshot, target, wish)
        if wish.dry_run:
            return 0
        if not confirmed("\nRecord this?", wish.approved, "state rollback"):
            click.echo("Rollback cancelled.")
            return 1
        with leased(backend, name, "state rollback", wish.lock_timeout) as writer:
            with suppress(StoreError):  # a damaged journal is what this mends
                refuse_unsettled(backend.unfinished(name), name)
            again = _present(backend, name)
            if (again.newest, again.snapshot) != (found.newest, found.snapshot):
                raise FlowplanError(
                    Diagnostic.error(
                        "The state was changed after this was shown",
                        f"It was at serial {found.newest}, and is at serial {again.newest}. Nothing was recorded.",
                        suggestion="Run the command again.",
                    ),
                    exit_code=ExitCode.STALE,
                )
            writer.replace(target, f"state rollback {wish.serial}")
        click.echo(
            f"\nThe state of stack {clean(name)} is at serial {target.serial}. flowplan plan shows what differs from it now.",
            err=wish.as_json,
        )
    return 0


def _present(backend: SqliteBackend, name: str) -> _Found:
    """What is recorded now; where that is damaged, what the history says was recorded last."""
    numbers = [serial.number for serial in backend.history(name, 1)]
    newest = numbers[0] if numbers else 0
    try:
        snapshot = backend.snapshot(name)
    except StoreError as damage:
        for serial in range(newest, 0, -1):
            with suppress(StoreError):
                return _Found(backend.snapshot(name, serial), newest, damage)
        return _Found(Snapshot(name), newest, damage)
    try:
        backend.unfinished(name)
    except StoreError as damage:
        return _Found(snapshot, newest, damage)
    return _Found(snapshot, newest)


def _target(backend: SqliteBackend, name: str, wish: Rollback, found: _Found) -> Snapshot:
    then = backend.snapshot(name, wish.serial)
    target: Snapshot = evolve(then, serial=max(found.newest, found.snapshot.serial) + 1)
    if not wish.keep_newer:
        return target
    lost = {address for address, _, _ in compare(found.snapshot, then).lost()}
    try:
        return with_kept(target, found.snapshot, lost)
    except ValueError as error:
        raise FlowplanError(
            Diagnostic.error(
                "Not all newer records can be kept",
                f"{error} at serial {wish.serial} by another object.",
                suggestion="Move one of them first: flowplan state mv.",
            ),
            exit_code=ExitCode.REFUSED,
        ) from None


def _refuse_loss(present: Snapshot, target: Snapshot, wish: Rollback) -> None:
    lost = compare(present, target).lost()
    if not lost or wish.forget_newer:
        return
    raise FlowplanError(
        Diagnostic.error(
            f"{_count(lost)} on record now {'was' if len(lost) == 1 else 'were'} not on record at serial {wish.serial}",
            "\n".join(f"  {address} [id={id}]" for address, _, id in lost[:20])
            + "\nWithout a record they would go on at the provider, cost money, and be nobody's.",
            suggestion="Add --keep-newer to keep their records, or --forget-newer to let go of them.",
        ),
        exit_code=ExitCode.REFUSED,
    )


def _count(lost: Sequence[tuple[Address, Kind, str]]) -> str:
    return f"{len(lost)} object{'s' if len(lost) > 1 else ''}"


def _show(context: Context, difference: Difference, found: _Found, target: Snapshot, wish: Rollback) -> None:
    if wish.as_json:
        document = difference_document(difference, found.newest, target.serial)
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    if difference.is_empty:
        same = f"What was recorded at serial {wish.serial} is what is recorded now."
        click.echo(f"{same} The damage would be mended." if found.damage else same)
        return
    click.echo(f"To record again what was recorded at serial {wish.serial}, as serial {target.serial}:\n")
    click.echo(render_difference(difference, context.paint))


def _save(out: str, target: Snapshot) -> None:
    text = json.dumps(state_document(target), indent=2, ensure_ascii=False)
    try:
        Path(out).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise FlowplanError(Diagnostic.error(f"{out} cannot be written", f"{error.strerror}.")) from None
    click.echo(f"\nSaved as {clean(out)}; flowplan state push {clean(out)} records it.")
