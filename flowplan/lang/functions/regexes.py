"""Functions of texts that take a regular expression. The time they take is bounded (see ``patterns``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from flowplan.lang.functions.bounds import Meter, fits
from flowplan.lang.functions.matching import Match, search
from flowplan.lang.functions.patterns import Pattern, compiled
from flowplan.lang.functions.plain import text_of
from flowplan.lang.functions.registry import function

_PATTERNS = "Patterns"
_INSERTED = re.compile(r"\\(?:(\d)|g<(\w{1,50})>|(\\))")


@function(_PATTERNS, "regex_match('run-42', '[a-z]+-[0-9]+')", "true")
def regex_match(text: Any, pattern: str, *, meter: Meter) -> bool:
    """Whether the whole text fits the pattern."""
    given, program = _read(text, pattern)
    return search(program, given, meter, whole=True) is not None


@function(_PATTERNS, "regex_find('run-42', '[0-9]+')", '"42"')
def regex_find(text: Any, pattern: str, *, meter: Meter) -> Any:
    """The first part that fits: a text; a list of its groups, or a map of named ones, where the pattern has any; null where none fits."""
    given, program = _read(text, pattern)
    found = search(program, given, meter)
    return None if found is None else _shown(program, found)


@function(_PATTERNS, "regex_find_all('a1 b22', '[0-9]+')", '["1", "22"]')
def regex_find_all(text: Any, pattern: str, *, meter: Meter) -> list[Any]:
    """Every part that fits, each as regex_find gives it."""
    given, program = _read(text, pattern)
    return [_shown(program, found) for found in _all(program, given, meter)]


@function(_PATTERNS, "regex_replace('run-42', '-([0-9]+)', '_\\\\1')", '"run_42"')
def regex_replace(text: Any, pattern: str, new: str, *, meter: Meter) -> str:
    r"""The text with every part that fits replaced; `\1` or `\g<name>` in new stand for a group, `\0` for the whole."""
    given, program = _read(text, pattern)
    pieces, position, size, template = [], 0, 0, text_of(new)
    for found in _all(program, given, meter):
        pieces += [given[position : found.start], _filled(template, program, found)]
        position = found.end
        size += len(pieces[-1]) + len(pieces[-2])
        fits(size)
    pieces.append(given[position:])
    return "".join(pieces)


def _read(text: Any, pattern: Any) -> tuple[str, Pattern]:
    return text_of(text), compiled(text_of(pattern))


def _all(program: Pattern, text: str, meter: Meter) -> Iterator[Match]:
    found = search(program, text, meter)
    while found is not None:
        yield found
        meter.spend(len(program.steps))
        found = search(program, text, meter, found.end, advance=found.start == found.end)


def _shown(program: Pattern, found: Match) -> Any:
    if program.names:
        return {name: found.group(number) for name, number in program.names.items()}
    if program.groups:
        return [found.group(number) for number in range(1, program.groups + 1)]
    return found.group(0)


def _filled(template: str, program: Pattern, found: Match) -> str:
    def inserted(match: re.Match[str]) -> str:
        if match[3]:
            return "\\"
        number = int(match[1]) if match[1] else program.names.get(match[2], -1)
        if not 0 <= number <= program.groups:
            raise ValueError(f"the pattern has no group {match[1] or match[2]}")
        return found.group(number) or ""

    return _INSERTED.sub(inserted, template) if "\\" in template else template
