"""The ways by which requests reach a server: one exchange at a time, with an outcome that tells what may have been done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlencode

from flowplan.provider.failure import Failure, Trouble, classify
from flowplan.values.classes import frozen

if TYPE_CHECKING:
    import httpx

Got = tuple[int, dict[str, str], bytes]
"""A complete answer: its status, its headers by lower-case name, and its body."""


@frozen
class Asked:
    """One request. ``path`` comes after the address of the API and is quoted; neither body nor headers are in the repr."""

    method: str
    path: str
    params: Mapping[str, str] | None
    headers: Mapping[str, str]
    content: bytes | None = None

    def __repr__(self) -> str:
        return f"Asked({self.method} {self.path})"


class Line(Protocol):
    """A way to one server."""

    async def exchange(self, asked: Asked, limit: int) -> Got | Failure:
        """The answer, of at most ``limit`` bytes, or why there is none. Raises nothing for a server or network fault."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class HttpxLine:
    """The line to any server, by an HTTP library that knows TLS, proxies and compressed answers."""

    def __init__(self, base_url: str, opened: httpx.AsyncClient) -> None:
        """``opened`` follows no redirects, and is closed with this."""
        self._base_url, self._opened = base_url, opened

    async def exchange(self, asked: Asked, limit: int) -> Got | Failure:
        """See `Line.exchange`."""
        from flowplan.provider.library import httpx

        url = self._base_url + asked.path
        try:
            async with self._opened.stream(
                asked.method, url, params=asked.params, content=asked.content, headers=asked.headers
            ) as response:
                chunks, size = [], 0
                async for chunk in response.aiter_bytes():
                    size += len(chunk)
                    if size > limit:
                        return Failure(Trouble.TOO_LARGE, f"over {limit} bytes")
                    chunks.append(chunk)
                names = {name.lower(): value for name, value in response.headers.items()}
                return response.status_code, names, b"".join(chunks)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            return classify(error)

    async def aclose(self) -> None:
        """See `Line.aclose`."""
        await self._opened.aclose()


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


class EmbeddedLine:
    """Hands requests straight to a sandbox in this process, which its opener closes."""

    def __init__(self, sandbox: Answers) -> None:
        self._sandbox = sandbox

    async def exchange(self, asked: Asked, limit: int) -> Got | Failure:
        """See `Line.exchange`."""
        headers = {name.lower(): value for name, value in asked.headers.items()}
        body = asked.content or b""
        if body:
            headers["content-length"] = str(len(body))
        try:
            status, found, content = await self._sandbox.respond(
                asked.method, unquote(asked.path), urlencode(asked.params or {}), headers, body
            )
        except ConnectionError:
            return Failure(Trouble.BROKEN)
        if len(content) > limit:
            return Failure(Trouble.TOO_LARGE, f"over {limit} bytes")
        await asyncio.sleep(0)  # as any line does: others get their turn
        return status, {name.lower(): value for name, value in found.items()}, content

    async def aclose(self) -> None:
        """Nothing is open."""
