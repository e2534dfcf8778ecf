"""A client of the sandbox that checks every answer against the provider's OpenAPI document, where that is at hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sandbox_real import enclosed, real  # noqa: F401 - fixtures for all

from flowplan.sandbox import Sandbox, open_sandbox

_OPENAPI = Path(__file__).parents[2] / "../shared/spec/mithril-openapi.json"
HOME_REGION = "us-central1-b"


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: Any) -> None:
        self.status, self.headers, self.body = status, headers, body

    def __getitem__(self, key: str) -> Any:
        return self.body[key]

    @property
    def detail(self) -> str:
        return str(self.body["detail"])

    @property
    def places(self) -> set[str]:
        """The fields a 422 names."""
        return {".".join(map(str, problem["loc"])) for problem in self.body["detail"]}


class Client:
    """Calls a sandbox and knows the ids it needs."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.project = self.get("/v2/projects").body[0]["fid"]
        self.key = self.get("/v2/ssh-keys", project=self.project).body[0]["fid"]
        names = {row["fid"]: row["name"] for row in self.get("/v2/instance-types").body}
        rows = self.get("/v2/spot/availability").body
        self.types = {(names[row["instance_type"]], row["region"]): row["instance_type"] for row in rows}
        self.h100 = self.types["h100-80gb.sxm.8x", HOME_REGION]

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        from urllib.parse import urlencode

        content = b"" if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.sandbox.api_key}", **(headers or {})}
        status, answered, data = self.sandbox.handle(method, path, urlencode(query or {}), sent, content)
        found = json.loads(data) if data else None
        check(method, path, status, found)
        return Answer(status, answered, found)

    def get(self, path: str, **query: Any) -> Answer:
        return self.call("GET", path, query=query)

    def post(self, path: str, **body: Any) -> Answer:
        return self.call("POST", path, body)

    def patch(self, path: str, **body: Any) -> Answer:
        return self.call("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def bid_body(
        self, name: str = "job", limit: str = "$20.00", quantity: int = 1, **more: Any
    ) -> dict[str, Any]:
        launch = {"volumes": more.pop("volumes", []), "ssh_keys": more.pop("ssh_keys", [self.key])}
        if "script" in more:
            launch["startup_script"] = more.pop("script")
        return {
            "project": self.project,
            "region": HOME_REGION,
            "instance_type": self.h100,
            "limit_price": limit,
            "instance_quantity": quantity,
            "name": name,
            "launch_specification": launch,
            **more,
        }

    def bid(self, name: str = "job", limit: str = "$20.00", quantity: int = 1, **more: Any) -> Answer:
        return self.post("/v2/spot/bids", **self.bid_body(name, limit, quantity, **more))

    def volume(
        self, name: str = "data", interface: str = "File", region: str = HOME_REGION, size: int = 10
    ) -> Answer:
        return self.post(
            "/v2/volumes",
            name=name,
            project=self.project,
            disk_interface=interface,
            region=region,
            size_gb=size,
        )

    def reservation_body(
        self, start: datetime, hours: float, quantity: int = 1, **more: Any
    ) -> dict[str, Any]:
        return {
            "project": self.project,
            "instance_type": self.h100,
            "region": HOME_REGION,
            "start_time": start.isoformat(),
            "end_time": (start + timedelta(hours=hours)).isoformat(),
            "instance_quantity": quantity,
            "name": "block",
            "launch_specification": {"volumes": [], "ssh_keys": [self.key]},
            **more,
        }

    def status(self, fid: str) -> str:
        return str(self.get(f"/v2/spot/bids/{fid}/status")["status"])


@cache
def _document() -> dict[str, Any] | None:
    return json.loads(_OPENAPI.read_text()) if _OPENAPI.exists() else None


def _nullable(schema: Any) -> Any:
    """OpenAPI's ``nullable`` in the words of JSON Schema."""
    if isinstance(schema, list):
        return [_nullable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: _nullable(value)
        for key, value in schema.items()
        if key not in ("nullable", "example", "examples")
    }
    return {"anyOf": [found, {"type": "null"}]} if schema.get("nullable") is True else found


@cache
def _validators() -> list[tuple[str, re.Pattern[str], str, Any]]:
    import jsonschema_rs

    document = _document()
    assert document is not None
    schemas = _nullable(document["components"]["schemas"])
    found = []
    for path, methods in document["paths"].items():
        # Where both match, the literal path is meant.
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/json", {}).get("schema", {})
                schema = {**_nullable(content), "components": {"schemas": schemas}}
                validator = jsonschema_rs.validator_for(schema)
                found.append((f"{method.upper()} {status}", pattern, path, validator))
    return sorted(found, key=lambda item: item[2].count("{"))


def check(method: str, path: str, status: int, body: Any) -> None:
    """Assert that an answer has the documented shape, and that its times carry an offset."""
    if status == 204:
        assert body is None
        return
    _check_times(body)
    if status == 422 and "reason" not in body:
        assert all(set(problem) >= {"loc", "msg", "type"} for problem in body["detail"])
    if _document() is None or path == "/v2/reservation/availability":
        return
    for key, pattern, _, validator in _validators():
        if key == f"{method} {status}" and pattern.fullmatch(path):
            validator.validate(body)
            return
    assert status >= 400, f"{method} {path} has no documented answer {status}"


def _check_times(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str) and key.endswith(("_at", "_time", "timestamp")):
                assert datetime.fromisoformat(item).tzinfo is not None
            _check_times(item)
    elif isinstance(value, list):
        for item in value:
            _check_times(item)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(tmp_path: Path, clock: Clock) -> Iterator[Client]:
    """A client of a fresh sandbox that runs no commands."""
    sandbox = open_sandbox(tmp_path / "home", clock, execute=False)
    yield Client(sandbox)
    sandbox.close()


@pytest.fixture
def make_client() -> Callable[[Sandbox], Client]:
    return Client
