"""The typed reads of the API: paths, pages, and documents as wire classes. No attribute, no decision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from flowplan.provider.failure import TRANSIENT
from flowplan.provider.http import Client
from flowplan.provider.mithril.wire import (
    Auction,
    Bid,
    InstanceType,
    Project,
    Reservation,
    Volume,
    structure,
    structure_all,
)
from flowplan.values.diagnostic import Diagnostic, FlowplanError

if TYPE_CHECKING:
    from flowplan.provider.mithril.wire_account import Instance, Me, ProjectQuota, ReservationOffer, SshKey

T = TypeVar("T")
_LIMIT = "100"
_IDS_AT_ONCE = 50
_MOST_PAGES = 10_000
_NEWEST_FIRST = {"sort_by": "created_at", "sort_dir": "desc"}


class Api:
    """Every read flowplan makes. All raise `FlowplanError` when the read fails or the answer makes no sense."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._unsortable: set[str] = set()

    async def projects(self) -> list[Project]:
        """All projects the key may see."""
        return await self._list(Project, "/v2/projects", "projects")

    async def me(self) -> Me:
        """Whose key it is."""
        from flowplan.provider.mithril.wire_account import Me

        return self._one(Me, await self.client.read("/v2/me", what="the key's user"), "the key's user")

    async def instance_types(self) -> list[InstanceType]:
        """The catalogue, without prices and regions."""
        return await self._list(InstanceType, "/v2/instance-types", "instance types")

    async def auctions(self) -> list[Auction]:
        """The spot market: one row per instance type and region."""
        return await self._list(Auction, "/v2/spot/availability", "spot availability")

    async def ssh_keys(self, project: str) -> list[SshKey]:
        """The public keys of a project."""
        from flowplan.provider.mithril.wire_account import SshKey

        return await self._list(SshKey, "/v2/ssh-keys", "SSH keys", {"project": project})

    async def volumes(self, project: str, *, deleted: bool = False) -> list[Volume]:
        """All volumes of a project, with ``deleted`` those too that are gone; the list is not paged."""
        params = {"project": project, **({"include_deleted": "true"} if deleted else {})}
        return await self._list(Volume, "/v2/volumes", "volumes", params)

    async def bids(
        self,
        project: str,
        *,
        name: str = "",
        wanted: Iterable[str] | None = None,
        brief: Collection[str] = (),
    ) -> list[Bid]:
        """The bids of a project, newest first; with ``wanted`` the listing stops once all those ids were seen.

        Those in ``brief`` come without their startup scripts, which are most of what a listing holds.
        """
        params = {"project": project, **({"name": name} if name else {})}

        def shorten(rows: Any) -> None:
            for row in rows if brief and isinstance(rows, list) else ():
                if isinstance(row, dict) and row.get("fid") in brief:
                    launch = row.get("launch_specification")
                    if isinstance(launch, dict) and isinstance(launch.get("startup_script"), str):
                        launch["startup_script"] = None

        return await self._pages(Bid, "/v2/spot/bids", "bids", params, wanted, shorten)

    async def bid_page(self, project: str, cursor: str) -> tuple[list[Bid], str]:
        """One page of the bids of a project, newest first, and the cursor of the next; "" is before and after all."""
        path, what, params = "/v2/spot/bids", "bids", {"project": project, "limit": _LIMIT}
        if cursor:
            params |= {"next_cursor": cursor, **({} if path in self._unsortable else _NEWEST_FIRST)}
            page = await self.client.read(path, params, what)
        else:
            page, _ = await self._first_page(path, what, params)
        rows = self._all(Bid, page.get("data") if isinstance(page, dict) else None, what)
        return rows, self._cursor(page, what)

    async def bid(self, fid: str) -> Bid | None:
        """One bid; None if there is none with this id."""
        answer = await self.client.ask(f"/v2/spot/bids/{quote(fid, safe='')}")
        if answer.status == 404 and answer.is_json:
            return None
        if not 200 <= answer.status < 300:
            raise self.client.denial(answer, "the bid")
        try:
            return structure(Bid, answer.document())
        except ValueError as error:
            problem = str(error)
        raise self.client.misfit(answer, "the bid", problem)

    async def reservations(self, project: str, *, wanted: Iterable[str] | None = None) -> list[Reservation]:
        """The reservations of a project, newest first; ``wanted`` as in `bids`."""
        return await self._pages(Reservation, "/v2/reservation", "reservations", {"project": project}, wanted)

    async def instances(self, project: str, bids: Iterable[str]) -> list[Instance]:
        """The instances of these bids; asked for at most 50 bids at once."""
        from flowplan.provider.mithril.wire_account import Instance

        ids, found = list(dict.fromkeys(bids)), []
        for start in range(0, len(ids), _IDS_AT_ONCE):
            params = {"project": project, "bid_fid_in": ",".join(ids[start : start + _IDS_AT_ONCE])}
            found += await self._pages(Instance, "/v2/instances", "instances", params, None)
        return found

    async def quotas(self, project: str) -> list[ProjectQuota]:
        """The quotas of a project, and what is used of them."""
        from flowplan.provider.mithril.wire_account import ProjectQuota

        return await self._list(ProjectQuota, "/v2/quotas", "quotas", {"project": project})

    async def quote(self, params: Mapping[str, str]) -> list[ReservationOffer]:
        """What a reservation would cost (``project``, ``instance_type`` fid, ``region``, times, ``quantity``)."""
        from flowplan.provider.mithril.wire_account import ReservationOffer

        document = await self.client.read("/v2/reservation/quote", params, "a reservation quote")
        offers = document.get("offers") if isinstance(document, dict) else None
        return self._all(ReservationOffer, offers, "a reservation quote")

    def misshapen(self, what: str, problem: str) -> FlowplanError:
        """The error for an answer whose JSON is not what was asked for; ``problem`` must be fit to be shown."""
        return FlowplanError(
            Diagnostic.error(
                f"{self.client.base_url} does not answer as the Mithril API does",
                f"Asked for {what}: {problem}.",
                suggestion="Is this the right server? Check api_url in the provider section, or MITHRIL_API_URL.",
            )
        )

    def _one(self, kind: type[T], document: Any, what: str) -> T:
        try:
            return structure(kind, document)
        except ValueError as error:
            problem = str(error)
        raise self.misshapen(what, problem)

    def _all(self, kind: type[T], documents: Any, what: str) -> list[T]:
        try:
            return structure_all(kind, documents)
        except ValueError as error:
            problem = str(error)
        raise self.misshapen(what, problem)

    async def _list(
        self, kind: type[T], path: str, what: str, params: Mapping[str, str] | None = None
    ) -> list[T]:
        return self._all(kind, await self.client.read(path, params, what), what)

    async def _first_page(self, path: str, what: str, params: dict[str, str]) -> tuple[Any, dict[str, str]]:
        """The first page, and the parameters the others are asked with: without the sort where it gets 422."""
        if path not in self._unsortable:
            sorted_params = {**params, **_NEWEST_FIRST}
            answer = await self.client.ask(path, sorted_params)
            if answer.status != 422:
                if not 200 <= answer.status < 300:
                    raise self.client.denial(answer, what)
                try:
                    return answer.document(), sorted_params
                except ValueError as error:
                    problem = str(error)
                raise self.client.misfit(answer, what, problem)
            page = await self.client.read(path, params, what)
            self._unsortable.add(path)  # only now: a 422 for another reason comes again, as an error
            return page, params
        return await self.client.read(path, params, what), params

    def _cursor(self, page: Any, what: str) -> str:
        cursor = page.get("next_cursor") or ""
        if not isinstance(cursor, str):
            raise self.misshapen(what, "a next_cursor that is no text")
        return cursor

    async def _pages(
        self,
        kind: type[T],
        path: str,
        what: str,
        params: dict[str, str],
        wanted: Iterable[str] | None,
        shorten: Callable[[Any], None] = lambda rows: None,
    ) -> list[T]:
        missing = None if wanted is None else set(wanted)
        found: dict[str, T] = {}
        cursors: set[str] = set()
        page, params = await self._first_page(path, what, {**params, "limit": _LIMIT})
        while True:
            rows = page.get("data") if isinstance(page, dict) else None
            shorten(rows)
            for row in self._all(kind, rows, what):
                fid: str = row.fid  # type: ignore[attr-defined]  # every paged wire class has one
                found.setdefault(fid, row)
                if missing is not None:
                    missing.discard(fid)
            cursor = self._cursor(page, what)
            if not cursor or (missing is not None and not missing):
                return list(found.values())
            if cursor in cursors or len(cursors) >= _MOST_PAGES:
                raise FlowplanError(
                    Diagnostic.error(
                        f"the list of {what} does not end: {self.client.base_url} repeats its pages",
                        "Nothing was changed.",
                        suggestion="This is a fault of the server. Try again; if it stays so, tell the provider.",
                    ),
                    exit_code=TRANSIENT,
                )
            cursors.add(cursor)
            page = await self.client.read(path, {**params, "next_cursor": cursor}, what)
