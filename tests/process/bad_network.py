"""A proxy that is a bad network: it resets, swallows, cuts off, delays and falsifies, as it is told."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from contextlib import suppress

from attrs import define, field
from flowplan_program import PATIENCE_S, Proxy, _read_request

_HTML = b"<html><head><title>oops</title></head><body>nginx</body></html>"


@define(eq=False)
class Fault:
    """What becomes of requests of a method whose path a pattern fits, so many ``times`` (-1: always).

    Kinds that end in ``, done`` let the server take the request first; the others do not, where both make sense.
    """

    method: str
    pattern: str
    kind: str
    times: int = 1
    met: int = 0
    reached: threading.Event = field(factory=threading.Event)

    def fits(self, method: str, path: str) -> bool:
        is_meant = self.method in (method, "ANY")
        return self.times != 0 and is_meant and re.fullmatch(self.pattern, path) is not None


class BadNetwork(Proxy):
    """A `Proxy` with faults."""

    def __init__(self, target: str) -> None:
        self.faults: list[Fault] = []
        self._over = threading.Event()
        super().__init__(target)

    def fault(self, method: str, pattern: str, kind: str, times: int = 1) -> Fault:
        """Add a fault; the first that fits is met."""
        made = Fault(method, pattern, kind, times)
        self.faults.append(made)
        return made

    def close(self) -> None:
        self._over.set()
        super().close()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if (request := _read_request(client)) is None:
                return
            method, path, content = request
            with self._lock:
                self.requests.append((method, path))
                fault = next((f for f in self.faults if f.fits(method, path)), None)
                if fault is not None:
                    fault.times -= 1
                    fault.met += 1
                    fault.reached.set()
            if fault is None:
                client.sendall(self._forward(content))
                return
            kind, is_done = fault.kind.removesuffix(", done"), fault.kind.endswith(", done")
            answer = self._forward(content) if is_done or kind == "trickle" else b""
            self._do(client, kind, answer)

    def _do(self, client: socket.socket, kind: str, answer: bytes) -> None:
        head, _, body = answer.partition(b"\r\n\r\n")
        if kind == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif kind == "silence":
            self._over.wait(PATIENCE_S)
        elif kind == "truncated":
            client.sendall(head + b"\r\n\r\n" + body[: len(body) // 2])
        elif kind == "trickle":
            for start in range(0, len(answer), 64):
                client.sendall(answer[start : start + 64])
                time.sleep(0.005)
        elif kind == "wrong content type":
            client.sendall(_answer(200, "text/html", _HTML))
        elif kind == "invalid json":
            client.sendall(_answer(200, "application/json", b'{"fid": "bid_'))
        elif kind == "another document":
            client.sendall(_answer(200, "application/json", b'["not", "what", "was", "asked"]'))
        elif kind == "429":
            client.sendall(_answer(429, "application/json", b'{"detail": "slow down"}', "Retry-After: 0"))
        else:
            client.sendall(_answer(int(kind), "text/html", _HTML))


def _answer(status: int, kind: str, body: bytes, more: str = "") -> bytes:
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    lines += [more] if more else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
