"""Functions of texts."""

from __future__ import annotations

import re
import shlex
import textwrap
from typing import Any

from flowplan.lang.functions.bounds import fits
from flowplan.lang.functions.plain import as_text, items_of, joined, name_of, replaced, text_of, whole_of
from flowplan.lang.functions.registry import function

_TEXTS = "Texts"
_DIRECTIVE = re.compile(r"%(?:([-+ 0#]{0,5})(\d{0,4})(?:\.(\d{0,3}))?([sdfeEgGxXo])|(%)|)")
_WIDEST = 1000
_PRECISEST = 100
_SEPARATOR = 256


@function(_TEXTS, "upper('abc')", '"ABC"')
def upper(text: Any) -> str:
    """The text in upper case."""
    return text_of(text).upper()


@function(_TEXTS, "lower('ABC')", '"abc"')
def lower(text: Any) -> str:
    """The text in lower case."""
    return text_of(text).lower()


@function(_TEXTS, "title('two words')", '"Two Words"')
def title(text: Any) -> str:
    """Each word with a capital first letter."""
    return text_of(text).title()


@function(_TEXTS, "capitalize('two words')", '"Two words"')
def capitalize(text: Any) -> str:
    """The first letter in upper case, the rest in lower case."""
    return text_of(text).capitalize()


@function(_TEXTS, "trim('  a b ')", '"a b"')
def trim(text: Any, chars: str | None = None) -> str:
    """The text without white space (or any of chars) at both ends."""
    return text_of(text).strip(_separator(chars, "chars"))


@function(_TEXTS, "split('a,b', ',')", '["a", "b"]')
def split(text: Any, separator: str | None = None) -> list[str]:
    """The parts between separators; without one, the words."""
    return text_of(text).split(_separator(separator, "separator"))


@function(_TEXTS, "lines('a\\nb\\n')", '["a", "b"]')
def lines(text: Any) -> list[str]:
    """The lines of a text, without their ends."""
    return text_of(text).splitlines()


@function(_TEXTS, "join(['a', 'b'], '-')", '"a-b"')
def join(values: Any, separator: str = "", attribute: str | None = None) -> str:
    """The texts of a list in one, a separator between them; attribute takes that key of each item."""
    chosen = items_of(values)
    if attribute is not None:
        chosen = [item.get(attribute) if isinstance(item, dict) else item for item in chosen]
    return joined(chosen, separator)


@function(_TEXTS, "replace('a.b.c', '.', '-')", '"a-b-c"')
def replace(text: Any, old: str, new: str, count: int = -1) -> str:
    """The text with old replaced by new, everywhere or count times."""
    return replaced(text, old, new, count)


@function(_TEXTS, "startswith('train-1', 'train')", "true")
def startswith(text: Any, prefix: str) -> bool:
    """Whether the text starts with prefix."""
    return text_of(text).startswith(text_of(prefix))


@function(_TEXTS, "endswith('model.bin', '.bin')", "true")
def endswith(text: Any, suffix: str) -> bool:
    """Whether the text ends with suffix."""
    return text_of(text).endswith(text_of(suffix))


@function(_TEXTS, "removeprefix('v1.2', 'v')", '"1.2"')
def removeprefix(text: Any, prefix: str) -> str:
    """The text without prefix, if it starts with it."""
    return text_of(text).removeprefix(text_of(prefix))


@function(_TEXTS, "removesuffix('run.sh', '.sh')", '"run"')
def removesuffix(text: Any, suffix: str) -> str:
    """The text without suffix, if it ends with it."""
    return text_of(text).removesuffix(text_of(suffix))


@function(_TEXTS, "truncate('a long text', 8)", '"a lon..."')
def truncate(text: Any, length: int = 255, end: str = "...") -> str:
    """The text cut to length characters; end stands where it was cut."""
    whole, length = text_of(text), whole_of(length, 0, 10**9, "length")
    return whole if len(whole) <= length else whole[: max(0, length - len(end))] + text_of(end)


@function(_TEXTS, "indent('a\\nb', 2)", '"a\\n  b"')
def indent(text: Any, width: int = 4, first: bool = False, blank: bool = False) -> str:
    """Each line but the first (unless first) moved right by width; empty lines too with blank."""
    rows, width = text_of(text).split("\n"), whole_of(width, 0, _WIDEST, "width")
    fits(width * len(rows) + len(rows) + sum(map(len, rows)))
    pad = " " * width
    done = [
        row if (i == 0 and not first) or (not row and not blank) else pad + row for i, row in enumerate(rows)
    ]
    return "\n".join(done)


@function(_TEXTS, "dedent('  a\\n    b')", '"a\\n  b"')
def dedent(text: Any) -> str:
    """The text without the white space that all its lines start with."""
    return textwrap.dedent(text_of(text))


@function(_TEXTS, "format('%s-%03d', 'run', 7)", '"run-007"', name="format")
def format_(text: Any, *values: Any) -> str:
    """Values put into a text: `%s` text, `%d` whole number, `%f` `%e` `%g` number, `%x` `%o` in base 16 or 8, `%%` a percent sign."""
    template, made, position, used = text_of(text), [], 0, 0
    for match in _DIRECTIVE.finditer(template):
        made.append(template[position : match.start()])
        position = match.end()
        if match[5]:
            made.append("%")
            continue
        if not match[4]:
            raise ValueError(f"format does not know {template[match.start() : match.start() + 6]!r}")
        if used >= len(values):
            raise ValueError(f"format has more directives than the {len(values)} values it is given")
        if int(match[2] or 0) > _WIDEST or int(match[3] or 0) > _PRECISEST:
            raise ValueError(f"format takes widths to {_WIDEST} and precisions to {_PRECISEST}")
        made.append(_formatted(match[0], match[4], values[used]))
        used += 1
        fits(sum(map(len, made[-2:])) + _WIDEST * used)
    if used < len(values):
        raise ValueError(f"format is given {len(values)} values and has {used} directives")
    made.append(template[position:])
    fits(sum(map(len, made)))
    return "".join(made)


def _formatted(directive: str, letter: str, value: Any) -> str:
    if letter == "s":
        return directive % as_text(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{directive} takes a number, and this is {name_of(value)}")
    if letter in "dxXo" and not isinstance(value, int):
        if value != value // 1:
            raise TypeError(f"{directive} takes a whole number")
        value = int(value)
    return str(directive % value)


@function(_TEXTS, 'quote("it\'s")', "\"'it'\\\"'\\\"'s'\"", also="shell_quote")
def quote(value: Any) -> str:
    """The text as one word of a shell command."""
    return shlex.quote(as_text(value))


@function(_TEXTS, "slug('My Run 2!')", '"my-run-2"')
def slug(text: Any) -> str:
    """Lower-case letters and digits, with single hyphens for everything else: fit for a name."""
    return re.sub(r"[^a-z0-9]+", "-", text_of(text).lower()).strip("-")


@function(_TEXTS, "string(8.5)", '"8.5"')
def string(value: Any) -> str:
    """A number or truth value as its text."""
    return as_text(value)


def _separator(text: Any, what: str) -> str | None:
    if text is None:
        return None
    if not 1 <= len(text_of(text)) <= _SEPARATOR:
        raise ValueError(f"{what} must be a text of 1 to {_SEPARATOR} characters")
    return text_of(text)
