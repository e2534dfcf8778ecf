"""Editing a recorded state by hand: under the stack's lease, after a look at what it would change, never in between."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click
from attrs import evolve

from flowplan.cli.context import Context
from flowplan.ports import StoreError
from flowplan.state.journal import Entry
from flowplan.state.snapshot import Snapshot
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode

if TYPE_CHECKING:
    from flowplan.backend.sqlite import SqliteBackend
    from flowplan.backend.writer import SqliteWriter


@frozen
class Edit:
    """A state that may be edited while its lease lasts."""

    stack: str
    writer: SqliteWriter
    snapshot: Snapshot

    def put(self, target: Snapshot, what: str) -> int:
        """Record ``target`` as the next serial, which is returned; ``what`` stands in the history."""
        serial = self.snapshot.serial + 1
        self.writer.replace(evolve(target, serial=serial), what)
        return serial


@contextmanager
def editing(
    context: Context, backend: SqliteBackend, stack: str, what: str, lock_timeout: float
) -> Iterator[Edit]:
    """The stack's lease, and its state as it is under it.

    Raises:
        FlowplanError: someone else holds the lease (exit code 7), an operation began and did not end (9), or the
            state is damaged.
    """
    with leased(backend, stack, what, lock_timeout) as writer:
        refuse_unsettled(backend.unfinished(stack), stack)
        yield Edit(stack, writer, backend.snapshot(stack))


@contextmanager
def leased(backend: SqliteBackend, stack: str, what: str, lock_timeout: float) -> Iterator[SqliteWriter]:
    """The stack's lease alone, given back at the end."""
    writer = backend.acquire(stack, "", what, lock_timeout)
    try:
        yield writer
    finally:
        with suppress(StoreError):  # one that is lost has nothing to give back
            writer.release()


def refuse_unsettled(left: list[Entry], stack: str) -> None:
    """Refuse to edit a state whose journal still has something open: its end would be recorded over the edit.

    Raises:
        FlowplanError: it has (exit code 9).
    """
    if left:
        raise FlowplanError(
            Diagnostic.error(
                f"{len(left)} operation{'s' if len(left) > 1 else ''} on stack {stack} began and did not end",
                "\n".join(f"  {entry.address} ({entry.operation.value})" for entry in left[:10]),
                suggestion="flowplan recover settles them, and so does the next apply; edit the state after that.",
            ),
            exit_code=ExitCode.UNKNOWN,
        )


def confirmed(question: str, approved: bool, command: str) -> bool:
    """Whether a person typed yes, or ``--auto-approve`` says so.

    Raises:
        FlowplanError: there is no one to ask.
    """
    if approved:
        return True
    if not sys.stdin.isatty():
        raise FlowplanError(
            Diagnostic.error(
                f"{command} needs an answer, and there is no terminal to ask on",
                "Nothing was changed.",
                suggestion="Add --auto-approve, or look with --dry-run.",
            )
        )
    try:
        answer: str = click.prompt(
            f"{question}\n  Only 'yes' will be accepted.\n\n  Enter a value",
            prompt_suffix=": ",
            default="",
            show_default=False,
        )
    except click.Abort:
        return False
    return answer == "yes"
