"""Making the books of a project: every known state on one side, everything live on the other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from flowplan.cli.awaiting import await_result
from flowplan.cli.context import Connection, Context, Inputs, Loaded
from flowplan.cli.project import Project, find_project
from flowplan.lang.format_yaml import dump_yaml
from flowplan.lang.stack import ProviderSettings
from flowplan.plan.adopting import Drafted, draft_stacks
from flowplan.plan.books import Books, Ledger, Standing, settle_books
from flowplan.plan.observation import Observation
from flowplan.plan.recognise import looks_of
from flowplan.resources import Settings
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError

_UNSEEN = ""
"""No object's id: a listing that looks for it goes to its end."""
_HEAD = "# Written by flowplan scan --generate. It takes in what is there and changes nothing of it.\n"
_UNSHOWN = (
    "# What a task runs, and where its volumes are mounted, the provider does not show: complete it before\n"
    "# anything makes the task anew.\n"
)


@frozen
class Place:
    """Where a scan looked, as the provider section of a stack says it."""

    provider: ProviderSettings
    project: str


async def observe_all(connection: Connection) -> Observation:
    """Everything there is in the project: whole listings, one per kind."""
    wanted = [(kind, _UNSEEN) for kind in Kind]
    return await connection.provider.observe(wanted, list(Kind))


def scan(context: Context, paths: Sequence[str], inputs: Inputs, wanted: str | None) -> tuple[Books, Place]:
    """The books, and where they were taken. ``wanted`` is the provider's project, where the user has named one.

    Raises:
        FlowplanError: a stack, the state or the provider cannot be read, or it is not clear which project is meant.
    """
    loaded = [context.load(path, inputs, ask=True, lenient=True) for path in paths]
    project = loaded[0].project if loaded else find_project(Path.cwd(), context.environ)
    ledgers = _ledgers(context, project, loaded)
    provider = loaded[0].stack.provider if loaded else ProviderSettings()
    opening: AbstractAsyncContextManager[Connection]
    if loaded and wanted is None:
        opening = context.connect(loaded[0].stack, project)
    else:
        opening = context.connect_recorded(
            project, Snapshot("scan", project=wanted or _only_project(ledgers))
        )

    async def look() -> Observation:
        async with opening as connection:
            return await observe_all(connection)

    seen = await_result(look())
    return settle_books(seen, ledgers), Place(provider, seen.project)


def _ledgers(context: Context, project: Project, loaded: Sequence[Loaded]) -> list[Ledger]:
    """Every known state, each with how to know what its stack declares, where that was given."""
    stacks = {one.stack.name: one for one in loaded}
    backend = context.backend(project)
    found = []
    try:
        for name in sorted({*backend.stacks(), *stacks}):
            snapshot = backend.snapshot(name)
            one = stacks.get(name)
            looks = looks_of(one.stack, Settings(one.region), snapshot.records) if one else ()
            found.append(Ledger(snapshot, backend.unfinished(name), looks))
    finally:
        backend.close()
    return found


def _only_project(ledgers: Sequence[Ledger]) -> str:
    """The project that all known states are in; "" where none says so.

    Raises:
        FlowplanError: they are in more than one.
    """
    projects = sorted(
        {one.snapshot.project for one in ledgers if one.snapshot.project and one.snapshot.records}
    )
    if len(projects) > 1:
        raise FlowplanError(
            Diagnostic.error(
                "Which project is to be scanned?",
                f"The known states are in {', '.join(projects)}.",
                suggestion=f"Name one: flowplan scan --project {projects[0]}",
            )
        )
    return projects[0] if projects else ""


def check_folder(folder: str) -> None:
    """Refuse, before anything is asked, a folder for stacks that holds something already.

    Raises:
        FlowplanError: it does, or it cannot be read.
    """
    path = Path(folder)
    try:
        is_taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as error:
        raise FlowplanError(Diagnostic.error(f"{folder} cannot be read", f"{error.strerror}.")) from None
    if is_taken:
        raise FlowplanError(
            Diagnostic.error(
                f"{folder} is not an empty folder",
                "Nothing was looked at, and nothing was written.",
                suggestion="Name a new folder: nothing that exists is overwritten.",
            )
        )


def write_drafts(books: Books, place: Place, folder: str) -> tuple[list[Path], list[Diagnostic]]:
    """Write the stacks that take in what is foreign, one per region; their files, and what could not be declared.

    Raises:
        FlowplanError: they cannot be written.
    """
    foreign = [one.observed for one in books.of(Standing.FOREIGN)]
    drafts, left = draft_stacks(foreign, _provider(place))
    written = []
    try:
        for draft in drafts:
            target = Path(folder) / f"{draft.document['stack']}.yaml"
            target.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w") as stream:
                stream.write(_text(draft))
            written.append(target)
    except OSError as error:
        raise FlowplanError(
            Diagnostic.error(f"{error.filename or folder} cannot be written", f"{error.strerror or error}.")
        ) from None
    return written, [
        Diagnostic.warning(f"The {one.observed.kind.value} {one.observed.id} cannot be declared", one.why)
        for one in left
    ]


def _provider(place: Place) -> Mapping[str, str]:
    section = {"type": place.provider.type}
    if place.provider.type != "sandbox":
        section["project"] = place.project
    if place.provider.api_url:
        section["api_url"] = place.provider.api_url
    return section


def _text(draft: Drafted) -> str:
    holds_tasks = Kind.TASK.section in draft.document
    return _HEAD + (_UNSHOWN if holds_tasks else "") + dump_yaml(draft.document)
