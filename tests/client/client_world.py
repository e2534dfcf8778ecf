"""What the Python API's tests share: small configurations, and hands behind the Flow's back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx  # noqa: TID253 - tests of requests need it anyway

from flowplan.models import TaskConfig
from flowplan.sandbox import Sandbox, open_sandbox


def config(command: Any = "true", **more: Any) -> TaskConfig:
    """A small task."""
    given = {
        "name": "job",
        "instance_type": "a100",
        "max_price_per_hour": 3.0,
        "upload_code": False,
        "command": command,
        "image": "",
    }
    return TaskConfig(**{**given, **more})


def pause(sandbox: Sandbox, task_id: str, paused: bool = True) -> None:
    """Pause a bid behind the Flow's back, as the provider's console would."""
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    body = json.dumps({"paused": paused}).encode()
    status, _, answer = sandbox.handle("PATCH", f"/v2/spot/bids/{task_id}", "", headers, body)
    assert status == 200, answer


def with_sandbox(home: Path, do: Callable[[Sandbox], Any]) -> Any:
    sandbox = open_sandbox(home)
    try:
        return do(sandbox)
    finally:
        sandbox.close()


class Recording(httpx.AsyncBaseTransport):
    """Passes requests on and remembers them; ``lose`` says of which the answer is lost, ``drop`` which never arrive."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.seen: list[tuple[str, str]] = []
        self.lose: Callable[[httpx.Request], bool] = lambda _: False
        self.drop: Callable[[httpx.Request], bool] = lambda _: False

    @property
    def sent(self) -> list[tuple[str, str]]:
        """The mutating requests."""
        return [one for one in self.seen if one[0] != "GET"]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append((request.method, request.url.path))
        if self.drop(request):
            raise httpx.ReadTimeout("no answer", request=request)
        response = await self.inner.handle_async_request(request)
        if self.lose(request):
            raise httpx.ReadError("cut off", request=request)
        return response
