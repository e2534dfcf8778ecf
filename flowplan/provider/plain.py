"""HTTP/1.1 over plain connections to this machine: the line to a sandbox that another process serves.

Why not by the library that all other servers are asked with: its layers take a millisecond for each page of a list, of
which a refresh of ten thousand resources has ninety, and half of a small plan goes into importing it. What it would
be needed for is not there on the way to oneself: no TLS, no proxy, no compression. What breaks the protocol in any
way is an answer that was lost.
"""

from __future__ import annotations

import asyncio
import re
import select
import socket
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

from flowplan.provider.failure import Failure, Trouble
from flowplan.provider.lines import Asked, Got

_MOST_HEAD = 100_000
"""The longest head of an answer, in bytes."""
_IDLE_S = 4.0
"""How long a connection may lie idle and be used again; servers hang up after five seconds."""
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*)?")
_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?")
_TARGET = re.compile(r"/[!-~]*")


class _Lost(Exception):
    """The exchange came to nothing; ``failure`` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def _broken() -> _Lost:
    return _Lost(Failure(Trouble.BROKEN))


class _Connection(asyncio.Protocol):
    """One connection: what has come in over it, and a way to wait for more."""

    def __init__(self, patience_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience_s = patience_s
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wanted = 0
        self._heard_at = self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self.buffer = bytearray()
        self.in_use = True
        self.ended = self.was_reset = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The event loop's word that it is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """The event loop's word that something came."""
        if not self.in_use:
            self.drop()  # nobody asked for anything
            return
        self.buffer += data
        self._heard_at = self._loop.time()
        if len(self.buffer) >= self._wanted:
            self._wake()

    def eof_received(self) -> bool:
        """The event loop's word that nothing more will come."""
        self.ended = True
        self._wake()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The event loop's word that it is gone."""
        self.was_reset = error is not None
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def send(self, data: bytes) -> None:
        """Write a request."""
        assert self._transport is not None
        self._transport.write(data)

    def drop(self) -> None:
        """Close it, whatever is still under way."""
        self.ended = True
        if self._transport is not None:
            self._transport.abort()

    def is_quiet(self) -> bool:
        """Whether it may be used again: it is open, nothing has come that nobody asked for, and it is not too old."""
        if self.ended or self.buffer or self._transport is None:
            return False
        if self._loop.time() - self.idle_since > _IDLE_S:
            return False
        # Why the socket is asked: an end that the event loop has not seen yet would be taken for a lost answer.
        there = select.poll()
        there.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not there.poll(0)

    async def until(self, size: int) -> bool:
        """Wait until so many bytes are there; False where the connection ends before.

        Raises:
            TimeoutError: nothing came for too long.
        """
        self._wanted = size
        while len(self.buffer) < size:
            if self.ended:
                return False
            self._waiter = self._loop.create_future()
            self._heard_at = self._loop.time()
            self._timer = self._loop.call_later(self._patience_s, self._look)
            try:
                await self._waiter
            finally:
                self._timer.cancel()
                self._waiter = None
        return True

    def _look(self) -> None:
        """End a wait in which nothing came; else look again when that would be so."""
        left = self._heard_at + self._patience_s - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    async def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        if not await self.until(size):
            raise _broken()
        taken = bytes(memoryview(self.buffer)[:size])
        del self.buffer[:size]
        return taken

    async def take_to(self, end: bytes, most: int) -> bytes:
        """What comes before ``end``, which is taken too."""
        while (at := self.buffer.find(end)) < 0:
            if len(self.buffer) > most or not await self.until(len(self.buffer) + 1):
                raise _broken()
        if at > most:
            raise _broken()
        return (await self.take(at + len(end)))[:at]


class PlainLine:
    """Asks one server on this machine; ``url`` is its address. Connections are kept and used again."""

    def __init__(self, url: str, connect_timeout: float, read_timeout: float) -> None:
        self._url = url
        self._connect_timeout, self._read_timeout = connect_timeout, read_timeout
        self._idle: list[_Connection] = []

    async def exchange(self, asked: Asked, limit: int) -> Got | Failure:
        """See `flowplan.provider.lines.Line.exchange`."""
        try:
            host, port, request = self._request(asked)
        except ValueError:
            return Failure(Trouble.URL)
        connection: _Connection | None = None
        done = False
        try:
            connection = self._kept() or await self._connect(host, port)
            connection.send(request)
            got, done = await _answer(connection, limit)
            return got
        except _Lost as lost:
            return lost.failure
        except TimeoutError:
            return Failure(Trouble.TIMEOUT)
        finally:
            if connection is not None:
                self._put_back(connection, done)

    async def aclose(self) -> None:
        """See `flowplan.provider.lines.Line.aclose`."""
        for connection in self._idle:
            connection.drop()
        self._idle.clear()
        await asyncio.sleep(0)  # the event loop closes them in its next round

    def _request(self, asked: Asked) -> tuple[str, int, bytes]:
        """Where to, and the bytes of a request.

        Raises:
            ValueError: something in it has no place in a request.
        """
        url = urlsplit(self._url)
        target = url.path + asked.path + (f"?{urlencode(asked.params)}" if asked.params else "")
        if not url.hostname or not _TARGET.fullmatch(target):
            raise ValueError("no address that can be asked")
        host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
        headers = {
            "Host": host if url.port is None else f"{host}:{url.port}",
            "Accept-Encoding": "identity",
            **asked.headers,
        }
        if asked.content is not None or asked.method not in ("GET", "HEAD", "DELETE"):
            headers["Content-Length"] = str(len(asked.content or b""))
        lines = [f"{asked.method} {target} HTTP/1.1"]
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"the header {name} is not printable")
            lines.append(f"{name}: {value}")
        head = "\r\n".join(lines).encode("ascii")
        return url.hostname, url.port or 80, head + b"\r\n\r\n" + (asked.content or b"")

    def _kept(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_quiet():
                connection.in_use = True
                return connection
            connection.drop()
        return None

    def _put_back(self, connection: _Connection, done: bool) -> None:
        if not done or connection.buffer or connection.ended:
            connection.drop()
            return
        connection.in_use = False
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)

    async def _connect(self, host: str, port: int) -> _Connection:
        loop = asyncio.get_running_loop()
        trouble = Trouble.CONNECT
        try:
            async with asyncio.timeout(self._connect_timeout):
                for address in await _addresses(host, port):
                    connection = _Connection(self._read_timeout)
                    try:
                        await loop.create_connection(lambda one=connection: one, address, port)  # type: ignore[misc]
                        return connection
                    except ConnectionRefusedError:
                        trouble = Trouble.REFUSED
        except TimeoutError:
            trouble = Trouble.CONNECT_TIMEOUT
        except socket.gaierror:
            trouble = Trouble.UNRESOLVED
        except OSError:
            trouble = Trouble.CONNECT
        raise _Lost(Failure(trouble))


async def _addresses(host: str, port: int) -> list[str]:
    """The addresses of a name that this machine has for itself."""
    if host != "localhost":
        return [host]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


async def _answer(connection: _Connection, limit: int) -> tuple[Got, bool]:
    """The next answer that comes in, and whether the connection may be used for another request."""
    while True:
        head = await connection.take_to(b"\r\n\r\n", _MOST_HEAD)
        first, *lines = head.split(b"\r\n")
        status = _STATUS.fullmatch(first)
        if status is None:
            raise _broken()
        code, headers = int(status[2]), _headers(lines)
        if code >= 200:
            break
        if code == 101:
            raise _broken()  # nobody asked for another protocol
    body, is_framed = await _body(connection, code, headers, limit)
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise _broken()  # nobody asked for that
    words = [word.strip().lower() for word in headers.get("connection", "").split(",")]
    keeps = is_framed and "close" not in words and (status[1] == b"1" or "keep-alive" in words)
    return (code, headers, body), keeps


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in _fields(lines):
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _fields(lines: list[bytes]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(b":")
        text = value.strip(b" \t").decode("latin-1")
        if not colon or not _NAME.fullmatch(name) or "\r" in text or "\n" in text or "\0" in text:
            raise _broken()
        yield name.decode("ascii").lower(), text


async def _body(
    connection: _Connection, code: int, headers: dict[str, str], limit: int
) -> tuple[bytes, bool]:
    """The body, and whether its end was marked otherwise than by the end of the connection."""
    if code in (204, 304):
        return b"", True
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.strip().lower() != "chunked" or "content-length" in headers:
            raise _broken()
        return await _chunks(connection, limit), True
    length = headers.get("content-length")
    if length is not None:
        sizes = {size.strip() for size in length.split(",")}
        size = sizes.pop()
        if sizes or not re.fullmatch(r"[0-9]{1,15}", size):
            raise _broken()
        _bound(int(size), limit)
        return await connection.take(int(size)), True
    _bound(len(connection.buffer), limit)
    while await connection.until(len(connection.buffer) + 1):
        _bound(len(connection.buffer), limit)
    if connection.was_reset:
        raise _broken()
    return await connection.take(len(connection.buffer)), False


async def _chunks(connection: _Connection, limit: int) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        line = _SIZE.fullmatch(await connection.take_to(b"\r\n", _MOST_HEAD))
        if line is None:
            raise _broken()
        size = int(line[1], 16)
        if size == 0:
            break
        total += size
        _bound(total, limit)
        parts.append(await connection.take(size))
        if await connection.take(2) != b"\r\n":
            raise _broken()
    while await connection.take_to(b"\r\n", _MOST_HEAD):
        pass  # what comes after the last chunk says nothing that is asked for
    return b"".join(parts)


def _bound(size: int, limit: int) -> None:
    if size > limit:
        raise _Lost(Failure(Trouble.TOO_LARGE, f"over {limit} bytes"))
