"""A sandbox of this process as an HTTP transport: the same client, without a socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import httpx  # noqa: TID253 - this module is imported only when a request is about to be made


class Answers(Protocol):
    """Whatever answers requests in this process, such as `flowplan.sandbox.Sandbox`."""

    def handle(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one request: status, headers and body."""
        ...


class EmbeddedTransport(httpx.AsyncBaseTransport):
    """Hands requests straight to a sandbox in this process; to the client it is a server like any other."""

    def __init__(self, sandbox: Answers) -> None:
        """The sandbox is closed by whoever opened it."""
        self._sandbox = sandbox

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        body = await request.aread()
        status, headers, content = self._sandbox.handle(
            request.method, request.url.path, request.url.query.decode("ascii"), dict(request.headers), body
        )
        return httpx.Response(status, headers=headers, content=content, request=request)
