"""Reading a scenario's file, and pointing into it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan.lang.build import parse_document
from flowplan.lang.document import Document, Map, Seq
from flowplan.lang.files import decode
from flowplan.values.diagnostic import Diagnostic, FlowplanError

if TYPE_CHECKING:
    from flowplan.sandbox.faults.kinds import Problem

_LONGEST = 16 * 1024 * 1024


def read_document(path: str) -> Document:
    """The YAML (or JSON) document in a file.

    Raises:
        FlowplanError: it cannot be read, or is no YAML.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_LONGEST + 1)
    except OSError as error:
        problem = Diagnostic.error(f"{path} cannot be read", f"{error.strerror}.")
        raise FlowplanError(problem) from None
    text, found = decode(path, raw)
    if found.has_errors:
        raise FlowplanError(*found.in_order())
    document, found = parse_document(path, text)
    if found.has_errors:
        raise FlowplanError(*found.in_order())
    return document


def refuse(document: Document, problems: Sequence[Problem]) -> None:
    """Raise all problems at once, each pointing to its place.

    Raises:
        FlowplanError: there are any.
    """
    if not problems:
        return
    found = []
    for problem in problems:
        span, snippet = document.locate(_offset(document.root, problem.place))
        found.append(
            Diagnostic.error(problem.summary, span=span, snippet=snippet, suggestion=problem.suggestion)
        )
    raise FlowplanError(*found)


def _offset(node: Any, place: Sequence[Any]) -> int:
    """Where the innermost thing of a place that is there begins."""
    at = getattr(node, "at", 0)
    for step in place:
        if isinstance(node, Map) and step in node:
            at, node = node.key_at(step), node[step]
        elif isinstance(node, Seq) and isinstance(step, int) and step < len(node):
            at, node = node.marks[step], node[step]
        else:
            break
    return at
