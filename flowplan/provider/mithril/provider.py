"""`flowplan.ports.Provider` for the Mithril Compute API v2."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from flowplan.ports import Observation, Observed
from flowplan.provider.http import Client
from flowplan.provider.mithril.api import Api
from flowplan.provider.mithril.catalogue import Catalogue
from flowplan.provider.mithril.codecs import Context, reservation_has_ended, task_has_ended
from flowplan.provider.mithril.estimating import Estimates
from flowplan.provider.mithril.mapping import WireMapping, compile_mapping
from flowplan.provider.mithril.wire import Bid, Reservation, Volume
from flowplan.provider.redaction import shown
from flowplan.resources import kind_of
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic, FlowplanError, did_you_mean
from flowplan.values.quantity import parse_instant

if TYPE_CHECKING:
    from flowplan.launch import Ending  # it brings Jinja along
    from flowplan.ports import Handle, HistoryEvent, Outcome
    from flowplan.provider.mithril.keys import Keyring
    from flowplan.provider.mithril.launch_keys import LaunchKeys

Document = Bid | Reservation | Volume


class MithrilProvider(Estimates):
    """One project of one account. ``project`` is a name (in any case) or id, or None for the only one there is.

    ``region`` is where things go that name none. ``keyring`` holds the SSH keys of this machine; without one a
    launch that names no key takes the project's first. Reads raise `FlowplanError`; create, update and delete never
    do: what fails before their request is sent is `Refused`, what fails after it is `Ambiguous`.
    """

    def __init__(
        self, client: Client, project: str | None, region: str, keyring: Keyring | None = None
    ) -> None:
        self.client = client
        self.api = Api(client)
        self.region = region
        self._project_wanted = project
        self._project = ""
        self._catalogue: Catalogue | None = None
        self._keyring = keyring
        self.is_reachable_from_instances = True
        """Whether a task's instances can ask this API; those of an embedded sandbox cannot."""
        self.visibility_s = 10.0
        """How long, in seconds, what was made may be missing from lists."""
        self.task_keys: list[str] = []
        self._settling = asyncio.Lock()
        self._mappings: dict[Kind, WireMapping] = {}

    @cached_property
    def launch_keys(self) -> LaunchKeys:
        """The SSH keys of launches, which only a launch asks for."""
        from flowplan.provider.mithril.launch_keys import LaunchKeys

        return LaunchKeys(self.api, self._keyring)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    # -- reading

    async def project(self) -> str:
        """The id of the project everything is done in; asked for once."""
        async with self._settling:
            if not self._project:
                self._project = await self._find_project()
            return self._project

    async def _find_project(self) -> str:
        projects = await self.api.projects()
        names = [shown(project.name) for project in projects]
        listed = f"The key may use {', '.join(names)}." if names else "The key may use no project at all."
        wanted = self._project_wanted
        if wanted is None:
            if len(projects) == 1:
                return projects[0].fid
            summary = "which project?" if projects else "the account has no project"
            advice = (
                f"{listed} Set MITHRIL_PROJECT, or project in the provider section."
                if projects
                else ("Create one in the provider's console, or use a key of a member of one.")
            )
            raise FlowplanError(Diagnostic.error(summary, suggestion=advice))
        for project in projects:
            if project.fid == wanted:
                return project.fid
        found = [project for project in projects if project.name == wanted] or [
            project for project in projects if project.name.lower() == wanted.lower()
        ]
        if len(found) == 1:
            return found[0].fid
        if found:
            ids = ", ".join(shown(project.fid) for project in found)
            summary, advice = (
                f"{len(found)} projects are called {wanted!r}",
                f"Write the id of one of them: {ids}.",
            )
        else:
            summary = f"the key may use no project {wanted!r}"
            advice = f"{did_you_mean(wanted.lower(), [name.lower() for name in names])} {listed}".strip()
        raise FlowplanError(Diagnostic.error(summary, suggestion=advice))

    async def load_catalogue(self) -> Catalogue:
        """The catalogue as it is now."""
        types, auctions = await _together(self.api.instance_types(), self.api.auctions())
        self._catalogue = Catalogue.of(types, auctions)
        return self._catalogue

    async def known_catalogue(self) -> Catalogue:
        """The catalogue, as it was last read."""
        async with self._settling:
            return self._catalogue or await self.load_catalogue()

    async def observe(
        self,
        wanted: Iterable[tuple[Kind, str]],
        kinds: Iterable[Kind],
        known: Container[tuple[Kind, str]] = (),
    ) -> Observation:
        """List the kinds asked for, and the market, all at the same time; see `flowplan.ports.Provider`.

        Of objects in ``known``, whose record has it, the digest of the startup script is left out: it never changes,
        and to take it of each one costs a sixth of a large refresh.
        """
        project = await self.project()
        asked = frozenset(kinds)
        ids: dict[Kind, set[str]] = {kind: set() for kind in Kind}
        for kind, id in wanted:
            ids[kind].add(id)
        listings: dict[Kind, Coroutine[Any, Any, Sequence[Document]]] = {}
        if Kind.VOLUME in asked:
            listings[Kind.VOLUME] = self.api.volumes(project)
        if Kind.TASK in asked:
            listings[Kind.TASK] = self.api.bids(
                project,
                wanted=ids[Kind.TASK],
                brief={id for id in ids[Kind.TASK] if (Kind.TASK, id) in known},
            )
        if Kind.RESERVATION in asked:
            listings[Kind.RESERVATION] = self.api.reservations(project, wanted=ids[Kind.RESERVATION])
        self.client.heard_at = None
        catalogue, *lists = await _together(self.load_catalogue(), *listings.values())
        objects = {}
        for kind, documents in zip(listings, lists, strict=True):
            for document in documents:
                key = (kind, document.fid)
                objects[key] = self._read_object(kind, document, catalogue, key in known)
        return Observation(project, objects, catalogue.offers(), asked, at=self.client.heard_at)

    async def page(self, kind: Kind, cursor: str) -> tuple[Sequence[Observed], str]:
        """A page of the tasks of the project, newest first; see `flowplan.ports.Pager`."""
        assert kind is Kind.TASK, "only tasks are waited for"
        catalogue = (
            await self.known_catalogue()
        )  # prices may be old ones: how a task stands does not need them
        rows, following = await self.api.bid_page(await self.project(), cursor)
        return [self._read_object(kind, row, catalogue) for row in rows], following

    async def read(self, kind: Kind, id: str) -> Observed | None:
        """One object, a task by a request of its own; see `flowplan.ports.Provider`."""
        document: Document | None
        if kind is Kind.TASK:
            document = await self.api.bid(id)
        else:
            project = await self.project()
            listed: Sequence[Document] = (
                await self.api.volumes(project)
                if kind is Kind.VOLUME
                else await self.api.reservations(project, wanted=[id])
            )
            document = next((one for one in listed if one.fid == id), None)
        return None if document is None else self._read_object(kind, document, await self.known_catalogue())

    def guard(self, check: Callable[[], None]) -> None:
        """See `flowplan.ports.Guarded`."""
        self.client.guard = check

    async def find(self, handle: Handle) -> list[Observed]:
        """The objects that bear the handle's name, ended ones included, oldest first."""
        project = await self.project()
        documents: Sequence[Document]
        if handle.kind is Kind.VOLUME:
            documents = await self.api.volumes(project, deleted=True)
        elif handle.kind is Kind.TASK:
            documents = await self.api.bids(project, name=handle.name)
        else:
            documents = await self.api.reservations(project)
        catalogue = Catalogue() if handle.kind is Kind.VOLUME else await self.known_catalogue()
        found = [
            self._read_object(handle.kind, document, catalogue)
            for document in documents
            if document.name == handle.name
        ]
        found.reverse()  # newest came first; this keeps the server's order among equal times
        return sorted(found, key=lambda one: one.created_at.timestamp() if one.created_at else 0.0)

    def mapping(self, kind: Kind) -> WireMapping:
        """How the attributes of a kind go on the wire."""
        if kind not in self._mappings:
            self._mappings[kind] = compile_mapping(kind_of(kind))
        return self._mappings[kind]

    def _read_object(
        self, kind: Kind, document: Document, catalogue: Catalogue, brief: bool = False
    ) -> Observed:
        try:
            return self.observed(kind, document, catalogue, brief)
        except ValueError as error:
            problem = f"{shown(document.fid)}: {error}"
        raise self.api.misshapen(f"{kind.value}s", problem)

    def observed(self, kind: Kind, document: Document, catalogue: Catalogue, brief: bool = False) -> Observed:
        """The object that a document shows.

        Raises:
            ValueError: it makes no sense; the message is fit to be shown.
        """
        if not document.fid:
            raise ValueError("an object without an id")
        if isinstance(document, Volume):
            exists = document.deleted_at is None
        elif isinstance(document, Bid):
            exists = not task_has_ended(document.status)
        else:
            exists = not reservation_has_ended(document.status)
        attributes = self.mapping(kind).attributes(document, Context(catalogue, document.region or ""), brief)
        return Observed(kind, document.fid, document.name, exists, attributes, _moment(document.created_at))

    # -- writing

    async def create(self, kind: Kind, attributes: Mapping[str, Any], idempotency_key: str) -> Outcome:
        """Send the create request, once; see `flowplan.ports.Provider`."""
        from flowplan.provider.mithril.writing import create

        return await create(self, kind, attributes, idempotency_key)

    async def update(self, kind: Kind, id: str, changes: Mapping[str, Any], idempotency_key: str) -> Outcome:
        """Change attributes in place, in one request; see `flowplan.provider.mithril.writing.update`."""
        from flowplan.provider.mithril.writing import update

        return await update(self, kind, id, changes, idempotency_key)

    async def delete(self, kind: Kind, id: str, idempotency_key: str) -> Outcome:
        """Delete a volume or terminate a task; a reservation cannot be cancelled by the API (provider.md 2.3)."""
        from flowplan.provider.mithril.writing import delete

        return await delete(self, kind, id, idempotency_key)

    async def return_capacity(self, id: str, instances: Sequence[str], idempotency_key: str) -> Outcome:
        """Give instances of a reservation back; see `flowplan.ports.CapacityMarket`."""
        from flowplan.provider.mithril.returning import return_capacity
        from flowplan.provider.mithril.writing import header_of

        return await return_capacity(self, id, instances, header_of(idempotency_key))

    async def make_task_key(self, name: str, now: datetime, lasts: timedelta) -> Ending | None:
        """A key with which a task ends itself; see `flowplan.ports.TaskKeys`."""
        if not self.is_reachable_from_instances:
            return None
        from flowplan.provider.mithril.self_ending import make_key

        ending = await make_key(self, name, now, lasts)
        self.task_keys.append(ending.key.reveal())  # to be blacked out in what the server answers
        return ending

    async def retire_task(self, name: str, id: str) -> None:
        """Revoke a task's key and remove its note; see `flowplan.ports.TaskKeys`."""
        if self.is_reachable_from_instances:
            from flowplan.provider.mithril.self_ending import retire

            await retire(self, name, id)

    async def history(self, kind: Kind, id: str) -> list[HistoryEvent]:
        """What was done to one object; see `flowplan.ports.Historian`."""
        from flowplan.provider.mithril.histories import read_history

        return await read_history(self.client, kind, id)


def _moment(text: str) -> datetime | None:
    try:
        return parse_instant(text)
    except (ValueError, OverflowError):
        return None


async def _together(*reads: Coroutine[Any, Any, Any]) -> list[Any]:
    """The results of reads run at the same time; what several of them found wrong is reported once, together."""
    errors: list[FlowplanError] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read) for read in reads]
    except BaseExceptionGroup as failures:
        known, other = failures.split(FlowplanError)
        if other is not None or known is None:
            raise
        errors = [error for error in known.exceptions if isinstance(error, FlowplanError)]
    if errors:
        diagnostics = dict.fromkeys(one for error in errors for one in error.diagnostics)
        raise FlowplanError(*diagnostics, exit_code=max(error.exit_code for error in errors))
    return [task.result() for task in tasks]
