"""`flowplan.ports.Provider` for the Mithril Compute API v2."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Container, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from flowplan.ports import Ambiguous, Done, Handle, HistoryEvent, Observation, Observed, Outcome, Refused
from flowplan.provider.failure import TRANSIENT
from flowplan.provider.http import Answer, Client
from flowplan.provider.mithril.advice import in_use
from flowplan.provider.mithril.api import Api
from flowplan.provider.mithril.catalogue import Catalogue, UnmappableError
from flowplan.provider.mithril.codecs import Context, reservation_has_ended, task_has_ended
from flowplan.provider.mithril.estimating import Estimates
from flowplan.provider.mithril.mapping import WireMapping, compile_mapping
from flowplan.provider.mithril.outcome import outcome_of
from flowplan.provider.mithril.wire import Bid, Reservation, Volume, structure
from flowplan.provider.redaction import shown
from flowplan.resources import kind_of
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic, FlowplanError, did_you_mean
from flowplan.values.quantity import parse_instant
from flowplan.values.value import Sensitive, leaves, reveal

if TYPE_CHECKING:
    from flowplan.launch import Ending  # it brings Jinja along
    from flowplan.provider.mithril.keys import Keyring
    from flowplan.provider.mithril.launch_keys import LaunchKeys

Document = Bid | Reservation | Volume
_PATHS = {Kind.TASK: "/v2/spot/bids", Kind.RESERVATION: "/v2/reservation", Kind.VOLUME: "/v2/volumes"}
_SHAPES: dict[Kind, type[Document]] = {Kind.TASK: Bid, Kind.RESERVATION: Reservation, Kind.VOLUME: Volume}
_NEEDED = {
    Kind.TASK: ("name", "instance_type", "region", "instance_quantity", "limit_price"),
    Kind.RESERVATION: ("name", "instance_type", "region", "instance_quantity", "start_time", "end_time"),
    Kind.VOLUME: ("name", "region", "size_gb", "disk_interface"),
}
_IN_PLACE = {
    Kind.TASK: {"limit_price": "limit_price", "volume_ids": "volumes", "paused": "paused"},
    Kind.RESERVATION: {"volume_ids": "volumes", "paused": "paused", "end_time_utc": "end_time"},
    Kind.VOLUME: {"name": "name"},
}
_KEY = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"


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
        self._task_keys: list[str] = []
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

    async def _load_catalogue(self) -> Catalogue:
        types, auctions = await _together(self.api.instance_types(), self.api.auctions())
        self._catalogue = Catalogue.of(types, auctions)
        return self._catalogue

    async def known_catalogue(self) -> Catalogue:
        """The catalogue, as it was last read."""
        async with self._settling:
            return self._catalogue or await self._load_catalogue()

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
        catalogue, *lists = await _together(self._load_catalogue(), *listings.values())
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

    def _mapping(self, kind: Kind) -> WireMapping:
        if kind not in self._mappings:
            self._mappings[kind] = compile_mapping(kind_of(kind))
        return self._mappings[kind]

    def _read_object(
        self, kind: Kind, document: Document, catalogue: Catalogue, brief: bool = False
    ) -> Observed:
        try:
            return self._observed(kind, document, catalogue, brief)
        except ValueError as error:
            problem = f"{shown(document.fid)}: {error}"
        raise self.api.misshapen(f"{kind.value}s", problem)

    def _observed(
        self, kind: Kind, document: Document, catalogue: Catalogue, brief: bool = False
    ) -> Observed:
        if not document.fid:
            raise ValueError("an object without an id")
        if isinstance(document, Volume):
            exists = document.deleted_at is None
        elif isinstance(document, Bid):
            exists = not task_has_ended(document.status)
        else:
            exists = not reservation_has_ended(document.status)
        attributes = self._mapping(kind).attributes(
            document, Context(catalogue, document.region or ""), brief
        )
        return Observed(kind, document.fid, document.name, exists, attributes, _moment(document.created_at))

    # -- writing

    async def create(self, kind: Kind, attributes: Mapping[str, Any], idempotency_key: str) -> Outcome:
        """Send the create request, once; see `flowplan.ports.Provider`."""
        try:
            body, catalogue = await self._create_body(kind, attributes)
        except UnmappableError as error:
            return Refused(error.diagnostic)
        except FlowplanError as error:
            return _refused_early(error)
        return await self._mutate(
            kind, "create", "POST", _PATHS[kind], body, idempotency_key, _secrets(attributes), catalogue
        )

    async def _create_body(
        self, kind: Kind, attributes: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Catalogue]:
        project = await self.project()
        full = dict(attributes)
        if full.get("region") is None:
            full["region"] = self.region
        mapping = self._mapping(kind)
        if kind is Kind.VOLUME:
            catalogue = Catalogue()
            body = mapping.body(full, Context(catalogue, full["region"]))
        else:
            catalogue = await self.known_catalogue()
            try:
                body = mapping.body(full, Context(catalogue, full["region"]))
            except UnmappableError:
                catalogue = await self._load_catalogue()  # the market may have changed since
                body = mapping.body(full, Context(catalogue, full["region"]))
            launch = body.setdefault("launch_specification", {})
            launch.setdefault("volumes", [])
            launch["ssh_keys"] = await self.launch_keys.of_launch(project, launch.get("ssh_keys", ()))
        missing = [mapping.attribute_for((name,)) or name for name in _NEEDED[kind] if name not in body]
        if missing:
            raise UnmappableError(
                Diagnostic.error(f"cannot create the {kind.value} without {', '.join(missing)}")
            )
        return {"project": project, **body}, catalogue

    async def update(self, kind: Kind, id: str, changes: Mapping[str, Any], idempotency_key: str) -> Outcome:
        """Change attributes in place, in one request.

        A task takes ``limit_price``, ``volume_ids``, ``paused``; a volume ``name``; a reservation ``volume_ids``,
        ``paused``, or ``end_time_utc`` alone. Pausing before volumes change is the caller's business.
        """
        try:
            # Why: an empty change would be a request of which no one can say what it means (provider.md 7, 23).
            if not changes:
                raise UnmappableError(Diagnostic.error(f"nothing to change in the {kind.value}"))
            catalogue = Catalogue() if kind is Kind.VOLUME else await self.known_catalogue()
            body = self._mapping(kind).patch(changes, _IN_PLACE[kind], Context(catalogue, self.region))
            extends = kind is Kind.RESERVATION and "end_time" in body
            if extends and len(body) > 1:
                raise UnmappableError(Diagnostic.error("a reservation is extended by a request of its own"))
        except UnmappableError as error:
            return Refused(error.diagnostic)
        except FlowplanError as error:
            return _refused_early(error)
        path = f"{_PATHS[kind]}/{quote(id, safe='')}"
        method, path = ("POST", f"{path}/extend") if extends else ("PATCH", path)
        return await self._mutate(
            kind, "update", method, path, body, idempotency_key, _secrets(changes), catalogue
        )

    async def delete(self, kind: Kind, id: str, idempotency_key: str) -> Outcome:
        """Delete a volume or terminate a task; a reservation cannot be cancelled by the API (provider.md 2.3)."""
        if kind is Kind.RESERVATION:
            return Refused(
                Diagnostic.error(
                    f"reservation {id} cannot be cancelled: the API has no request for it",
                    "It was paid when it was made and lasts until its end time.",
                    suggestion="Take it out of the stack's state and let it run out, or ask the provider for a refund.",
                )
            )
        path = f"{_PATHS[kind]}/{quote(id, safe='')}"
        got = await self.client.write("DELETE", path, None, _header(idempotency_key))
        secrets = self.client.secrets()
        if isinstance(got, Answer) and got.status in (400, 409):
            if kind is Kind.VOLUME:
                return in_use(kind, got, secrets)
            try:
                bid = await self.api.bid(id)
            except FlowplanError as error:
                return Ambiguous(f"status {got.status}, and looking at the task failed: {error}")
            if bid is None or task_has_ended(bid.status):
                return Done(None)
        return outcome_of(got, kind, "delete", self.client.base_url, read=None, secrets=secrets)

    async def return_capacity(self, id: str, instances: Sequence[str], idempotency_key: str) -> Outcome:
        """Give instances of a reservation back; see `flowplan.ports.CapacityMarket`."""
        from flowplan.provider.mithril.returning import return_capacity

        return await return_capacity(self, id, instances, _header(idempotency_key))

    async def make_task_key(self, name: str, now: datetime, lasts: timedelta) -> Ending | None:
        """A key with which a task ends itself; see `flowplan.ports.TaskKeys`."""
        if not self.is_reachable_from_instances:
            return None
        from flowplan.provider.mithril.self_ending import make_key

        ending = await make_key(self, name, now, lasts)
        self._task_keys.append(ending.key.reveal())  # to be blacked out in what the server answers
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

    async def _mutate(
        self,
        kind: Kind,
        doing: str,
        method: str,
        path: str,
        body: dict[str, Any],
        key: str,
        secrets: Sequence[str],
        catalogue: Catalogue,
    ) -> Outcome:
        got = await self.client.write(method, path, body, _header(key))

        def read(answer: Answer) -> Observed:
            document = structure(_SHAPES[kind], answer.document())
            return self._observed(kind, document, catalogue)

        outcome = outcome_of(
            got,
            kind,
            doing,
            self.client.base_url,
            read=read,
            secrets=self.client.secrets(*secrets, *self._task_keys),
            attribute_for=self._mapping(kind).attribute_for,
        )
        if isinstance(outcome, Refused):
            self._keys = None  # a key may have been added or removed since; ask again next time
        return outcome


def _header(key: str) -> str:
    """``key`` as the header may hold it; one that may not stand there is replaced by its digest."""
    return key if not key or re.fullmatch(_KEY, key) else hashlib.sha256(key.encode()).hexdigest()


def _moment(text: str) -> datetime | None:
    try:
        return parse_instant(text)
    except (ValueError, OverflowError):
        return None


def _secrets(attributes: Mapping[str, Any]) -> list[str]:
    """The texts among ``attributes`` that no message may quote: the sensitive ones, and the script."""
    found = []
    for path, leaf in leaves(dict(attributes)):
        if isinstance(leaf, Sensitive) or path[:1] == ("startup_script",):
            bare = [leaf_ for _, leaf_ in leaves(reveal(leaf))]  # to black them out
            found += [text for text in bare if isinstance(text, str)]
    return found


def _refused_early(error: FlowplanError) -> Refused:
    return Refused(error.diagnostics[0], transient=error.exit_code == TRANSIENT)


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
