"""An explanation document as text: a chain of causes, each with its line of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flowplan.report.paint import Paint, clean

_HEADS = {
    "no-op": "is left as it is",
    "create": "will be created",
    "update": "will be updated in-place",
    "delete,create": "must be replaced",
    "delete": "will be destroyed",
    "forget": "will no longer be managed, but will not be destroyed",
}
_COLOURS = {"create": "green", "update": "yellow", "delete,create": "red", "delete": "red", "forget": "blue"}
_NAMED = frozenset({"variable", "local", "lookup", "for_each", "input", "module output", "resource"})
"""Kinds of links whose words are a name that has a value."""

_AGAINST = frozenset({"refused", "protected", "note"})


def render_explanation(document: Mapping[str, Any], paint: Paint) -> str:
    """One explanation for people."""
    return "\n".join(_lines(document, paint)) + "\n"


def _lines(document: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    action = ",".join(document["actions"])
    against = [link for link in document["why_not"] if link["kind"] in _AGAINST]
    rest = [link for link in document["why_not"] if link["kind"] not in _AGAINST]
    absent = action == "no-op" and any(link["kind"] == "switched off" for link in rest)
    head = "is not wanted, and does not exist" if absent else _HEADS[action]
    yield paint(f"{clean(document['address'])} {head}", "bold", _COLOURS.get(action, "bold"))
    for link in document["why"]:
        yield ""
        yield from _link(link, "  because ", "  ", paint)
    for title, links in (
        ("What stands against it:", against),
        ("Why nothing is done:" if action == "no-op" else "Why not more is done:", rest),
    ):
        if links:
            yield ""
            yield paint(f"  {title}", "bold")
            for link in links:
                yield from _link(link, "    - ", "      ", paint)
    if document["leads_to"]:
        yield ""
        yield f"  It leads to: {', '.join(clean(address) for address in document['leads_to'])}"


def _link(link: Mapping[str, Any], lead: str, indent: str, paint: Paint) -> Iterator[str]:
    place = (
        f"{clean(link['file'])}:{link['line']}"
        if link["file"] and link["line"]
        else clean(link["file"] or "")
    )
    words = clean(link["words"])
    if link["kind"] in _NAMED:
        if link["value"] is not None:
            words += f" = {_short(link['value'])}"
        if link["source"]:
            words += f", from {clean(link['source'])}"
    yield f"{lead}{words}" + (paint(f"  ({place})", "dim") if place else "")
    if (
        link["kind"] not in _NAMED
        and isinstance(link["value"], Mapping)
        and "$sensitive" not in link["value"]
    ):
        for name, value in link["value"].items():
            yield paint(f"{indent}    {clean(name)}: {_short(value)}", "dim")
    for other in link["because"]:
        yield from _link(other, f"{indent}  <- ", f"{indent}    ", paint)


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and "$sensitive" in value:
        return "(sensitive value)"
    if isinstance(value, Mapping) and "$unknown" in value:
        return "(known after apply)"
    text = clean(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 80 else f"{text[:77]}..."
