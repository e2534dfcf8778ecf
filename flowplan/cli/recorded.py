"""Finding the recorded stack that a command without a stack file is about."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flowplan.cli.context import Context, Loaded
from flowplan.cli.project import Project, find_project
from flowplan.lang.stack import Stack
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic, FlowplanError, did_you_mean

if TYPE_CHECKING:
    from flowplan.backend.sqlite import SqliteBackend


@contextmanager
def recorded(context: Context, stack: str | None) -> Iterator[tuple[Project, SqliteBackend, Snapshot]]:
    """The snapshot of the named stack, or of the only one that is recorded here.

    Raises:
        FlowplanError: there is none, or more than one and no name.
    """
    with chosen(context, stack) as (project, backend, name):
        yield project, backend, backend.snapshot(name)


@contextmanager
def chosen(context: Context, stack: str | None) -> Iterator[tuple[Project, SqliteBackend, str]]:
    """The name of the stack that is meant, without reading its state: that may be damaged.

    Raises:
        FlowplanError: there is none, or more than one and no name.
    """
    project = find_project(Path.cwd(), context.environ)
    backend = context.backend(project)
    try:
        names = backend.stacks()
        name = stack or _only(names, backend, project)
        if name not in names:
            raise unknown_stack(name, names, project)
        yield project, backend, name
    finally:
        backend.close()


def load_recorded(context: Context, name: str) -> tuple[Context, Loaded]:
    """A recorded stack as it is without its file: nothing is declared, and its provider is the one it lives in.

    Returns:
        The context to go on with, and the stack.

    Raises:
        FlowplanError: it is not recorded, or nothing within reach knows its project.
    """
    import asyncio

    from flowplan.cli.project import StackFiles

    with recorded(context, name) as (project, _, snapshot):
        pass

    async def find() -> tuple[Context, Stack]:
        async with context.find_recorded(project, snapshot) as (there, stack, _):
            return there, stack

    there, stack = asyncio.run(find())
    files = StackFiles(project.root, snapshot.source, ())
    again = f"flowplan destroy --stack {shlex.quote(name)}"
    return there, Loaded(stack, files, project, there.region(stack), again)


def unknown_stack(name: str, names: list[str], project: Project) -> FlowplanError:
    """What is said where a stack was named that is not among the recorded ``names``."""
    listed = f"Recorded here: {', '.join(names)}." if names else "Nothing is recorded here yet."
    return FlowplanError(
        Diagnostic.error(
            f"No stack {name!r} is recorded in {project.state}",
            listed,
            suggestion=did_you_mean(name, names) or "Apply it first: flowplan apply PATH",
        )
    )


def nothing_recorded(project: Project) -> FlowplanError:
    """What is said where no stack is recorded at all."""
    return FlowplanError(
        Diagnostic.error(
            f"Nothing is recorded in {project.state} yet",
            suggestion="Apply a stack first: flowplan apply PATH",
        )
    )


def _only(names: list[str], backend: SqliteBackend, project: Project) -> str:
    if not names:
        raise nothing_recorded(project)
    if len(names) == 1:
        return names[0]
    here = str(Path.cwd().relative_to(project.root)) if Path.cwd().is_relative_to(project.root) else ""
    at_hand = [
        name for name in names if here not in ("", ".") and lies_in(backend.snapshot(name).source, here)
    ]
    if len(at_hand) == 1:
        return at_hand[0]
    alive = [name for name in names if backend.snapshot(name).records]
    if len(alive) == 1:
        return alive[0]
    raise FlowplanError(
        Diagnostic.error(
            "More than one stack is recorded here",
            f"They are {', '.join(names)}.",
            suggestion=f"Name one with --stack, for example --stack {names[0]}",
        )
    )


def lies_in(source: str, folder: str) -> bool:
    """Whether the file or folder ``source`` is in ``folder``; both relative to the project."""
    return source == folder or source.startswith(f"{folder}/")


def record_at(snapshot: Snapshot, text: str) -> Record:
    """The record at an address.

    Raises:
        FlowplanError: the text is no address, or nothing is recorded there.
    """
    try:
        address = Address.parse(text)
    except ValueError as error:
        raise FlowplanError(Diagnostic.error(f"{text!r} is not an address", str(error))) from None
    record = snapshot.records.get(address)
    if record is not None:
        return record
    keyed = [str(a) for a in snapshot.records if a.resource == address]
    advice = did_you_mean(text, [str(a) for a in snapshot.records])
    if keyed:
        advice = f"It has instances: {', '.join(keyed)}."
    raise FlowplanError(
        Diagnostic.error(
            f"{address} is not in the state of stack {snapshot.stack}",
            address=address,
            suggestion=advice or "flowplan state list shows what is.",
        )
    )
