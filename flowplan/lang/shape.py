"""``for_each`` and ``when``: how many of a declared thing there are. They must be known when the plan is made."""

from __future__ import annotations

from typing import Any

from flowplan.lang.descent import describe
from flowplan.lang.document import Map
from flowplan.lang.scope import Scope

_FORMS = "Write a list such as [a, b], or a mapping from keys to values."


def items_of(scope: Scope, body: Map, noun: str = "resource") -> dict[str, Any] | None:
    """Keys and values of ``for_each``, or None after a report."""
    at = body.value_at("for_each")
    value = scope.shape(body["for_each"], at, "for_each")
    if scope.broken:
        return None
    if isinstance(value, dict):
        bad = [key for key in value if not isinstance(key, str)]
        if bad:
            scope.fail(at, f"the keys of for_each must be texts, and {bad[0]!r} is not", "Put it in quotes.")
            return None
        return dict(value)
    if not isinstance(value, list):
        scope.fail(at, f"for_each takes a list of texts or a mapping, not {describe(value)}", _FORMS)
        return None
    items: dict[str, Any] = {}
    for index, item in enumerate(value):
        place = scope.document.offset_of(("for_each", index), body)
        if not scope.settled(item, place, "a key of for_each"):
            return None
        if not isinstance(item, str):
            scope.fail(
                place,
                f"for_each takes a list of texts, and item {index + 1} is {describe(item)}",
                "Put it in quotes, or use a mapping.",
            )
            return None
        if item in items:
            scope.fail(
                place, f"for_each has {item!r} twice", f"Each key makes one {noun}, so keys are unique."
            )
            return None
        items[item] = item
    return items


def wanted(scope: Scope, body: Map) -> bool | None:
    """Whether ``when`` holds (it does where it is not written), or None after a report."""
    if "when" not in body:
        return True
    value = scope.shape(body["when"], body.value_at("when"), "when", bool)
    return value if isinstance(value, bool) else None
