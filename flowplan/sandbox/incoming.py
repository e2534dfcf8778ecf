"""From the parts of an HTTP request to a `Request`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from flowplan.sandbox.world.request import Request, Response

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


def read_request(
    method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> Request | Response:
    """The request, or the answer to one that cannot be read. Header names are in lower case."""
    try:
        data = json.loads(body, parse_constant=_no_constant) if body.strip() else None
    except (ValueError, RecursionError):
        problem = {"loc": ["body", 0], "msg": "JSON decode error", "type": "json_invalid"}
        return Response(422, {"detail": [problem]})
    host = headers.get("host", "")
    return Request(
        method,
        path,
        _parse_query(query),
        data,
        headers.get("idempotency-key", ""),
        base_url=f"http://{host if _HOST.fullmatch(host) else 'sandbox'}",
    )


def read_secret(headers: Mapping[str, str]) -> str:
    """The key in the header ``Authorization: Bearer KEY``; "" if there is none of that form."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _parse_query(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        # A list may come as repeated parameters too; both spellings mean the same.
        found[name] = f"{found[name]},{value}" if name in found and name.endswith("_in") else value
    return found
