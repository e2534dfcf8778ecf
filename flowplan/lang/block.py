"""The plain block form of YAML, read line by line: what nearly all of a stack is written in, several times as fast.

`read_block` answers with the very value, and the very offsets, that the events of a YAML parser make, or with `UNSURE`:
then the text holds something else (an anchor, a tag, an escape, a scalar over several lines, a mistake), and the
parser has the word. So every mistake is still found, and told, in one place. A property test compares the two.

Why line by line: many lines of a large stack are alike, so what a line says is worked out once and remembered.
"""

from __future__ import annotations

import re
from typing import Any

from flowplan.lang.document import Map, Seq
from flowplan.lang.scalars import SPECIAL, resolve_plain

UNSURE: Any = object()
"""The text is not of the plain block form."""

_DEEPEST = 50
_REMEMBERED = 20_000
"""How many different lines are remembered: some megabytes."""
_OUTSIDE = "[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
"""Tabs, breaks other than the newline, and what may not stand in YAML at all."""
_OUTSIDE_ASCII = "[^\n\x20-\x7e]"
"""The same in a text of ASCII alone; the other takes three milliseconds to compile."""
_LINE = re.compile(
    r"(?P<indent> *)(?P<dash>-(?P<gap> +))?"
    r"(?:(?P<key>[A-Za-z0-9_./+-]{1,200}|\"[^\"\\{}]{0,200}\"|'[^'{}]{0,200}'):(?: +(?P<value>[^ #].*)| *(?:#.*)?)$"
    r"|(?P<item>[^ #].*)$)"
)
_QUOTED = re.compile(r"\"([^\"\\]*)\" *(?:$| #)|'([^']*)' *(?:$| #)")
_TAIL = re.compile(r" *(?:$| #)")
_WORD = re.compile(r"[^\s,\[\]{}:#&*!|>'\"%@`?-](?:[^,\[\]{}:#?]|:(?=[^\s,\[\]{}:#?]))*|-[0-9.]+(?=[,\]}])")
_STRING = re.compile(r"\"([^\"\\]*)\"|'([^']*)'(?!')")
_FLOW_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_./-]*):(?= )")
_SPACES = re.compile(r" *")
_NOT_FIRST = frozenset("-?:,[]{}#&*!|>'\"%@` ")

_SKIP, _SCALAR, _OPEN, _TEXT, _FLOW = range(5)
_Line = tuple[int, int, int, Any, int, Any]
"""What a line says: its form, its indent, the column of its dash (or -1), its key (or `_NO_KEY`), where its value
starts, and the value: of a scalar itself, of a text whether its last break is kept, of a flow collection its text."""
_NO_KEY: Any = object()
_BLANK: _Line = (_SKIP, 0, -1, _NO_KEY, 0, None)


def read_block(text: str) -> Any:
    """The value that ``text`` spells, with the offsets of all keys and items; `UNSURE` where it is of another form."""
    if not text.endswith("\n") or re.search(_OUTSIDE_ASCII if text.isascii() else _OUTSIDE, text):
        return UNSURE
    lines = text.split("\n")
    lines.pop()
    return _read(lines)


_memory: dict[str, _Line | None] = {}


def _read(lines: list[str]) -> Any:
    """The value, or `UNSURE`. One loop: this is where loading spends its time."""
    memory = _memory
    if len(memory) > _REMEMBERED:
        memory.clear()
    total = len(lines)
    root: Any = UNSURE
    top: Any = None
    indent = -1
    outer: list[tuple[Any, int]] = []
    waiting: Any = None  # the mapping whose last key waits for what stands below it
    waiting_key: Any = None
    number, start = _head(lines)
    while number < total and len(outer) < _DEEPEST:
        line = lines[number]
        try:
            said = memory[line]
        except KeyError:
            said = _line(line)
            if len(memory) <= _REMEMBERED:
                memory[line] = said
        number += 1
        begun = start
        start += len(line) + 1
        if said is None:
            return UNSURE
        form, column, dash, key, value_at, value = said
        if form == _SKIP:
            continue
        if dash >= 0:
            # An item: it opens a sequence below a key, or goes on with one.
            if waiting is not None:
                if dash < indent:
                    waiting[waiting_key] = None
                    waiting = None
                else:
                    sequence = Seq(begun + dash)
                    waiting[waiting_key] = sequence
                    waiting.marks[-1] = sequence.at
                    waiting = None
                    outer.append((top, indent))
                    top, indent = sequence, dash
            while dash < indent:
                top, indent = outer.pop()
            if type(top) is not Seq or dash != indent:
                return UNSURE
            if key is _NO_KEY:
                top.marks.append(begun + value_at)
                if form == _SCALAR:
                    top.append(value)
                    continue
                if form == _FLOW:
                    made = _whole(value, begun + value_at)
                    if made is UNSURE:
                        return UNSURE
                    top.append(made)
                    continue
                return UNSURE
            mapping = Map(begun + column)
            top.append(mapping)
            top.marks.append(begun + column)
            outer.append((top, indent))
            top, indent = mapping, column
        elif waiting is not None and column > indent:
            mapping = Map(begun + column)
            waiting[waiting_key] = mapping
            waiting.marks[-1] = mapping.at
            waiting = None
            outer.append((top, indent))
            top, indent = mapping, column
        else:
            if waiting is not None:
                waiting[waiting_key] = None
                waiting = None
            if column != indent or type(top) is not Map:
                while column < indent or (column == indent and type(top) is Seq):
                    top, indent = outer.pop()
                if top is None and root is UNSURE and column == 0:
                    root = top = Map(begun)
                    outer.append((None, -1))
                    indent = 0
                elif column != indent or type(top) is not Map:
                    return UNSURE
        if key is _NO_KEY or key in top:
            return UNSURE
        if form == _SCALAR:
            top[key] = value
            top.marks += (begun + column, begun + value_at)
        elif form == _OPEN:
            top.marks += (begun + column, begun + value_at)
            waiting, waiting_key = top, key
            top[key] = None
        elif form == _FLOW:
            made = _whole(value, begun + value_at)
            if made is UNSURE:
                return UNSURE
            top[key] = made
            top.marks += (begun + column, begun + value_at)
        else:
            top.marks += (begun + column, begun + value_at)
            begins = number
            while number < total and not lines[number].strip(" "):
                number += 1
            inner = len(lines[number]) - len(lines[number].lstrip(" ")) if number < total else 0
            if inner <= indent or number != begins:
                return UNSURE  # Why: an empty text, or one that begins with empty lines, is rare
            prefix = " " * inner
            ends = number
            while number < total:
                line = lines[number]
                if line.startswith(prefix):
                    number += 1
                    if len(line) > inner:
                        ends = number
                elif not line.strip(" "):
                    number += 1
                else:
                    break
            body = lines[begins:number]
            start += sum(map(len, body)) + len(body)
            top[key] = "\n".join([line[inner:] for line in body[: ends - begins]]) + ("\n" if value else "")
    return UNSURE if number < total else root


def _head(lines: list[str]) -> tuple[int, int]:
    """Where the mapping begins, by line and by offset: after the line ``---`` if the text begins with one."""
    start = 0
    for number, line in enumerate(lines):
        start += len(line) + 1
        if line == "---":
            return number + 1, start
        if line and line[0] != "#":
            break
    return 0, 0


def _line(line: str) -> _Line | None:
    """What a line says, or None where it is of another form."""
    bare = line.lstrip(" ")
    if not bare or bare[0] == "#":
        return _BLANK
    if line == "---" or line.startswith(("--- ", "...", "%")):
        return None
    found = _LINE.match(line)
    if found is None:
        return None
    column, dash = found.end("indent"), -1
    if found["dash"]:
        dash = column
        column = found.end("dash")
    name = found["key"]
    if name is None:
        return _value(line, found["item"], found.start("item"), column, dash, _NO_KEY) if dash >= 0 else None
    key: Any
    if name[0] in "\"'":
        key = name[1:-1]
    else:
        if name[0] in "-.":
            return None
        key = resolve_plain(name) if name[0] in SPECIAL else name
        if type(key) is not str:
            return None
    value = found["value"]
    if value is None:
        if "#" in line and not _TAIL.match(line, found.end("key") + 1):
            return None
        return (_OPEN, column, dash, key, found.end("key") + 1, None)
    return _value(line, value, found.start("value"), column, dash, key)


def _value(line: str, text: str, at: int, column: int, dash: int, key: Any) -> _Line | None:
    """A line that ends in a value."""
    first = text[0]
    if first not in _NOT_FIRST or (first == "-" and text[1:2] not in (" ", "")):
        comment = text.find(" #")
        if comment >= 0:
            text = text[:comment]
        text = text.rstrip(" ")
        if ": " in text or text[-1] == ":":
            return None
        return (_SCALAR, column, dash, key, at, resolve_plain(text) if text[0] in SPECIAL else text)
    if first in "\"'":
        quoted = _QUOTED.match(line, at)
        if quoted is None:
            return None
        return (_SCALAR, column, dash, key, at, quoted[1] if first == '"' else quoted[2])
    if first in "{[":
        return (_FLOW, column, dash, key, at, text)
    if key is not _NO_KEY and dash < 0 and text in ("|", "|-"):
        return (_TEXT, column, dash, key, at, text == "|")
    return None


def _whole(text: str, base: int) -> Any:
    """The collection in brackets that ``text`` is, but for a comment."""
    made, end = _flow(text, 0, base, 0)
    return made if end == len(text) or _TAIL.match(text, end) else UNSURE


def _flow(text: str, at: int, base: int, depth: int) -> tuple[Any, int]:
    """The collection in brackets that starts at ``at``, and where it ends; ``base`` is the offset of the text."""
    if depth > 8:
        return UNSURE, at
    mapping = text[at] == "{"
    closing = "}" if mapping else "]"
    made: Any = Map(base + at) if mapping else Seq(base + at)
    at = _SPACES.match(text, at + 1).end()  # type: ignore[union-attr]
    if text[at : at + 1] == closing:
        return made, at + 1
    while True:
        if mapping:
            named = _FLOW_KEY.match(text, at)
            if named is None:
                return UNSURE, at
            key = resolve_plain(named[1]) if named[1][0] in SPECIAL else named[1]
            if type(key) is not str or key in made:
                return UNSURE, at
            key_at, at = at, _SPACES.match(text, named.end()).end()  # type: ignore[union-attr]
        value_at = at
        first = text[at : at + 1]
        if first in ("{", "["):
            value, at = _flow(text, at, base, depth + 1)
            if value is UNSURE:
                return UNSURE, at
        elif first in ('"', "'"):
            string = _STRING.match(text, at)
            if string is None:
                return UNSURE, at
            value, at = string[1] if first == '"' else string[2], string.end()
        else:
            word = _WORD.match(text, at)
            if word is None:
                return UNSURE, at
            value = word[0].rstrip(" ")
            at = word.end()
            if value[0] in SPECIAL:
                value = resolve_plain(value)
        if mapping:
            made[key] = value
            made.marks += (base + key_at, base + value_at)
        else:
            made.append(value)
            made.marks.append(base + value_at)
        at = _SPACES.match(text, at).end()  # type: ignore[union-attr]
        mark = text[at : at + 1]
        if mark == closing:
            return made, at + 1
        if mark != ",":
            return UNSURE, at
        at = _SPACES.match(text, at + 1).end()  # type: ignore[union-attr]
        if text[at : at + 1] in (closing, ""):
            return UNSURE, at  # a comma at the end: rare


def end_in_block(text: str, start: int, line_start: int) -> int:
    """The offset where the key or value ends that starts at ``start``, in a text that `read_block` has read.

    Where neither starts there, the end of the line.
    """
    stop = text.find("\n", start)
    line = text[line_start:stop]
    said = _line(line)
    at = start - line_start
    if said is None or said[0] == _SKIP or at >= len(line):
        return max(start, line_start + len(line.rstrip(" ")))
    form, column, _, key, value_at, _ = said
    if form == _FLOW and at >= value_at:
        end = _end_in_flow(line, at)
    elif key is not _NO_KEY and at == column:
        first = line[at]
        end = line.index(first, at + 1) + 1 if first in "\"'" else line.index(":", at)
        while first not in "\"'" and line[end + 1 : end + 2] not in ("", " "):
            end = line.index(":", end + 1)
    elif at != value_at or form == _OPEN:
        return max(start, line_start + len(line.rstrip(" "))) if form != _OPEN or at != value_at else start
    elif form == _TEXT:
        return _end_of_text(text, stop)
    elif line[at] in "\"'":
        end = line.index(line[at], at + 1) + 1
    else:
        comment = line.find(" #", at)
        end = len(line[: comment if comment >= 0 else len(line)].rstrip(" "))
    return line_start + end


def _end_in_flow(line: str, at: int) -> int:
    """Where what starts at ``at`` of a line ends, inside brackets or with them."""
    first = line[at]
    if first in "{[":
        return _flow(line, at, 0, 0)[1]
    if first in "\"'":
        return line.index(first, at + 1) + 1
    named = _FLOW_KEY.match(line, at)
    if named is not None:
        return named.end() - 1
    word = _WORD.match(line, at)
    return at + len(word[0].rstrip(" ")) if word is not None else len(line.rstrip(" "))


def _end_of_text(text: str, stop: int) -> int:
    """Where the text of many lines ends that begins below the line that ends at ``stop``: with its last line that is not empty."""
    end, inner = stop, -1
    while stop >= 0:
        begins, stop = stop + 1, text.find("\n", stop + 1)
        line = text[begins : stop if stop >= 0 else len(text)]
        bare = line.lstrip(" ")
        if not bare:
            continue
        if inner < 0:
            inner = len(line) - len(bare)
        if len(line) - len(bare) < inner:
            break
        end = begins + len(line.rstrip(" "))
    return end
