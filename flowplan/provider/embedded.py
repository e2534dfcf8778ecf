"""A sandbox of this process as a transport of the HTTP library, for those who look at or into what is sent."""

from __future__ import annotations

from flowplan.provider.library import httpx
from flowplan.provider.lines import Answers


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
