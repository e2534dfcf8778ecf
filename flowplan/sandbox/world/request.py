"""What comes in over the wire and what goes out, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field

from flowplan.values.classes import frozen


@frozen
class Caller:
    """Who asks: the user's id and rights, and the projects that the key used opens."""

    user: str = ""
    projects: frozenset[str] = frozenset()
    is_admin: bool = False


@frozen
class Request:
    """One authorised request: ``query`` holds one text per name, ``body`` the parsed JSON (None if absent).

    ``base_url`` is the server's address as the client knows it.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(factory=dict)
    body: Any = None
    idempotency_key: str = ""
    caller: Caller = Caller()
    base_url: str = "http://sandbox"


@frozen
class Response:
    """An answer: ``body`` is JSON data; None means no body at all (204).

    ``text`` is the body as JSON text already, instead of ``body``. An answer that ``is_secret`` holds something
    that is shown this once and kept nowhere.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(factory=dict)
    text: str | None = None
    is_secret: bool = False


class Refusal(Exception):
    """Ends a request with an error answer (provider.md 3.1); whatever the request had changed is undone."""

    def __init__(
        self, status: int, detail: Any, headers: Mapping[str, str] | None = None, **more: str
    ) -> None:
        super().__init__(f"{status}: {detail}")
        self.response = Response(status, {"detail": detail, **more}, headers or {})


def refuse_fields(problems: Sequence[tuple[Sequence[str | int], str, str]]) -> Refusal:
    """A 422 in the shape of provider.md 3.1, from (location, message, type) of every problem."""
    return Refusal(422, [{"loc": list(loc), "msg": message, "type": kind} for loc, message, kind in problems])


def refuse_field(location: Sequence[str | int], message: str) -> Refusal:
    """A 422 about one field."""
    return refuse_fields([(location, message, "value_error")])
