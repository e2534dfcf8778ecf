"""The sandbox as an ASGI application: a thin shell over `Sandbox.handle`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowplan.sandbox.sandbox import Sandbox

App = Callable[[Any, Any, Any], Awaitable[None]]


def asgi(sandbox: Sandbox) -> App:
    """The application that answers for an open sandbox."""
    from starlette.requests import Request
    from starlette.responses import Response

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the sandbox speaks HTTP only, not {scope['type']}")
        request = Request(scope, receive)
        status, headers, body = sandbox.handle(
            request.method,
            scope["path"],
            scope["query_string"].decode("latin-1"),
            {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            await request.body(),
        )
        await Response(body, status, headers)(scope, receive, send)

    return answer


def create_app(home: Path, clock: Callable[[], datetime] | None = None, execute: bool = True) -> App:
    """The application for the sandbox in ``home``, opened with the usual settings."""
    from flowplan.sandbox.sandbox import open_sandbox

    return open_sandbox(home, clock, execute).app
