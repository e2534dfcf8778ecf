"""The line between client and simulator, with faults: cuts, lost and late messages, bad gateways, lists that lag.

Faults happen where they happen in the world: between the bytes that leave and the bytes that come back. The client
and the provider adapter above are the real ones, so what they make of an answer is tried as well.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import parse_qs

import httpx  # noqa: TID253 - tests need no quick start
from attrs import define, field, frozen
from fault_world import CutOff, Knife

from flowplan.sandbox import Sandbox

KEYS = "/v2/api-keys"
LISTS = {"/v2/spot/bids": "bid", "/v2/reservation": "reservation", "/v2/volumes": "volume"}
"""The listings, with the kind of each."""
WEATHER = (
    "lost request",
    "lost answer",
    "bad gateway, not done",
    "bad gateway, done",
    "unavailable, done",
    "cut-off answer",
    "a page instead of an answer",
    "busy",
    "late",
)
"""What may become of a mutating request besides being done and answered."""
_MARKET = ("/v2/instance-types", "/v2/spot/availability")
_UNCHANGING: dict[str, tuple[int, dict[str, str], bytes]] = {}
"""The market, which is no part of these worlds; to make it each time costs a fifth of a schedule."""
LATE_S = 3.0
"""How long a late request is on its way at most; with the lag of the lists it must stay under the visibility window."""


@frozen
class Sent:
    """A mutating request as it left the client."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """What it is about: the name of what it creates, or the id."""
        if self.method == "POST" and self.path in LISTS:
            return f"{LISTS[self.path]} {json.loads(self.body)['name']}"
        if self.method == "POST" and self.path == KEYS:
            return f"key {json.loads(self.body)['name']}"
        if self.path == "/v2/instances":
            return ",".join(sorted(json.loads(self.body)["instances"]))
        return self.path.removesuffix("/extend").removesuffix("/terminate-instances").rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@define(eq=False)
class Past:
    """What lists lag behind, and what is still on its way: it outlives the process that asked."""

    lag_s: float = 0.0
    late: list[tuple[float, Sent]] = field(factory=list)
    listed: dict[str, list[tuple[float, list[Any]]]] = field(factory=dict)

    def before_change(self, sandbox: Sandbox, now: float) -> None:
        """Remember how each list reads until now."""
        if not self.lag_s:
            return
        for path in LISTS:
            kept = [one for one in self.listed.get(path, []) if one[0] > now - self.lag_s]
            self.listed[path] = [*kept, (now, everything(sandbox, path))]

    def shown(self, path: str, now: float) -> list[Any] | None:
        """The rows that a list shows now; None where it has caught up."""
        for until, rows in self.listed.get(path, []):
            if until > now - self.lag_s:
                return rows
        return None


def everything(sandbox: Sandbox, path: str) -> list[Any]:
    """All rows of a list as they are, newest first."""
    headers = {"authorization": f"Bearer {sandbox.api_key}"}

    def get(where: str, query: str) -> Any:
        status, _, content = sandbox.handle("GET", where, query, headers, b"")
        assert status == 200, content
        return json.loads(content)

    project = get("/v2/projects", "")[0]["fid"]
    rows: list[Any] = []
    cursor = ""
    while True:
        page = get(
            path,
            f"project={project}&limit=100&sort_by=created_at&sort_dir=desc"
            + ("&include_deleted=true" if path == "/v2/volumes" else "")
            + (f"&next_cursor={cursor}" if cursor else ""),
        )
        if isinstance(page, list):
            return page
        rows += page["data"]
        cursor = page["next_cursor"]
        if not cursor:
            return rows


@define(eq=False)
class FaultyLine(httpx.AsyncBaseTransport):
    """Hands requests to a simulator the way a bad network does. ``watch`` is told of each request before it leaves."""

    sandbox: Sandbox
    knife: Knife
    past: Past
    chance: Random
    watch: Callable[[Sent], None]
    looked: Callable[[str, bool], None]
    arriving: list[asyncio.Task[None]] = field(factory=list)
    is_resumed: bool = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self.is_resumed:
            self.is_resumed = True
            for at, sent in self.past.late:
                self._arrive_later(at, sent)
        if self.knife.dead:
            raise CutOff("a request")
        sent = Sent(
            request.method,
            request.url.path,
            request.url.query.decode(),
            dict(request.headers),
            await request.aread(),
        )
        await asyncio.sleep(self.chance.uniform(0.001, 0.05))
        if sent.method == "GET":
            status, headers, content = self._read(sent)
            self.looked(sent.path, True)
            return httpx.Response(status, headers=headers, content=content, request=request)
        self.knife.boundary(f"before {sent} is sent")
        self.watch(sent)
        self.knife.requests += 1
        status, headers, content = await self._through(sent, request)
        self.knife.boundary(f"before the answer to {sent} is read")
        return httpx.Response(status, headers=headers, content=content, request=request)

    async def _through(self, sent: Sent, request: httpx.Request) -> tuple[int, dict[str, str], bytes]:
        weather = self.knife.weather.get(self.knife.requests, "ok")
        if weather == "late" and sent.path == "/v2/api-keys":
            # A key that is made after its revocation is one whose secret nobody has; it expires by itself.
            weather = "lost request"
        if weather not in ("ok", "busy"):
            self.looked(sent.target, False)
        if weather == "lost request":
            raise httpx.ReadError("the connection broke", request=request)
        if weather == "bad gateway, not done":
            return _page(502)
        if weather == "busy":
            return 429, {"content-type": "application/json", "retry-after": "1"}, b'{"detail": "slow down"}'
        if weather == "late":
            at = self._now() + self.chance.uniform(0.1, LATE_S)
            self.past.late.append((at, sent))
            self._arrive_later(at, sent)
            raise httpx.ReadTimeout("no answer in time", request=request)
        answer = self.do(sent)
        self.knife.boundary(f"after the server took {sent}")
        await asyncio.sleep(self.chance.uniform(0.001, 0.05))
        if weather == "lost answer":
            raise httpx.ReadError("the connection broke", request=request)
        if weather == "cut-off answer":
            raise httpx.RemoteProtocolError("peer closed the connection", request=request)
        if weather == "bad gateway, done":
            return _page(502)
        if weather == "unavailable, done":
            return 503, {"content-type": "application/json", "retry-after": "1"}, b'{"detail": "later"}'
        if weather == "a page instead of an answer":
            return _page(200)
        return answer

    def do(self, sent: Sent) -> tuple[int, dict[str, str], bytes]:
        """Let the simulator take a request."""
        self.past.before_change(self.sandbox, self._now())
        status, headers, content = self.sandbox.handle(
            sent.method, sent.path, sent.query, sent.headers, sent.body
        )
        return status, dict(headers), content

    def _arrive_later(self, at: float, sent: Sent) -> None:
        async def arrive() -> None:
            await asyncio.sleep(max(0.0, at - self._now()))
            self.past.late.remove((at, sent))
            self.do(sent)

        self.arriving.append(asyncio.create_task(arrive()))

    def _read(self, sent: Sent) -> tuple[int, dict[str, str], bytes]:
        rows = self.past.shown(sent.path, self._now()) if sent.path in LISTS else None
        if rows is None:
            if sent.path in _UNCHANGING:
                return _UNCHANGING[sent.path]
            status, headers, content = self.sandbox.handle("GET", sent.path, sent.query, sent.headers, b"")
            answer = (status, dict(headers), content)
            if sent.path in _MARKET:
                _UNCHANGING[sent.path] = answer
            return answer
        asked = parse_qs(sent.query)
        if name := asked.get("name"):
            rows = [row for row in rows if row["name"] == name[0]]
        if sent.path == "/v2/volumes":
            with_deleted = asked.get("include_deleted") == ["true"]
            page: Any = [row for row in rows if with_deleted or row["deleted_at"] is None]
        else:
            page = {"data": rows, "next_cursor": None}
        return 200, {"content-type": "application/json"}, json.dumps(page).encode()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _page(status: int) -> tuple[int, dict[str, str], bytes]:
    return status, {"content-type": "text/html"}, b"<html><body>nginx</body></html>"
