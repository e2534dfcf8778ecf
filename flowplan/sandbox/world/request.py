"""What comes in over the wire and what goes out, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen


@frozen
class Request:
    """One authorised request: ``query`` holds one text per name, ``body`` the parsed JSON (None if absent)."""

    method: str
    path: str
    query: Mapping[str, str] = field(factory=dict)
    body: Any = None
    idempotency_key: str = ""


@frozen
class Response:
    """An answer: ``body`` is JSON data; None means no body at all (204)."""

    status: int
    body: Any = None


class Refusal(Exception):
    """Ends a request with an error answer (provider.md 3.1); whatever the request had changed is undone."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(f"{status}: {detail}")
        self.response = Response(status, {"detail": detail})


def refuse_fields(problems: Sequence[tuple[Sequence[str | int], str, str]]) -> Refusal:
    """A 422 in the shape of provider.md 3.1, from (location, message, type) of every problem."""
    return Refusal(422, [{"loc": list(loc), "msg": message, "type": kind} for loc, message, kind in problems])


def refuse_field(location: Sequence[str | int], message: str) -> Refusal:
    """A 422 about one field."""
    return refuse_fields([(location, message, "value_error")])
