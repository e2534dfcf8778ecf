"""Words for texts that are no YAML: what the writer most likely did, where, and what to type instead.

The parser says where it gave up. The mistake is often elsewhere (an opening quote, the line above), so its
message, its two marks and the text around them are read for the usual causes. What fits none is told in the
parser's own words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

import yaml

from flowplan.lang.document import MAX_DEPTH, Document, events, lines_of
from flowplan.values.classes import frozen

QUOTE = 'Quote the whole value: key: "{{ … }}".'
"""What to do about an expression outside quotes, where the value itself is not shown."""
_UNQUOTED = re.compile(r"(?:^|[:\-,\[{]\s+)(\{[{%].*)")
_ENTRY = re.compile(r"(\s*(?:- +)*)([^\s:#'\"{}\[\],][^:#'\"{}\[\],]*): +(\S.*)")
_GLUED = re.compile(r"\s*(?:- +)*([A-Za-z_][\w.-]*):([^\s:/][^:]*)")
_LONGEST = 100


@frozen
class Fault:
    """What is wrong with a text: where (``end`` None: one character), what, and what would be right."""

    start: int
    summary: str
    suggestion: str = ""
    end: int | None = None


class _Text:
    """The text around an error, as the causes ask about it."""

    def __init__(self, document: Document, error: yaml.MarkedYAMLError) -> None:
        self.text = document.text
        self.problem = str(error.problem or error.context or "this is not YAML")
        self.context = str(error.context or "")
        context = error.context_mark
        mark = error.problem_mark or context
        self.at = min(mark.index, len(self.text)) if mark is not None else 0
        self.opened = min(context.index, len(self.text)) if context is not None else self.at
        self.lines = lines_of(self.text)
        self.number = document.position(self.at)[0]
        self.begin = self.at - document.position(self.at)[1] + 1
        self.line = self.lines[self.number - 1] if self.number <= len(self.lines) else ""
        self.before = self.line[: self.at - self.begin]
        self.document = document
        self.secret = self.hides(self.number) or self.hides(document.position(self.opened)[0])

    def hides(self, number: int) -> bool:
        """Whether nothing that a line holds may be told."""
        return self.document.hides(number)

    def start_of(self, number: int) -> int:
        """The offset of a line's first character that is no space."""
        return self.document.start_of(number) + indent_of(self.lines[number - 1])

    def above(self, number: int) -> list[tuple[int, str]]:
        """The lines above one that hold more than a comment, the nearest first, with their numbers."""
        found = [(at + 1, line) for at, line in enumerate(self.lines[: number - 1])]
        return [(at, line) for at, line in reversed(found) if line.strip() and line.strip()[0] != "#"]

    def last_quoted(self) -> tuple[int, int] | None:
        """Start and end of the last quoted scalar that ends where the error is, if one does."""
        found = None
        try:
            for event in events(self.text):
                if type(event) is yaml.ScalarEvent and event.style in ("'", '"'):
                    start, end = cast("yaml.Mark", event.start_mark), cast("yaml.Mark", event.end_mark)
                    found = (start.index, end.index)
        except yaml.YAMLError:
            pass
        return found if found and not self.text[found[1] : self.at].strip() else None


def quoted(line: str, secret: bool) -> str:
    """Advice to quote the value of a line's entry, spelled out where it is short and may be shown."""
    entry = _ENTRY.fullmatch(line.rstrip()) or re.fullmatch(r"\s*((-)) +(\S.*)", line.rstrip())
    if secret or entry is None or len(line) > _LONGEST or "\\" in entry[3]:
        return "Put the whole value in quotes."
    colon, mark = "" if entry[2] == "-" else ":", '"' if '"' not in entry[3] else "'"
    return (
        f"Write {entry[2]}{colon} {mark}{entry[3]}{mark}."
        if mark not in entry[3]
        else "Put the whole value in quotes."
    )


def indent_of(line: str) -> int:
    """How many spaces (or tabs) a line begins with."""
    return len(line) - len(line.lstrip(" \t"))


def explain(document: Document, error: yaml.MarkedYAMLError) -> Fault:
    """What a syntax error comes from."""
    text = _Text(document, error)
    for cause in _CAUSES:
        fault = cause(text)
        if fault is not None:
            return fault
    context = f" {text.context}" if text.context and not text.secret else ""
    return Fault(
        text.at, f"not valid YAML: {text.problem}{context}", "Check indentation, quotes and brackets."
    )


def expression_at(document: Document, offset: int) -> Fault | None:
    """The mistake of an expression outside quotes in the line of an offset, if there is one."""
    number, column = document.position(offset)
    hidden = document.hides(number)
    begin = offset - column + 1
    stop = document.text.find("\n", begin)
    line = document.text[begin : len(document.text) if stop < 0 else stop].rstrip()
    found = _UNQUOTED.search(line)
    if found is None:
        return None
    entry = _ENTRY.fullmatch(line)
    at = entry.start(3) if entry is not None else len(line) - len(line.lstrip(" -"))
    whole = at == found.start(1) and not hidden
    advice = quoted(line, hidden) if whole else QUOTE
    return Fault(begin + found.start(1), "an expression stands outside quotes", advice, begin + len(line))


def _too_deep(text: _Text) -> Fault | None:
    """What the parser itself refuses, which looks ahead further than `flowplan.lang.build` counts."""
    if "nesting depth" not in text.problem:
        return None
    # Why not where it gave up: that may be a thousand characters on, where no one looks
    opened = [at for at, character in enumerate(text.before) if character in "[{"][MAX_DEPTH:]
    start = text.begin + opened[0] if opened else text.at
    return Fault(start, f"nested more than {MAX_DEPTH} levels deep", "Write fewer levels.")


def _expression(text: _Text) -> Fault | None:
    return expression_at(text.document, text.at)


def _tab(text: _Text) -> Fault | None:
    blank = text.line[: indent_of(text.line)]
    if "\t" not in blank:
        return None
    start = text.begin + blank.index("\t")
    return Fault(start, "a tab is used for indentation", "Indent with spaces.", text.begin + len(blank))


def _open_quote(text: _Text) -> Fault | None:
    if "quoted scalar" not in text.context:
        return None
    mark = text.text[text.opened]
    if "escape" in text.problem:
        escape = text.text[text.at : text.at + 2]
        return Fault(
            text.at,
            f"{escape} is no escape that double quotes know" if not text.secret else "an escape is not known",
            "Use single quotes, which leave a backslash alone, or write it twice.",
            text.at + 2,
        )
    if "stream" in text.problem or "document" in text.problem:
        return Fault(
            text.opened,
            "this quote is never closed",
            f"Put a {mark} at the end of the value.",
            text.opened + 1,
        )
    return None


def _after_a_quote(text: _Text) -> Fault | None:
    last = text.last_quoted()
    if last is None or "expected" not in text.problem or last[1] <= last[0]:
        return None
    start, end = last
    mark, rest = text.text[start], text.text[text.at : text.at + 1]
    if not rest or rest in "}],:\n":
        return None
    first, final = text.document.position(start)[0], text.document.position(end)[0]
    if final > first:
        return Fault(
            start,
            f"this quote is closed only on line {final}",
            f"Put a {mark} where the value ends.",
            start + 1,
        )
    if "flow" in text.context:
        return None
    if mark == "'" and end == text.at and text.text[end - 2].isalnum() and rest.isalnum():
        advice = "Write the apostrophe twice, or put the value in double quotes."
        return Fault(end - 1, "this apostrophe ends the quoted value", advice, end)
    advice = "Put quotes around the whole value, or around nothing of it."
    return Fault(
        text.at, "the value goes on after its closing quote", advice, text.begin + len(text.line.rstrip())
    )


def _bracket(text: _Text) -> Fault | None:
    if "flow" not in text.context or text.text[text.opened : text.opened + 1] not in ("[", "{"):
        return None
    mark = text.text[text.opened]
    name, other = ("bracket", "]") if mark == "[" else ("brace", "}")
    first = text.document.position(text.opened)[0]
    opener = text.lines[first - 1]
    inside = first == text.number or indent_of(text.line) > indent_of(opener)
    if not inside or text.at >= len(text.text):
        return Fault(
            text.opened, f"this {name} is never closed", f"Put a {other} where it ends.", text.opened + 1
        )
    if text.text[text.at] in "]}":
        return Fault(
            text.at, f"this closes a {name} that was opened with {mark}", f"Write {other} here.", text.at + 1
        )
    word = re.search(r"[^\s,\[{]+\s*$", text.before) if text.text[text.at] == ":" else None
    start = text.begin + word.start() if word else text.at
    return Fault(
        start, "a comma is missing before this", f"Put a comma between the entries inside {mark} {other}."
    )


def _value_with_colon(text: _Text) -> Fault | None:
    if "mapping values are not allowed" not in text.problem:
        return None
    entry = _ENTRY.fullmatch(text.line.rstrip())
    if entry is not None and entry.start(3) < text.at - text.begin:
        start = text.begin + entry.start(3)
        end = text.begin + len(text.line.rstrip())
        return Fault(start, "a value that holds ': ' needs quotes", quoted(text.line, text.secret), end)
    above = text.above(text.number)
    if not above:
        return None
    number, line = above[0]
    glued = _GLUED.fullmatch(line.rstrip())
    if glued is not None:
        return _glued_at(text, number, glued)
    if indent_of(line) < indent_of(text.line) and not line.rstrip().endswith(":"):
        where = text.begin + indent_of(text.line)
        advice = f"Indent it by {indent_of(line)} spaces, as line {number}, or give line {number} no value of its own."
        return Fault(where, "this line is indented more than the entry above it", advice, text.at)
    if ": " not in line and not line.rstrip().endswith(":"):
        return _no_colon(text, number)
    return None


def _glued_at(text: _Text, number: int, glued: re.Match[str]) -> Fault:
    start = text.start_of(number)
    advice = (
        f"Write {glued[1]}: {glued[2]}."
        if not text.hides(number) and len(glued[0]) < _LONGEST
        else "Put one there."
    )
    return Fault(start, "there is no space after the colon", advice, start + len(glued[0].strip()))


def _no_colon(text: _Text, number: int) -> Fault:
    start, line = text.start_of(number), text.lines[number - 1].strip()
    if re.fullmatch(r"[\w-]+", line) and not text.hides(number):
        return Fault(start, "a colon is missing after this key", f"Write {line}: instead.", start + len(line))
    advice = "Write key: value, or indent the line as far as the text above that it belongs to."
    return Fault(start, "this line is no entry: it has no colon", advice, start + len(line))


def _simple_key(text: _Text) -> Fault | None:
    if "simple key" not in text.context:
        return None
    number = text.document.position(text.opened)[0]
    glued = _GLUED.fullmatch(text.lines[number - 1].rstrip()) if number <= len(text.lines) else None
    return _glued_at(text, number, glued) if glued is not None else _no_colon(text, number)


def _column(text: _Text) -> Fault | None:
    """A line, or a bracket, that fits nowhere among the lines above it."""
    if "block" not in text.context or "expected" not in text.problem or "scalar" in text.context:
        return None
    character = text.text[text.at : text.at + 1]
    if character and character in "}]":
        return Fault(text.at, f"this {character} closes nothing", "Remove it.", text.at + 1)
    if text.before.strip():
        return None
    end = text.begin + len(text.line.rstrip())
    columns: list[int] = []
    for _, line in text.above(text.number):
        width = indent_of(line)
        if not columns or width < columns[-1]:
            columns.append(width)
    own = indent_of(text.line)
    if own in columns:
        if text.line.lstrip().startswith("-"):
            advice = "Remove the dash, or put the list below a key of its own."
            return Fault(text.at, "a list item stands among the keys of a mapping", advice, end)
        advice = "Begin it with a dash, or indent it as the other keys of its mapping."
        return Fault(text.at, "a key stands among the items of a list", advice, end)
    near = sorted(columns, key=lambda width: abs(width - own))[:2]
    fitting = " or ".join(str(width) for width in sorted(near))
    advice = f"It begins after {own} spaces; entries that belong together begin in one column, here after {fitting}."
    return Fault(text.at, "this line is not indented as those it belongs to", advice, end)


def _first_character(text: _Text) -> Fault | None:
    """A value that begins with a character that means something to YAML."""
    named = "while scanning an a" in text.context  # an anchor, an alias
    if not named and "cannot start any token" not in text.problem:
        return None
    start = text.opened if named else text.at
    character = text.text[start : start + 1]
    advice = quoted(text.line, text.secret)
    shown = "this character" if text.secret else character
    return Fault(start, f"a value cannot begin with {shown}", advice, start + 1)


def _block_header(text: _Text) -> Fault | None:
    if "block scalar" not in text.context:
        return None
    mark = text.text[text.opened : text.opened + 1]
    rest = text.line[text.at - text.begin :]
    start = text.at + indent_of(rest)
    advice = "Begin the text on the next line, indented; or put the whole value in quotes."
    return Fault(
        start,
        f"nothing may stand behind the {mark} that begins a text block",
        advice,
        text.begin + len(text.line.rstrip()),
    )


def _version(text: _Text) -> Fault | None:
    if "incompatible YAML" not in text.problem:
        return None
    advice = "Remove the %YAML line: stacks are YAML 1.2."
    return Fault(
        text.at, "the file asks for another version of YAML", advice, text.begin + len(text.line.rstrip())
    )


_CAUSES: tuple[Callable[[_Text], Fault | None], ...] = (
    _too_deep,
    _expression,
    _tab,
    _open_quote,
    _after_a_quote,
    _bracket,
    _value_with_colon,
    _simple_key,
    _column,
    _first_character,
    _block_header,
    _version,
)
