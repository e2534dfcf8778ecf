"""The plain line to this machine, byte for byte: it reads what the library reads, keeps what can be kept, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.provider.failure import Failure, Trouble
from flowplan.provider.lines import Asked, Got, HttpxLine
from flowplan.provider.plain import PlainLine

pytestmark = pytest.mark.process

ASKED = Asked("GET", "/v2/me", {"name": "a b", "limit": "1"}, {"Accept": "application/json"})
Pieces = Sequence[bytes]
"""The bytes of an answer as they are written, with a pause between them."""


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[int]:
    """The port of a server on this machine, which is gone at the end with all its connections."""
    open_ones: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_ones:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


class Desk:
    """A server that gives one scripted answer to each request; an answer that ends in None is the connection's last."""

    def __init__(self, answers: Sequence[Sequence[bytes | None]]) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.heads: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while self.answers:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            for piece in self.answers.pop(0):
                if piece is None:
                    return
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)


def over(
    answers: Sequence[Sequence[bytes | None]],
    work: Callable[[PlainLine, Desk], Awaitable[Any]],
    patience: float = 5.0,
) -> Any:
    async def run() -> Any:
        desk = Desk(answers)
        async with served(desk.serve) as port:
            line = PlainLine(f"http://127.0.0.1:{port}", 5.0, patience)
            try:
                return await work(line, desk)
            finally:
                await line.aclose()

    return asyncio.run(run())


def ask(
    answers: Sequence[Sequence[bytes | None]], limit: int = 10_000, patience: float = 5.0
) -> Got | Failure:
    got: Got | Failure = over(answers, lambda line, desk: line.exchange(ASKED, limit), patience)
    return got


async def by_library(url: str, limit: int) -> Got | Failure:
    import httpx

    line = HttpxLine(url, httpx.AsyncClient(trust_env=False, timeout=5.0))
    try:
        return await line.exchange(ASKED, limit)
    finally:
        await line.aclose()


def pieces(data: bytes, cuts: Sequence[int]) -> Pieces:
    """``data`` in pieces, cut at these places."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """An answer as servers write them: any status and body, its end marked in any of the three ways."""
    body = draw(st.binary(max_size=3000))
    status = draw(st.sampled_from([200, 201, 204, 304, 404, 422, 500]))
    text = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)
    more = draw(st.dictionaries(st.sampled_from(["X-A", "x-b", "Date", "Retry-After"]), text, max_size=3))
    lines = [f"HTTP/1.1 {status} {draw(st.sampled_from(['OK', 'Not so good', '']))}"]
    lines += [f"{name}:{draw(st.sampled_from(['', ' ', '  ']))}{value}" for name, value in more.items()]
    before = b"HTTP/1.1 100 Continue\r\n\r\n" if draw(st.booleans()) else b""
    framing = "none" if status in (204, 304) else draw(st.sampled_from(["length", "chunked", "end"]))
    if framing == "length":
        lines.append(f"Content-Length: {len(body)}")
    elif framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
        parts = [p for p in pieces(body, draw(st.lists(st.integers(0, 3000), max_size=4))) if p]
        mark = draw(st.sampled_from([b"", b";x=y"]))
        body = b"".join(b"%x%b\r\n%b\r\n" % (len(p), mark, p) for p in parts) + b"0\r\n"
        body += draw(st.sampled_from([b"\r\n", b"x-trailer: 1\r\n\r\n"]))
    elif framing == "end":
        lines.append("Connection: close")
    else:
        body = b""
    return before + "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@settings(max_examples=60, deadline=None)
@given(answers(), st.lists(st.integers(0, 4000), max_size=5), st.sampled_from([500, 10_000]))
def test_it_reads_what_the_library_reads(data: bytes, cuts: list[int], limit: int) -> None:
    async def both(line: PlainLine, desk: Desk) -> tuple[Got | Failure, Got | Failure]:
        return await line.exchange(ASKED, limit), await by_library(line._url, limit)

    ours, theirs = over([[*pieces(data, cuts), None]] * 2, both)
    if isinstance(theirs, Failure):
        assert ours == theirs
    else:
        assert ours[0] == theirs[0] and ours[2] == theirs[2]
        assert {n: v.strip() for n, v in theirs[1].items()} == ours[1]


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def test_a_connection_is_used_again() -> None:
    async def thrice(line: PlainLine, desk: Desk) -> int:
        for _ in range(3):
            assert (await line.exchange(ASKED, 99))[2] == b"{}"  # type: ignore[index]
        assert desk.heads[0].startswith(b"GET /v2/me?name=a+b&limit=1 HTTP/1.1\r\nHost: 127.0.0.1:")
        return desk.connections

    assert over([[OK]] * 3, thrice) == 1


@pytest.mark.parametrize(
    "first",
    [
        [OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")],
        [OK.replace(b"HTTP/1.1", b"HTTP/1.0")],
        [OK, None],
        [OK + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nforged"],
        [OK, b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged"],
    ],
)
def test_what_cannot_be_kept_is_not(first: Sequence[bytes | None]) -> None:
    """Neither a connection that has ended nor one over which comes what nobody asked for: that is no answer."""

    async def twice(line: PlainLine, desk: Desk) -> tuple[Any, int]:
        assert (await line.exchange(ASKED, 99))[2] == b"{}"  # type: ignore[index]
        await asyncio.sleep(0.02)  # whatever else is coming has come
        return await line.exchange(ASKED, 99), desk.connections

    got, connections = over([first, [OK]], twice)
    assert got[2] == b"{}" and connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: 1\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\na: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_answer_was_lost(answer: bytes) -> None:
    assert ask([[answer, None]]) == Failure(Trouble.BROKEN)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n65\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101,
    ],
)
def test_too_much_is_not_waited_for(answer: bytes) -> None:
    got = ask([[answer, None]], limit=100)
    assert isinstance(got, Failure) and got.trouble is Trouble.TOO_LARGE


def test_a_server_may_be_slow_as_long_as_it_goes_on() -> None:
    """What is waited for in vain is the next bytes, not all of them."""
    body = b"x" * 30
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n"

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        for at in range(30):
            writer.write(body[at : at + 1])
            await asyncio.sleep(0.02)

    async def run(patience: float) -> Got | Failure:
        async with served(drip) as port:
            line = PlainLine(f"http://127.0.0.1:{port}", 5.0, patience)
            try:
                return await line.exchange(ASKED, 100)
            finally:
                await line.aclose()

    got = asyncio.run(run(0.4))
    assert not isinstance(got, Failure) and got[2] == body
    assert asyncio.run(run(0.001)) == Failure(Trouble.TIMEOUT)


def test_a_name_of_this_machine_is_tried_at_all_its_addresses() -> None:
    """The server listens at one of them; the other refuses."""

    async def run() -> tuple[Any, Any]:
        async with served(Desk([[OK]]).serve) as port:
            line = PlainLine(f"http://localhost:{port}", 5.0, 5.0)
            got = await line.exchange(ASKED, 99)
            await line.aclose()
        return got, await PlainLine(f"http://localhost:{port}", 5.0, 5.0).exchange(ASKED, 99)

    got, refused = asyncio.run(run())
    assert got[2] == b"{}" and refused == Failure(Trouble.REFUSED)


@pytest.mark.parametrize(
    ("url", "path", "headers"),
    [
        ("http://127.0.0.1:nope", "/v2/me", {}),
        ("http://127.0.0.1:1", "/v2/a b", {}),
        ("http://127.0.0.1:1", "/v2/a\r\nX: 1", {}),
        ("http://127.0.0.1:1", "/v2/me", {"Authorization": "Bearer a\r\nX: 1"}),
        ("http://127.0.0.1:1", "/v2/me", {"Authorization": "Bearer ü"}),
    ],
)
def test_nothing_is_smuggled_into_a_request(url: str, path: str, headers: dict[str, str]) -> None:
    got = asyncio.run(PlainLine(url, 1.0, 1.0).exchange(Asked("GET", path, None, headers), 99))
    assert got == Failure(Trouble.URL)


def test_neither_body_nor_headers_are_in_a_repr() -> None:
    asked = Asked("POST", "/v2/volumes", None, {"Authorization": "Bearer hush"}, b"hush")
    assert "hush" not in repr(asked)
