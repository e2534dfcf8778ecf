"""The sandbox held against the provider's OpenAPI document: what may be answered, and how to ask over a socket."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

OPENAPI = Path(__file__).parents[2] / "../shared/spec/mithril-openapi.json"
METHODS = ("GET", "POST", "PATCH", "DELETE")

# Errors the document does not mention. Any call may be refused for its key (401), its rights (403) or an id that is
# not there (404); the others are those that provider.md tells of.
EVERYWHERE = {401, 403, 404}
UNDOCUMENTED = {
    "POST /v2/ssh-keys": {400, 501},
    "DELETE /v2/ssh-keys/{ssh_key_fid}": {400},
    "POST /v2/spot/bids": {400},
    "PATCH /v2/spot/bids/{bid_fid}": {400, 409},
    "DELETE /v2/spot/bids/{bid_fid}": {409},
    "GET /v2/reservation/quote": {400},
    "GET /v2/reservation/{reservation_fid}/extension-availability": {400},
    "POST /v2/reservation": {400},
    "PATCH /v2/reservation/{reservation_fid}": {400},
    "POST /v2/reservation/{reservation_fid}/extend": {400},
    "POST /v2/volumes": {409},
    "PATCH /v2/volumes/{volume_fid}": {409},
    "DELETE /v2/volumes/{volume_fid}": {400, 409},
    "POST /v2/kubernetes/clusters": {400},
    "DELETE /v2/kubernetes/clusters/{cluster_fid}": {409},
}
MODES = {
    "slots": {"type": "array", "items": {"$ref": "#/components/schemas/AvailabilitySlotModel"}},
    "latest_end_time": {"$ref": "#/components/schemas/GetLatestEndTimeResponse"},
    "check": {"$ref": "#/components/schemas/CheckAvailabilityResponse"},
}


@cache
def document() -> dict[str, Any]:
    """The document, with ``nullable`` said in the words of JSON Schema (a query has no null, so there it goes)."""
    found = nullable(json.loads(OPENAPI.read_text()))
    for methods in found["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                options = parameter["schema"].get("anyOf", ())
                if {"type": "null"} in options:
                    parameter["schema"] = options[0]
    return found


def nullable(schema: Any) -> Any:
    if isinstance(schema, list):
        return [nullable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: nullable(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [found, {"type": "null"}]} if schema.get("nullable") is True else found


@cache
def operations() -> dict[str, dict[str, Any]]:
    """Every operation by its label, such as ``GET /v2/me``."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    }


@cache
def validator(label: str, status: int, mode: str = "") -> Any:
    """What a documented answer must look like; None for a status that the document has no body for."""
    import jsonschema_rs

    content = operations()[label]["responses"][str(status)].get("content", {}).get("application/json")
    if content is None:
        return None
    schema = MODES[mode] if mode else content["schema"]
    return jsonschema_rs.validator_for({**schema, "components": document()["components"]})


@cache
def body_validator(label: str) -> Any:
    import jsonschema_rs

    content = operations()[label].get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    return jsonschema_rs.validator_for({**content["schema"], "components": document()["components"]})


@cache
def label_of(method: str, path: str) -> str | None:
    """The operation that a request means; a literal path comes before one with a placeholder."""
    found = [
        label
        for label in operations()
        if label.split()[0] == method
        and re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(label.split()[1])), path)
    ]
    return min(found, key=lambda label: label.count("{"), default=None)


def judge(label: str, status: int, answer: Any, query: Mapping[str, Any], body: Any = None) -> None:
    """Assert that an answer is one the document or provider.md allows."""
    assert status < 500 or status in (501, 502), f"{label} answered {status}: {answer}"
    if str(status) in operations()[label]["responses"]:
        mode = ""
        if label == "GET /v2/reservation/availability" and status == 200:
            mode = str(query.get("mode") or "latest_end_time")
        if status == 204:
            assert answer is None, label
            return
        wanted = validator(label, status, mode)
        if wanted is None:
            assert isinstance(answer["detail"], str | list), label
        else:
            problems = [error.message for error in wanted.iter_errors(answer)]
            assert not problems, f"{label} {status}: {problems[:3]} in {str(answer)[:500]}"
        if 200 <= status < 300 and body is not None and body_validator(label) is not None:
            # A null stands for what was left out (provider.md 7-22).
            problems = [error.message for error in body_validator(label).iter_errors(without_nulls(body))]
            assert not problems, f"{label} took what the document forbids: {problems[:3]} in {body}"
        return
    assert status in EVERYWHERE | UNDOCUMENTED.get(label, set()), f"{label} answered {status}: {answer}"
    assert isinstance(answer["detail"], str), f"{label} {status}: {answer}"


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


class Caller:
    """Asks a served sandbox, judges every answer, and remembers which operations were answered how."""

    def __init__(self, port: int, key: str) -> None:
        self.key = key
        self.counts: Counter[tuple[str, int]] = Counter()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        raw: bytes | None = None,
        label: str | None = None,
        key: str | None = None,
    ) -> tuple[int, Any]:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        words = urlencode(given, doseq=True, errors="replace")
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        target = quote(path, safe="/%") + (f"?{words}" if words else "")
        self._connection.request(method, target, content, headers)
        response = self._connection.getresponse()
        data = response.read()
        if data:
            assert response.headers["content-type"] == "application/json", (target, data)
        answer = json.loads(data) if data else None
        assert response.headers["date"] and response.headers["x-request-id"]
        label = label or label_of(method, path)
        if label is not None:
            judge(label, response.status, answer, given, body)
            self.counts[label, response.status] += 1
        return response.status, answer

    def close(self) -> None:
        self._connection.close()


@contextmanager
def served(sandbox: Any) -> Iterator[int]:
    """The port of a socket on which a sandbox answers meanwhile."""
    import asyncio
    import socket

    import uvicorn

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        sandbox.app, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=600
    )
    server = uvicorn.Server(config)
    ready = threading.Event()

    async def run() -> None:
        task = asyncio.ensure_future(server.serve(sockets=[listener]))
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        ready.set()
        await task

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
