"""The sandbox as an ASGI application: a thin shell over `Sandbox.respond`, and the page for a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan.sandbox.faults.strikes import Broken

if TYPE_CHECKING:
    from flowplan.sandbox.sandbox import Sandbox

App = Callable[[Any, Any, Any], Awaitable[None]]
HANG_UP = "flowplan.hang_up"
"""The server's extension of an ASGI scope that closes the connection after what was sent."""


def asgi(sandbox: Sandbox) -> App:
    """The application that answers for an open sandbox."""
    from starlette.requests import Request
    from starlette.responses import Response

    from flowplan.sandbox.web.view import View

    view = View(sandbox)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the sandbox speaks HTTP only, not {scope['type']}")
        request = Request(scope, receive)
        given = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if view.handles(scope["path"]):
            status, headers, body = view.answer(request.method, scope["path"], given)
        else:
            query = scope["query_string"].decode("latin-1")
            try:
                status, headers, body = await sandbox.respond(
                    request.method, scope["path"], query, given, await request.body()
                )
            except Broken as broken:
                await _break_off(broken, scope, receive, send)
                return
        await Response(body, status, headers)(scope, receive, send)

    return answer


async def _break_off(broken: Broken, scope: Any, receive: Any, send: Any) -> None:
    """Send what there is of an answer and close the connection."""
    hang_up = scope.get("extensions", {}).get(HANG_UP)
    if hang_up is None:
        # A server that cannot do it, or a test without one: it must not look like an answer.
        raise broken
    if broken.partial is not None:
        status, headers, body = broken.partial
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body, "more_body": True})
    hang_up()
    while (await receive())["type"] != "http.disconnect":
        pass


def create_app(home: Path, clock: Callable[[], datetime] | None = None, execute: bool = True) -> App:
    """The application for the sandbox in ``home``, opened with the usual settings."""
    from flowplan.sandbox.sandbox import open_sandbox

    return open_sandbox(home, clock, execute).app
