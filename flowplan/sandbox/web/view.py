"""Answers to a browser: three files, and the sandbox as JSON for who has the token of the page's address."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan.sandbox.keyring import read_secret
from flowplan.sandbox.report import overview, standings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowplan.sandbox.sandbox import Sandbox

TOKEN_HEADER = "x-sandbox-view"  # noqa: S105 - the name of a header
_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
_LIVE = "/live.json"
_HOURS = 24.0
_PATIENCE_S = 10.0
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class View:
    """The page of an open sandbox. ``token`` opens it, and opens nothing else."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.token = view_token(sandbox.home)

    def handles(self, path: str) -> bool:
        """Whether a path is the page's, not the API's."""
        return path in _FILES or path == _LIVE

    def answer(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Answer one request: (status, headers, body)."""
        if method not in ("GET", "HEAD"):
            return self._text(405, "The page is to be looked at.")
        # Why: a page elsewhere whose name was made to mean this machine must not read it.
        if _LOOPBACK.fullmatch(headers.get("host", "")) is None:
            return self._text(403, "The page is for this machine only.")
        if path in _FILES:
            name, kind = _FILES[path]
            return self._whole(200, kind, (Path(__file__).parent / name).read_bytes())
        if not hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self.token.encode()):
            return self._text(401, "Open the address that flowplan sandbox status prints.")
        shown = {**overview(self._sandbox), "markets": standings(self._sandbox, _HOURS), "hours": _HOURS}
        shown.pop("charges")
        return self._whole(200, "application/json", json.dumps(shown).encode())

    def _text(self, status: int, text: str) -> tuple[int, dict[str, str], bytes]:
        return self._whole(status, "text/plain; charset=utf-8", text.encode())

    def _whole(self, status: int, kind: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        return status, {**_HEADERS, "content-type": kind, "content-length": str(len(body))}, body


def view_token(home: Path) -> str:
    """The token of a sandbox's page, made on first use.

    Raises:
        OSError: its file can be neither read nor made.
    """
    return read_secret(home / "view-token", lambda: secrets.token_urlsafe(24))


def view_of(url: str, home: Path) -> dict[str, Any]:
    """What the page of a served sandbox shows now; empty if its server does not answer."""
    from urllib.request import ProxyHandler, Request, build_opener

    request = Request(f"{url}{_LIVE}", headers={TOKEN_HEADER: view_token(home)})  # noqa: S310 - the server's own address
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=_PATIENCE_S) as answer:
            found: dict[str, Any] = json.load(answer)
    except (OSError, ValueError):
        return {}
    return found


def page_url(url: str, home: Path) -> str:
    """The address of the page of a served sandbox; what follows the # is not sent over the wire."""
    return f"{url}/#{view_token(home)}"
