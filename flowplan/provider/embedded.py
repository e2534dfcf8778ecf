"""A sandbox of this process as an HTTP transport: the same client, without a socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from flowplan.provider.library import httpx


class Answers(Protocol):
    """Whatever answers requests in this process, such as `flowplan.sandbox.Sandbox`."""

    async def respond(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one request: status, headers and body.

        Raises:
            ConnectionError: the answer was lost on its way; ``partial`` of it, if it has any, is what had come.
        """
        ...


class EmbeddedTransport(httpx.AsyncBaseTransport):
    """Hands requests straight to a sandbox in this process; to the client it is a server like any other."""

    def __init__(self, sandbox: Answers) -> None:
        """The sandbox is closed by whoever opened it."""
        self._sandbox = sandbox

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        body = await request.aread()
        query = request.url.query.decode("ascii")
        try:
            status, headers, content = await self._sandbox.respond(
                request.method, request.url.path, query, dict(request.headers), body
            )
        except ConnectionError as broken:
            # As a socket would tell: an answer cut off is a breach of protocol, none at all a failed read.
            if getattr(broken, "partial", None) is not None:
                raise httpx.RemoteProtocolError(str(broken), request=request) from broken
            raise httpx.ReadError(str(broken), request=request) from broken
        return httpx.Response(status, headers=headers, content=content, request=request)
