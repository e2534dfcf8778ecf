"""Which parts of a text hold secrets: what stands beside ``sensitive`` in the declaration of a variable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowplan.lang.document import Document, Map, Seq

_OPEN_FIELDS = ("type", "description", "sensitive", "secret", "validate", "deprecated")
"""What may be shown of a sensitive variable. Why not all but the default: a misspelt one holds a secret too."""


def secret_nodes(document: Document) -> Iterator[tuple[int, Any]]:
    """Offset and value of each part of a text that is not to be shown.

    Looked for everywhere but in outputs, whose values are expressions: a section may be misspelt, or no mapping.
    """
    root = document.root
    if "sensitive" not in document.text or type(root) not in (Map, Seq):
        return
    waiting = [root]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue  # Why: aliases may lead to it more often than anyone can count
        seen.add(id(node))
        if type(node) is Seq:
            waiting += [item for item in node if type(item) in (Map, Seq)]
            continue
        hidden = node.get("sensitive", False) is not False
        for index, (key, value) in enumerate(node.items()):
            if hidden and key not in _OPEN_FIELDS:
                yield node.marks[2 * index + 1], value
            elif type(value) in (Map, Seq) and not (node is root and key == "outputs"):
                waiting.append(value)


def hide_fields(document: Document, declaration: Map) -> list[Any]:
    """Never show what a declaration says beside its open fields; that is given back."""
    found = [(declaration.value_at(key), one) for key, one in declaration.items() if key not in _OPEN_FIELDS]
    for start, node in found:
        document.hide(start, node)
    return [node for _, node in found]


def hide_secrets(document: Document) -> list[Any]:
    """Never show the lines of a text that hold secrets; these are given back."""
    found = list(secret_nodes(document))
    for start, node in found:
        document.hide(start, node)
    return [node for _, node in found]
