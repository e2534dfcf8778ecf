"""The layout of YAML texts: tokens in, the same tokens out with canonical indentation and spacing.

Nothing is reordered, no scalar is rewritten and no comment is lost: only whitespace between tokens changes, and
the indentation of lines that belong to a scalar. `flowplan.lang.format` checks that this held for each text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

import yaml
from attrs import field
from yaml import tokens as t

from flowplan.values.classes import define, frozen

STEP = 2
"""Columns of one level."""
_BEFORE_COMMENT = "  "
_HEADER = re.compile(r"([|>])([-+]?)([1-9]?)([-+]?)[ \t]*(#[^\n]*)?")
_STARTS = (t.BlockMappingStartToken, t.BlockSequenceStartToken)
_OPENING = (t.FlowSequenceStartToken, t.FlowMappingStartToken)
_CLOSING = (t.FlowSequenceEndToken, t.FlowMappingEndToken)
_MARKERS = (t.DirectiveToken, t.DocumentStartToken, t.DocumentEndToken)
_PROPERTIES = (t.AnchorToken, t.TagToken)


class CannotLayOut(Exception):
    """The tokens of a text do not tell all that is in it; ``offset`` is where."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"at {offset}")
        self.offset = offset


class _Sort(Enum):
    MAPPING = "mapping"
    SEQUENCE = "sequence"
    LOOSE = "loose"
    """A sequence in the column of the key it belongs to: no token opens or closes it."""


@frozen
class _Level:
    """An open block collection. ``old`` is its column in the source, ``new`` the one in the result."""

    sort: _Sort
    old: int
    new: int


@frozen
class _Flow:
    """An open bracket: ``base`` is where its closing goes when that starts a line, ``inside`` where items go."""

    base: int
    inside: int


def tokens_of(text: str) -> Iterator[Any]:
    """The tokens of a text.

    Raises:
        yaml.YAMLError: the text is no YAML.
    """
    scanner: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    return iter(scanner.get_token, None)


def lay_out(text: str) -> tuple[str, list[str]]:
    """The text in its canonical layout, and its comments in order. Lines must end in ``\\n`` alone.

    Raises:
        CannotLayOut: something stands between tokens that is neither blank nor a comment.
        yaml.YAMLError: the text is no YAML.
    """
    layout = _Layout(text)
    for token in tokens_of(text):
        layout.take(token)
    return layout.finish(), layout.comments


@define
class _Layout:
    text: str
    lines: list[str] = field(factory=list)
    """The lines that are done."""
    line: str | None = None
    """The line being written; None where the next token starts one."""
    in_flow: bool = False
    """Whether the line being written started inside brackets."""
    comments: list[str] = field(factory=list)
    trailing: dict[int, tuple[str, int]] = field(factory=dict)
    """Comments after something on a line, by the number of the line, with the column where they stood."""
    levels: list[_Level] = field(factory=list)
    flows: list[_Flow] = field(factory=list)
    opened: Any = None
    """The token of a block collection that has opened and has no content yet."""
    at_key: bool = False
    last: Any = None
    """The token written last."""
    end: int = 0
    """The offset up to which the source is written."""
    before: tuple[_Level, ...] = ()
    """The levels that were open at the last token."""
    kept: int = 0
    """How many lines must stay, though they are empty: a scalar with ``+`` counts its last lines."""
    ended: bool = True
    """Whether the result ends in a line break; one that a scalar does not have would become part of it."""

    def take(self, token: Any) -> None:
        """Write one token, or note what an invisible one says."""
        kind = type(token)
        if kind in _STARTS:
            self.opened = token
        elif kind is t.BlockEndToken:
            self._leave_loose()
            self.levels.pop()
        elif kind is t.KeyToken and token.start_mark.index == token.end_mark.index:
            self._leave_loose()
            self.at_key = True
        elif kind not in (t.StreamStartToken, t.StreamEndToken):
            if kind is t.KeyToken:
                self._leave_loose()
            top = self.levels[-1] if self.levels else None
            if kind is t.BlockEntryToken and self.opened is None and top and top.sort is _Sort.MAPPING:
                self.levels.append(_Level(_Sort.LOOSE, top.old, top.new + STEP))
            self._write(token, kind)

    def finish(self) -> str:
        """Write what follows the last token, and give the whole."""
        self._between(f"{self.text[self.end :]}\n", 0, (), None)
        while len(self.lines) > self.kept and not self.lines[-1]:
            self.lines.pop()
        self._put_trailing()
        return "\n".join(self.lines) + ("\n" if self.lines and self.ended else "")

    def _leave_loose(self) -> None:
        inside = self.flows or self.opened is not None
        if not inside and self.levels and self.levels[-1].sort is _Sort.LOOSE:
            self.levels.pop()

    # -- tokens ---------------------------------------------------------------------------------------------

    def _write(self, token: Any, kind: type) -> None:
        start, end = token.start_mark.index, token.end_mark.index
        gap = self.text[self.end : start]
        closing = self.flows.pop() if kind in _CLOSING else None
        if self.line is not None and "\n" not in gap:
            if gap.strip(" \t"):
                raise CannotLayOut(self.end)
            line = self.line + _space(type(self.last), kind)
        else:
            column = self._column(kind, closing)
            self._between(gap, column, self._after(token, column), closing)
            line, self.in_flow = " " * column, bool(self.flows or closing)
        if self.opened is not None:
            is_map = type(self.opened) is t.BlockMappingStartToken
            sort = _Sort.MAPPING if is_map else _Sort.SEQUENCE
            self.levels.append(_Level(sort, self.opened.start_mark.column, len(line)))
        if kind in _OPENING:
            base = len(line) - len(line.lstrip()) if self.in_flow else self._block()
            self.flows.append(_Flow(base, base + STEP))
        if kind is t.ScalarToken and token.style in ("|", ">"):
            self._block_scalar(line, start, end)
        else:
            written = self.text[start:end]
            self.line = self._long(line, written, token.style) if "\n" in written else line + written
            self.end = end
        self.last, self.opened, self.at_key, self.before = token, None, False, tuple(self.levels)

    def _block(self) -> int:
        """The column of what belongs to an entry of the innermost block collection."""
        return self.levels[-1].new + STEP if self.levels else 0

    def _column(self, kind: type, closing: _Flow | None) -> int:
        """Where a token goes that starts a line."""
        if closing is not None:
            return closing.base
        if self.flows:
            return self.flows[-1].inside
        if kind in _MARKERS:
            return 0
        entry = self.at_key or kind in (t.BlockEntryToken, t.KeyToken, t.ValueToken)
        return self.levels[-1].new if entry and self.opened is None and self.levels else self._block()

    def _after(self, token: Any, column: int) -> tuple[_Level, ...]:
        """The levels that are open from the next token on; the last one is the token's own."""
        if self.opened is not None or not self.levels or self.levels[-1].new != column:
            return (*self.levels, _Level(_Sort.MAPPING, token.start_mark.column, column))
        return tuple(self.levels)

    def _long(self, line: str, written: str, style: str | None) -> str:
        """Write a quoted or plain scalar of several lines, whose line breaks are folded; its last line is given."""
        column = self.flows[-1].inside + STEP if self.flows else max(self._block(), STEP)
        first, *rest = written.split("\n")
        line += first
        for part in rest:
            self.lines.append(_trimmed(line, style))
            inner = part.lstrip(" \t")
            line = " " * column + inner if inner else ""
        return line

    def _block_scalar(self, line: str, start: int, end: int) -> None:
        header, _, content = self.text[start:end].partition("\n")
        match = _HEADER.fullmatch(header.rstrip())
        if match is None:
            raise CannotLayOut(start)
        chomping, digit, comment = match[2] + match[4], match[3], match[5]
        parts = content.split("\n")
        if digit:
            indent = int(digit) + (self.levels[-1].old if self.levels else 0)
        else:
            indent = next((len(p) - len(p.lstrip(" ")) for p in parts if p.strip(" ")), len(content))
        if not parts[-1][indent:]:
            parts.pop()
        elif chomping != "-":
            self.ended = False
        parts = [part[indent:] for part in parts]
        taken = parts if chomping == "+" else parts[: len(parts) - _empty_at_end(parts)]
        self.lines.append(
            f"{line}{match[1]}{digit and STEP}{chomping}{_BEFORE_COMMENT if comment else ''}{comment or ''}"
        )
        if comment:
            self.comments.append(comment)
        column = max(self._block(), STEP)
        self.lines += [" " * column + part if part else "" for part in taken]
        self.line = None
        if chomping == "+":
            self.kept = len(self.lines)
        consumed = content.split("\n")[: len(taken)]
        self.end = min(start + len(header) + sum(len(part) + 1 for part in consumed), len(self.text))

    # -- what stands between tokens -------------------------------------------------------------------------

    def _between(self, gap: str, column: int, after: tuple[_Level, ...], closing: _Flow | None) -> None:
        """End the line and write the comments and empty lines before a token that goes to ``column``."""
        pieces = gap.split("\n")
        position = self.end
        if self.last is not None:
            beside = pieces.pop(0)
            if beside.strip(" \t"):
                self._comment(beside.strip(" \t"), position)
                at = self.last.end_mark.column + beside.index("#")
                self.trailing[len(self.lines)] = (beside.strip(" \t"), at)
            position += len(beside) + 1
            if self.line is not None:
                self.lines.append(self.line)
                self.line = None
        empty = False
        for piece in pieces[:-1]:
            text = piece.strip(" \t")
            if text:
                self._comment(text, position)
                if empty and self.lines:
                    self.lines.append("")
                at = self._comment_column(piece.index("#"), column, after, closing)
                self.lines.append(" " * at + text)
            empty = not text
            position += len(piece) + 1
        if pieces[-1].strip(" \t"):
            raise CannotLayOut(position)
        if empty and self.lines:
            self.lines.append("")

    def _comment(self, text: str, position: int) -> None:
        if not text.startswith("#"):
            raise CannotLayOut(position)
        self.comments.append(text)

    def _comment_column(
        self, found: int, column: int, after: tuple[_Level, ...], closing: _Flow | None
    ) -> int:
        """Where a comment goes that has a line of its own and stood in the column ``found``.

        It stays with the collection in whose column it stood, if that is still open or just ended.
        """
        if closing is not None or self.flows:
            return (closing or self.flows[-1]).inside
        ended = self.before[max(len(after) - 1, 0) :]
        levels = ended or after[-1:]
        for level in levels:
            if level.old == found:
                return level.new
        chosen = [level for level in levels if level.old < found]
        if not chosen:
            return levels[0].new if levels else column
        # What stands below a key without a value is that key's own.
        empty = chosen[-1] is levels[-1] and type(self.last) in (t.ValueToken, t.BlockEntryToken)
        return chosen[-1].new + (STEP if ended and empty else 0)

    def _put_trailing(self) -> None:
        """Write the comments beside things; those of neighbouring lines that stood in one column still do."""
        group: list[int] = []
        for number in [*self.trailing, -1]:
            if group and (number != group[-1] + 1 or self.trailing[number][1] != self.trailing[group[-1]][1]):
                width = max(len(self.lines[each]) for each in group)
                for each in group:
                    self.lines[each] = (
                        self.lines[each].ljust(width) + _BEFORE_COMMENT + self.trailing[each][0]
                    )
                group = []
            group.append(number)


def _space(before: type, kind: type) -> str:
    """What stands between two tokens of one line."""
    if before in (t.ValueToken, *_PROPERTIES):
        return " "
    if kind is t.ValueToken:
        return " " if before in (t.AliasToken, t.BlockEntryToken, t.KeyToken, t.FlowEntryToken) else ""
    return "" if before in _OPENING or kind in _CLOSING or kind is t.FlowEntryToken else " "


def _trimmed(line: str, style: str | None) -> str:
    """A line of a scalar without the blanks at its end, of which an escaped one stays."""
    short = line.rstrip(" \t")
    escapes = len(short) - len(short.rstrip("\\"))
    return line[: len(short) + 1] if style == '"' and escapes % 2 else short


def _empty_at_end(parts: list[str]) -> int:
    count = 0
    while count < len(parts) and not parts[-1 - count]:
        count += 1
    return count
