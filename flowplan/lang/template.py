"""Compiles the text of a scalar into a `Program`: plain paths without Jinja, everything else sandboxed (`compiled`).

Every use of ``var``, ``local``, ``each``, ``value`` or a resource kind becomes a numbered *path* that the
scope answers, so references, unknowns and taint are known exactly, whatever the expression does with them.
A text is compiled once, however often it stands in a stack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from flowplan.lang.document import Map, Seq
from flowplan.lang.words import ROOTS, PathExpr
from flowplan.values.address import Kind
from flowplan.values.classes import frozen

Resolve = Callable[..., Any]
"""``resolve(path, number, *subscripts)`` gives a path's bare value."""


@frozen
class Program:
    """A compiled text.

    ``path`` is set when the text is nothing but one plain path; ``pieces`` when it is text and plain paths
    only; else ``run`` evaluates it. ``typed`` says that the text is one expression whose type is kept.
    ``files`` are the constant arguments of ``template_file``; ``loops`` that a path may be asked many times.
    """

    source: str
    paths: tuple[PathExpr, ...]
    typed: bool = True
    path: PathExpr | None = None
    pieces: tuple[str | PathExpr, ...] = ()
    run: Callable[[Resolve, dict[str, Any]], Any] | None = None
    files: tuple[str, ...] = ()
    loops: bool = False

    def place(self, error: Exception) -> tuple[str, int]:
        """The expression or statement of the text that raised ``error``, and how often it stands before that place.

        "" where that is not certain.
        """
        from flowplan.lang.compiled import place_of

        return place_of(self, error)


_PATH = (
    r"([a-z]+)((?:\.[A-Za-z](?:[A-Za-z0-9_]|-(?=[a-z0-9_]))*|\[(?:'[^'\\{}]*'|\"[^\"\\{}]*\"|[0-9]{1,9})\])+)"
)
_PLAIN = re.compile(r"\{\{-?[ \t]*" + _PATH + r"[ \t]*-?\}\}")
KINDS = frozenset(("module", "data", *(kind.value for kind in Kind)))
"""The roots after whose dot stands a name that may have hyphens."""
_ONE_PLAIN = re.compile(r"\{\{[ \t]*" + _PATH + r"[ \t]*\}\}\n?")
_PART = re.compile(r"\.([A-Za-z][A-Za-z0-9_-]*)|\['([^']*)'\]|\[\"([^\"]*)\"\]|\[([0-9]+)\]")


def whole(needle: str) -> re.Pattern[str]:
    """Finds a part of an expression that is no part of a longer word."""
    return re.compile(rf"(?<![\w.]){re.escape(needle)}(?!\w)")


def is_template(text: str) -> bool:
    """Whether a text holds an expression or a statement at all."""
    return "{{" in text or "{%" in text


def templates(node: Any) -> Iterable[str]:
    """Every text with an expression inside a value of a document."""
    found: list[str] = []
    waiting = [node]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is str:
            if "{" in item and is_template(item):
                found.append(item)
        elif kind is Map:
            waiting.extend(item.values())
            waiting.extend(item)
        elif kind is Seq:
            waiting.extend(item)
    return found


def _plain_path(root: str, rest: str) -> PathExpr | None:
    if root not in ROOTS:
        return None
    parts: list[str | int] = []
    for name, single, double, index in _PART.findall(rest):
        if "-" in name and (parts or root not in KINDS):
            return None  # a difference, not a name
        parts.append(int(index) if index else name or single or double)
    return PathExpr(root, tuple(parts), root + rest)


@lru_cache(maxsize=65536)
def program_of(text: str) -> Program:
    """The program of a text that holds an expression.

    Raises:
        ExpressionError: the text is no valid template, or uses what the language does not have.
    """
    single = _ONE_PLAIN.fullmatch(text)
    if single is not None:
        path = _plain_path(single[1], single[2])
        if path is not None:
            return Program(text, (path,), True, path)
    if "{%" not in text:
        pieces = _pieces(text)
        if pieces is not None:
            return Program(text, tuple(p for p in pieces if type(p) is PathExpr), False, None, pieces)
    from flowplan.lang.compiled import compile_text

    return compile_text(text)


def _pieces(text: str) -> tuple[str | PathExpr, ...] | None:
    """The text as literal pieces and plain paths, or None where it holds anything else."""
    pieces: list[str | PathExpr] = []
    position = 0
    for match in _PLAIN.finditer(text):
        literal = text[position : match.start()]
        path = _plain_path(match[1], match[2])
        if path is None or "{{" in literal or match[0][2] == "-" or match[0][-3] == "-":
            return None
        pieces += [literal, path] if literal else [path]
        position = match.end()
    rest = text[position:]
    if "{{" in rest or len(pieces) == 0 or (len(pieces) == 1 and not rest):
        return None
    return (*pieces, rest) if rest else tuple(pieces)
