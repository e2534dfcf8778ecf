"""Text to values with positions: YAML 1.2 core, built from parser events.

Values are plain Python ones; mappings and sequences remember the offset of each key and item, and lines,
columns and ends are worked out only when a diagnostic asks (libraries.md, finding 1).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from flowplan.values.diagnostic import Span
from flowplan.values.value import Path

MAX_CHARACTERS = 16 * 1024 * 1024
"""The longest text that is parsed."""
MAX_DEPTH = 100
"""The deepest nesting of mappings and sequences."""
MAX_EXPANSION = 500_000
"""How many nodes (or 64-character pieces of text) aliases and merge keys may add: the bound on alias bombs."""
_HINT = re.compile("sensi|itive|senst")
"""``sensitive``, or what is most likely meant to be it."""
_SECTION = re.compile(r"^([\"']?)([a-z]+)\1[ \t]*:", re.MULTILINE)


class Map(dict[Any, Any]):
    """A mapping that knows where it stands: ``at`` is its offset, ``marks`` those of each key and value in turn."""

    __slots__ = ("at", "marks")

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.marks: list[int] = []

    def key_at(self, key: Any) -> int:
        """The offset of a key."""
        return self.marks[2 * list(self).index(key)]

    def value_at(self, key: Any) -> int:
        """The offset of a key's value."""
        return self.marks[2 * list(self).index(key) + 1]


class Seq(list[Any]):
    """A sequence that knows where it stands: ``at`` is its offset, ``marks`` those of its items."""

    __slots__ = ("at", "marks")

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.marks: list[int] = []


class Document:
    """One parsed text. ``root`` is its value (None for an empty text); ``path`` the name a user knows it by.

    A ``secret`` document (one with variable values) never shows its lines.
    """

    def __init__(self, path: str, text: str, secret: bool = False) -> None:
        self.path = path
        self.text = text
        self.secret = secret
        self.root: Any = None
        self.is_block = False
        """Whether the text is of the plain block form (`flowplan.lang.block`), whose ends are found without a parser."""
        self._secrets: list[tuple[int, Any]] = []
        self._hidden: set[int] | None = None
        self._veiled: list[tuple[int, int]] | None = None
        self._starts: list[int] | None = None
        self._ends: dict[int, int] | None = None

    def _lines(self) -> list[int]:
        if self._starts is None:
            starts, text, position = [0], self.text, 0
            bare = "\r" in text
            while True:
                found = text.find("\n", position)
                if bare:
                    lone = text.find("\r", position)
                    if lone >= 0 and lone + 1 != found and (found < 0 or lone < found):
                        found = lone
                if found < 0:
                    break
                position = found + 1
                starts.append(position)
            self._starts = starts
        return self._starts

    def start_of(self, number: int) -> int:
        """The offset where a line, counted from 1, begins."""
        return self._lines()[number - 1]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        starts = self._lines()
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, without its break; "" in a secret document or beyond the end."""
        starts = self._lines()
        if not 1 <= number <= len(starts) or self.hides(number):
            return ""
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")[:1000]

    def hides(self, number: int) -> bool:
        """Whether a line, counted from 1, must not be shown, because it holds a secret or may hold one."""
        if self.secret:
            return True
        if self._hidden is None:
            self._hidden = self._find_hidden()
        if self.root is not None or number in self._hidden:
            return number in self._hidden
        if self._veiled is None:
            self._veiled = veiled(self.text)
        return any(first <= number <= last for first, last in self._veiled)

    def _find_hidden(self) -> set[int]:
        found: set[int] = set()
        for start, node in self._secrets:
            first = last = self.position(start)[0]
            # Why not always: to find where a node ends is to parse the text again
            if not (type(node) is str and node and self.text.startswith(node, start)):
                last = self.position(self._last(start, node))[0]
            found.update(range(first, last + 1))
        return found

    def hide(self, start: int, node: Any) -> None:
        """Never show the lines of ``node``, whose text starts at ``start``: it holds a secret."""
        self._secrets.append((start, node))
        self._hidden = None

    def _last(self, start: int, node: Any) -> int:
        """The offset where a node ends, with all that is in it; where it stands, not what its aliases repeat."""
        waiting, last = [(start, node)], start
        while waiting:
            at, inner = waiting.pop()
            last = max(last, self.end_of(at))
            if type(inner) is Map:
                waiting += [(mark, None) for mark in inner.marks]
                waiting += [
                    (mark, one)
                    for mark, one in zip(inner.marks[1::2], inner.values(), strict=False)
                    if mark >= at
                ]
            elif type(inner) is Seq:
                waiting += [(mark, one) for mark, one in zip(inner.marks, inner, strict=False) if mark >= at]
        return last

    def span(self, start: int, end: int | None = None) -> Span:
        """The span from ``start`` to ``end``; without an end, to the end of the node that starts there."""
        if end is None:
            end = self.end_of(start)
        line, column = self.position(start)
        starts = self._starts or ()
        if line < len(starts) and start <= end < starts[line]:
            return Span(self.path, line, column, line, column + end - start)
        end_line, end_column = self.position(max(start, end))
        return Span(self.path, line, column, end_line, end_column)

    def locate(self, start: int, end: int | None = None) -> tuple[Span, str]:
        """The span, and the source line it starts on."""
        span = self.span(start, end)
        return span, self.line(span.line)

    def end_of(self, start: int) -> int:
        """The offset where the node that starts at ``start`` ends; the end of its line where no scalar starts there."""
        if self.is_block:
            from flowplan.lang.block import end_in_block

            return end_in_block(self.text, start, self.start_of(self.position(start)[0]))
        if self._ends is None:
            import yaml

            ends: dict[int, int] = {}
            opened: list[int] = []
            try:
                for event in events(self.text):
                    at: int = event.start_mark.index
                    kind = type(event)
                    if issubclass(kind, yaml.CollectionStartEvent):
                        opened.append(at)
                        if len(opened) > MAX_DEPTH + 1:
                            break  # Why: the time the parser takes grows with the square of the depth
                    elif issubclass(kind, yaml.CollectionEndEvent):
                        at = opened.pop()
                        if self.text[at : at + 1] in ("{", "["):
                            ends[at] = event.end_mark.index
                    elif kind in (yaml.ScalarEvent, yaml.AliasEvent):
                        ends[at] = event.end_mark.index
            except (yaml.YAMLError, ValueError):
                ends.setdefault(0, 0)
            self._ends = ends
        end = self._ends.get(start)
        if end is None:
            stop = self.text.find("\n", start)
            end = len(self.text) if stop < 0 else stop
        return start + len(self.text[start:end].rstrip()) or start + 1

    def offset_of(self, path: Path, base: Any = None, start: int = 0) -> int:
        """The offset of the value at ``path`` below ``base`` (the root unless given); as deep as the path leads."""
        node = self.root if base is None else base
        offset = getattr(node, "at", start)
        for part in path:
            if isinstance(node, Map) and part in node:
                offset, node = node.value_at(part), node[part]
            elif isinstance(node, Seq) and isinstance(part, int) and 0 <= part < len(node):
                offset, node = node.marks[part], node[part]
            elif isinstance(node, str) and isinstance(part, int):
                return offset
            else:
                return offset
        return offset

    def span_of(self, path: Path, base: Any = None, key: bool = False) -> tuple[Span, str]:
        """Span and source line of the value at ``path``; where the path does not lead on, of the last that it met.

        With ``key``, of the key that the path ends in.
        """
        if key and path:
            node = self.root if base is None else base
            for part in path[:-1]:
                inside = (type(node) is Map and part in node) or (
                    type(node) is Seq and part in range(len(node))
                )
                node = node[part] if inside else None
            if type(node) is Map and path[-1] in node:
                return self.locate(node.key_at(path[-1]))
        return self.locate(self.offset_of(path, base))


def lines_of(text: str) -> list[str]:
    """The lines of a text, without their breaks, as `Document.position` counts them."""
    return re.split(r"\r\n|\r|\n", text)


def veiled(text: str) -> list[tuple[int, int]]:
    """The first and last line of each part that may hold a secret, of a text that cannot be read as YAML.

    Where no one knows what is the default of which variable, that is all that stands below ``variables``; and the
    whole text, where a secret may stand elsewhere and be repeated there, or what is sensitive is no variable.
    """
    if not _HINT.search(text):
        return []
    from flowplan.lang.sections import SECTIONS  # it reads documents

    lines, below = lines_of(text), ""
    whole = [(1, len(lines) + 1)]
    found: list[tuple[int, int]] = []
    for number, line in enumerate(lines, 1):
        section = _SECTION.match(line)
        if section is not None and section[2] in SECTIONS:
            below = section[2]
            if below == "variables":
                found.append((number, number))
        elif below == "variables":
            found[-1] = (found[-1][0], number)
        if below == "variables" and ("*" in line or "<<" in line):
            return whole
        if _HINT.search(line) and below not in ("variables", "outputs"):
            return whole
    return found


def events(text: str) -> Iterator[Any]:
    """The parser events of a text; libyaml's where it is there, else PyYAML's own, which gives the same."""
    import yaml  # Why here: most texts are of the plain block form, and are read without it

    parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    return iter(
        parser.get_event, None
    )  # Why not yaml.parse: its two calls for each event cost a fifth of a load
