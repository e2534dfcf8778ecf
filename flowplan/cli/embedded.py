"""The embedded sandbox as an HTTP transport: the same client, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx  # noqa: TID253 - this module is imported only when a request is about to be made

if TYPE_CHECKING:
    from flowplan.sandbox.sandbox import Sandbox


class EmbeddedTransport(httpx.AsyncBaseTransport):
    """Hands requests straight to a sandbox in this process; to the client it is a server like any other."""

    def __init__(self, sandbox: Sandbox) -> None:
        """The sandbox is closed by whoever opened it."""
        self._sandbox = sandbox

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        body = await request.aread()
        status, headers, content = self._sandbox.handle(
            request.method, request.url.path, request.url.query.decode("ascii"), dict(request.headers), body
        )
        return httpx.Response(status, headers=headers, content=content, request=request)
