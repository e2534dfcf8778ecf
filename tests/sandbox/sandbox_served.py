"""A sandbox served by a process of its own, and the same one open here."""

from __future__ import annotations

from http.client import HTTPConnection
from pathlib import Path

from flowplan.sandbox import daemon, open_sandbox
from flowplan.sandbox.web.view import view_token


class Served:
    """The two of them; neither runs commands."""

    def __init__(self, home: Path) -> None:
        self.url = daemon.start(home, 0, executes=False).url
        self.sandbox = open_sandbox(home, execute=False)

    @property
    def token(self) -> str:
        return view_token(self.sandbox.home)

    def request(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """One request over a connection of its own; header names with _ for -."""
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return self.request("GET", path, **headers)

    def close(self) -> None:
        self.sandbox.close()
        daemon.stop(self.sandbox.home)
