"""Values of expressions, as a terminal shows them and as programs read them."""

from __future__ import annotations

import json
from typing import Any

from flowplan.plan.document import shown
from flowplan.report.paint import clean
from flowplan.values.value import Fingerprint, Sensitive, Unknown, is_known, is_sensitive, transform, unknowns

HIDDEN = "(sensitive value)"
LATER = "(known after apply)"
_TYPES = {
    str: "string",
    bool: "bool",
    int: "int",
    float: "number",
    list: "list",
    dict: "map",
    type(None): "null",
}


def render_value(value: Any, on_one_line: bool = False) -> str:
    """A value as JSON, but for parts that are not known or not shown: those are words in brackets."""
    words: list[str] = []

    def mark(leaf: Any) -> Any:
        hidden = isinstance(leaf, (Sensitive, Fingerprint)) or (isinstance(leaf, Unknown) and leaf.sensitive)
        if not hidden and not isinstance(leaf, Unknown):
            return leaf
        words.append(HIDDEN if hidden else LATER)
        return f"\ue000{len(words) - 1}\ue001"

    indent = None if on_one_line else 2
    text = json.dumps(transform(value, mark), indent=indent, ensure_ascii=False, default=str)
    for number, word in enumerate(words):
        text = text.replace(f'"\ue000{number}\ue001"', word, 1)
    return clean(text)


def value_document(value: Any) -> dict[str, Any]:
    """A value with what can be said about it, safe to print."""
    waits = sorted({str(reference) for each in unknowns(value) for reference in each.references})
    return {
        "type": type_of(value),
        "value": shown(value),
        "known": is_known(value),
        "sensitive": is_sensitive(value),
        "waits_for": waits,
    }


def type_of(value: Any) -> str | None:
    """The type of a value in the language's words; None where it is not known yet."""
    if isinstance(value, Sensitive):
        return type_of(value.reveal())
    return _TYPES.get(type(value))
