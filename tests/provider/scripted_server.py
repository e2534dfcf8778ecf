"""A server on a real loopback socket whose every answer is scripted, byte for byte, faults included."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from attrs import define, frozen


@frozen
class Request:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@frozen
class Raw:
    """Bytes to write as they are; then the connection is closed, or reset."""

    content: bytes = b""
    reset: bool = False
    hang: bool = False


def answer(status: int = 200, document: Any = None, **headers: str) -> Raw:
    """A JSON answer (no body for None); header names are written with ``_`` for ``-``."""
    body = b"" if document is None else json.dumps(document).encode()
    kind = {} if document is None else {"content-type": "application/json"}
    return raw(status, body, **kind, **{name.replace("_", "-"): value for name, value in headers.items()})


def raw(status: int, body: bytes, **headers: str) -> Raw:
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return Raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


Reply = Raw | Callable[[Request], Raw]


@define
class _Route:
    replies: list[Reply]


class ScriptedServer:
    """``on(method, path, *replies)`` scripts a route: one reply a request, the last one for ever."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._routes: dict[tuple[str, str], _Route] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def on(self, method: str, path: str, *replies: Reply) -> None:
        self._routes[method, path] = _Route(list(replies))

    def seen(self, method: str, path: str | None = None) -> list[Request]:
        return [r for r in self.requests if r.method == method and path in (None, r.path)]

    def __enter__(self) -> ScriptedServer:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        with socket.create_connection(self._listener.getsockname()):
            pass
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._closing.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            request = _read(connection)
            if request is None:
                return
            with self._lock:
                self.requests.append(request)
                route = self._routes.get((request.method, request.path))
                if route is None:
                    reply: Reply = answer(404, {"detail": "Not Found"})
                else:
                    reply = route.replies.pop(0) if len(route.replies) > 1 else route.replies[0]
            made = reply if isinstance(reply, Raw) else reply(request)
            if made.hang:
                self._closing.wait(30)
            if made.reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            try:
                connection.sendall(made.content)
            except OSError:
                return  # the client hung up first: what some tests are about


def _read(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            more = connection.recv(65536)
        except OSError:
            return None
        if not more:
            return None
        data += more
        if data[:1] == b"\x16":  # the client speaks TLS; a plain server does not
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return None
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    method, target, _ = first.split(" ")
    parts = urlsplit(target)
    return Request(method, parts.path, dict(parse_qsl(parts.query)), headers, body)
