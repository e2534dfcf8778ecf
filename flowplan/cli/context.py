"""What every command starts from: the environment, the terminal, and the provider that `flowplan.wiring` opens."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import evolve, field

from flowplan import __version__
from flowplan.cli.given import Inputs, SecretFolder, variable_sources
from flowplan.cli.project import (
    Project,
    StackFiles,
    find_project,
    prepare_state,
    read_stack_files,
    same_stack,
)
from flowplan.lang.stack import ProviderSettings, Stack
from flowplan.report.diagnostics import render_diagnostics
from flowplan.report.paint import Paint, wants_colour
from flowplan.state.journal import Operation
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Kind
from flowplan.values.classes import define, frozen
from flowplan.values.diagnostic import Diagnostic, Diagnostics, FlowplanError
from flowplan.wiring import (
    SANDBOX_REGION,
    Connection,
    api_settings,
    open_api,
    open_embedded,
    sandbox_key,
)

if TYPE_CHECKING:
    from flowplan.backend.sqlite import SqliteBackend
    from flowplan.lang.entries import Results
    from flowplan.lang.variables import VariableSource
    from flowplan.plan.observation import Observation
    from flowplan.state.journal import Entry

__all__ = ["SANDBOX_REGION", "Connection", "Context", "Inputs", "Loaded"]


@frozen
class Loaded:
    """A stack, read, with where it came from."""

    stack: Stack
    files: StackFiles
    project: Project
    region: str
    again: str = ""
    """The command that goes on after an apply that was cut short; "" is the same apply again."""
    lookups: Results = field(factory=dict)
    """What came of the stack's lookups, where they were carried out."""
    read: Mapping[str, str] = field(factory=dict, repr=False)
    """The texts of the files that the stack reads besides its own, by path relative to its folder."""
    warned: bool = False
    """Whether something was said of it while it was read."""


@define
class Context:
    """Everything a command needs from outside, made from the environment."""

    environ: Mapping[str, str]
    paint: Paint
    paint_err: Paint

    @classmethod
    def make(cls) -> Context:
        """From this process's environment and terminals."""
        return cls(
            os.environ,
            Paint(wants_colour(sys.stdout.isatty(), os.environ)),
            Paint(wants_colour(sys.stderr.isatty(), os.environ)),
        )

    # -- words ---------------------------------------------------------------------------------------

    def warn(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Print diagnostics on stderr."""
        if found := list(diagnostics):
            click.echo(render_diagnostics(found, self.paint_err), err=True)

    # -- stack and state ---------------------------------------------------------------------------------

    def load(
        self, path: str, inputs: Inputs, ask: bool = False, lenient: bool = False, may_recall: bool = False
    ) -> Loaded:
        """Read and evaluate the stack at ``path``; warnings are printed.

        With ``ask`` its lookups are carried out; without, nothing is asked of anyone, and they are unknown.
        ``lenient``: a lookup that finds nothing stays unknown too. ``may_recall``: what an apply kept of the same
        stack will do (`flowplan.cli.stack_cache`).

        Raises:
            FlowplanError: with every mistake that was found.
        """
        project = find_project(Path(path), self.environ)
        files = read_stack_files(Path(path), project, inputs.files)
        values = variable_sources(self.environ, inputs)
        if may_recall:
            from flowplan.cli.stack_cache import recall

            kept = recall(
                project,
                files,
                values,
                self.key_of(project),
                lambda: self.evaluated(project, files, values, ask, lenient).stack,
            )
            if kept is not None:
                return Loaded(kept, files, project, self.region(kept))
        return self.evaluated(project, files, values, ask, lenient)

    def evaluated(
        self,
        project: Project,
        files: StackFiles,
        values: Sequence[VariableSource],
        ask: bool = False,
        lenient: bool = False,
    ) -> Loaded:
        """The stack that texts and values give; see `load`.

        Raises:
            FlowplanError: with every mistake that was found.
        """
        from flowplan.cli.module_folders import module_folders
        from flowplan.cli.witness import Witness
        from flowplan.lang.loader import load_stack
        from flowplan.lang.reader import FolderReader

        witness = Witness(files.folder.resolve())
        reader = witness.reader(FolderReader(files.folder), witness.folder)
        folders = witness.folders(module_folders(files, project))

        def load(results: Results) -> tuple[Stack | None, Diagnostics]:
            return load_stack(
                files.all_sources, values, reader, __version__,
                folders=folders, results=results, secrets=SecretFolder(self.environ),
            )  # fmt: skip

        results: Results = {}
        stack, found = load(results)
        if ask and stack is not None and stack.lookups:
            from flowplan.cli.lookups import load_with_lookups

            stack, found, results = load_with_lookups(self, project, load, stack, lenient)
        stack = self.accept(stack, found)
        return Loaded(
            stack, files, project, self.region(stack), lookups=results, read=witness.texts, warned=bool(found)
        )

    def keep(self, loaded: Loaded, inputs: Inputs) -> None:
        """Keep the evaluated stack for later plans, where its texts and values alone made it, without a word."""
        from flowplan.cli.stack_cache import forget, keep

        if loaded.warned or loaded.read or loaded.lookups:
            forget(loaded.project, loaded.files)
        else:
            values = variable_sources(self.environ, inputs)
            keep(loaded.project, loaded.files, values, loaded.stack, self.key_of(loaded.project))

    def key_of(self, project: Project) -> Callable[[str], bytes]:
        """What gives the key of a stack's state; see `flowplan.ports.Reader.key`."""

        def key_of(stack: str) -> bytes:
            backend = self.backend(project)
            try:
                return backend.key(stack)
            finally:
                backend.close()

        return key_of

    def accept(self, stack: Stack | None, found: Diagnostics) -> Stack:
        """The stack, if nothing is wrong with it; warnings are printed."""
        if stack is None or found.has_errors:
            raise FlowplanError(*found.in_order())
        self.warn(found.in_order())
        return stack

    def backend(self, project: Project) -> SqliteBackend:
        """The embedded backend of a project; FLOWPLAN_LEASE says how long a lease lasts without a sign of life.

        Raises:
            FlowplanError: FLOWPLAN_LEASE is no duration from 1s to 1h.
        """
        from flowplan.backend.lease import LEASE_S
        from flowplan.backend.sqlite import SqliteBackend
        from flowplan.values.quantity import parse_duration

        given = self.environ.get("FLOWPLAN_LEASE")
        try:
            lease_s = parse_duration(given).total_seconds() if given else LEASE_S
            if not 1 <= lease_s <= 3600:
                raise ValueError(f"{given} is not from 1s to 1h")
        except ValueError as error:
            raise FlowplanError(
                Diagnostic.error("FLOWPLAN_LEASE is no length of a lease", f"{error}.")
            ) from None
        return SqliteBackend(project.state, lease_s=lease_s, beats=True)

    def region(self, stack: Stack | None) -> str:
        """Where resources live that do not say so themselves."""
        if stack is not None and stack.provider.region:
            return stack.provider.region
        if stack is None or stack.provider.type == "sandbox":
            return self.environ.get("MITHRIL_REGION") or SANDBOX_REGION
        settings, _ = api_settings(self.environ)
        region: str = settings.region
        return region

    def check_source(self, loaded: Loaded, snapshot: Snapshot) -> None:
        """Refuse a stack whose name is recorded for another file that still exists: one would delete the other's.

        Raises:
            FlowplanError: two files claim the name.
        """
        if not snapshot.records or not snapshot.source or snapshot.source == loaded.files.label:
            return
        if same_stack(loaded.project, snapshot.source, loaded.files.label):
            return
        if (loaded.project.root / snapshot.source).exists():
            raise FlowplanError(
                Diagnostic.error(
                    f"Two stacks are called {loaded.stack.name}",
                    f"The state of that name belongs to {snapshot.source}, and this is {loaded.files.label}. "
                    "Planning one against the other's state would destroy its resources.",
                    suggestion="Give one of them another name in its line stack:.",
                )
            )

    # -- provider ------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def connect(self, stack: Stack, project: Project) -> AsyncIterator[Connection]:
        """The provider that the stack names."""
        region = self.region(stack)
        url = stack.provider.api_url or self.environ.get("FLOWPLAN_SANDBOX_URL")
        if stack.provider.type == "sandbox" and not url:
            from flowplan.sandbox import open_sandbox

            prepare_state(project)
            sandbox = open_sandbox(project.sandbox)
            try:
                async with open_embedded(sandbox, stack.provider.project, region) as connection:
                    yield connection
            finally:
                sandbox.close()
            return
        served = stack.provider.type == "sandbox"
        settings, found = api_settings(self.environ, sandbox_key(project.sandbox) if served else None)
        if found.has_errors:
            raise FlowplanError(*found.in_order())
        assert settings.api_key is not None, "a missing key is among the errors"
        address = (url if served else stack.provider.api_url) or settings.api_url
        wanted = stack.provider.project or settings.project
        own = project.sandbox if served else None
        async with open_api(address, settings.api_key, wanted, region, own, self.environ) as connection:
            yield connection

    @asynccontextmanager
    async def connect_recorded(self, project: Project, snapshot: Snapshot) -> AsyncIterator[Connection]:
        """The provider that a recorded stack lives in, as far as its state and the environment tell.

        Asked in turn, until one knows the recorded project: the sandbox that FLOWPLAN_SANDBOX_URL names, the
        embedded sandbox, and Mithril if there is a key for it.

        Raises:
            FlowplanError: none of them can be asked, or none knows the project.
        """
        async with self.find_recorded(project, snapshot) as (_, _, connection):
            yield connection

    @asynccontextmanager
    async def find_recorded(
        self, project: Project, snapshot: Snapshot
    ) -> AsyncIterator[tuple[Context, Stack, Connection]]:
        """The same, with what it takes to connect to that provider again: a context, and a stack that names it."""
        reasons: list[tuple[str, FlowplanError]] = []
        for place, context, provider in self._places(project, snapshot):
            opened = AsyncExitStack()
            try:
                stack = Stack(snapshot.stack, provider=provider)
                connection = await opened.enter_async_context(context.connect(stack, project))
                if snapshot.project:
                    await connection.provider.project()
            except FlowplanError as error:
                await opened.aclose()
                reasons.append((place, error))
                continue
            async with opened:
                yield context, stack, connection
            return
        if len(reasons) == 1:
            raise reasons[0][1]
        said = "\n".join(f"{place}: {error}." for place, error in reasons)
        raise FlowplanError(
            Diagnostic.error(
                f"Nothing within reach knows the project of stack {snapshot.stack}, {snapshot.project}",
                said,
                suggestion="Set FLOWPLAN_SANDBOX_URL or MITHRIL_API_URL, and MITHRIL_API_KEY, as when it was applied.",
            ),
            exit_code=max(error.exit_code for _, error in reasons),
        )

    def _places(
        self, project: Project, snapshot: Snapshot
    ) -> Iterator[tuple[str, Context, ProviderSettings]]:
        """Where a recorded stack may live: a name for the place, and how to connect to it."""
        wanted, url = snapshot.project or None, self.environ.get("FLOWPLAN_SANDBOX_URL")
        settings, _ = api_settings(self.environ)
        is_embedded = (project.state / "sandbox" / "sandbox.db").exists()
        if url:
            yield f"The sandbox at {url}", self, ProviderSettings("sandbox", wanted)
        if is_embedded:
            plain = {name: value for name, value in self.environ.items() if name != "FLOWPLAN_SANDBOX_URL"}
            embedded = evolve(self, environ=plain)
            yield "The embedded sandbox", embedded, ProviderSettings("sandbox", wanted)
        if settings.api_key is not None or not (url or is_embedded):
            yield f"The API at {settings.api_url}", self, ProviderSettings("mithril", wanted)

    async def observe(
        self,
        connection: Connection,
        snapshot: Snapshot,
        unfinished: Sequence[Entry],
        wanted: Sequence[tuple[Kind, str]] | None = None,
    ) -> Observation:
        """One refresh: a listing per kind, interrupted creations by name, completion records of ended tasks.

        ``wanted`` are the objects that have to be looked for, where they are more than those on record.
        """
        from flowplan.plan.observe import with_lately
        from flowplan.provider.pace import SystemClock

        provider = connection.provider
        wanted = snapshot.ids() if wanted is None else wanted
        at = SystemClock().now()
        known = {(r.kind, r.id) for r in snapshot.records.values() if "script_digest" in r.attributes}
        seen = await provider.observe(wanted, list(Kind), known)
        objects, completions = dict(seen.objects), {}
        for entry in unfinished:
            if entry.operation is Operation.CREATE:
                from flowplan.ports import Handle

                for found in await provider.find(Handle(entry.kind, entry.name, entry.region, entry.seen)):
                    objects[found.kind, found.id] = found
        if connection.access is not None:
            for record in snapshot.records.values():
                if record.kind is not Kind.TASK or record.attributes.get("completion"):
                    continue  # how it ended is on record, also where flowplan ended it
                observed = objects.get((record.kind, record.id))
                if observed is None or not observed.exists:
                    completion = await connection.access.completion(record.id)
                    if completion is not None:
                        completions[record.id] = completion
        seen = evolve(seen, objects=objects, completions=completions, at=seen.at or at)
        return with_lately(seen, snapshot)
