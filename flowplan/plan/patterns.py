"""Patterns of addresses, as ``--target``, ``--exclude``, ``--replace`` and the ``--allow-`` options take them.

``*`` stands for any part of a name or key, ``?`` for one character, ``**`` for anything across dots. A pattern
without a key means all instances; one that ends in a module call means all that is in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic, did_you_mean

_SHAPE = r"[a-z0-9_.*?-]+(\[[^\]]*\][a-z0-9_.*?-]*)*"


@lru_cache(maxsize=4096)
def compile_pattern(text: str) -> re.Pattern[str]:
    """The regular expression that addresses of a pattern match wholly.

    Raises:
        ValueError: the text cannot be a pattern of addresses.
    """
    words = text.strip()
    if not re.fullmatch(_SHAPE, words, re.IGNORECASE):
        raise ValueError(
            f"{text!r} is no pattern of addresses; write task.train, 'task.train*' or 'module.a.**'"
        )
    words = re.sub(r"\['((?:[^'\\]|\\.)*)'\]", r'["\1"]', words)
    out, at, inside = "", 0, False
    while at < len(words):
        if words.startswith("**", at):
            out, at = out + ".*", at + 2
            continue
        letter = words[at]
        inside = (inside or letter == "[") and letter != "]"
        if letter == "*":
            out += r"[^\]]*" if inside else r"[^.\[\]]*"
        elif letter == "?":
            out += r"[^\]]" if inside else r"[^.\[\]]"
        else:
            out += re.escape(letter)
        at += 1
    whole_module = r'(?:\["[^\]]*"\])?\..*' if re.search(r"(?:^|\.)module\.[^.]+$", words) else ""
    key = r'(?:\[".*"\])?' if not words.endswith("]") else ""
    return re.compile(f"(?:{out}{key}" + (f"|{out}{whole_module}" if whole_module else "") + ")", re.DOTALL)


def matcher(patterns: Sequence[str]) -> Callable[[Address], bool]:
    """Whether an address matches any of the patterns, which must be sound (see `select`)."""
    compiled = [compile_pattern(pattern) for pattern in patterns]
    return lambda address: any(one.fullmatch(str(address)) for one in compiled)


def unreadable(option: str, pattern: str, error: ValueError) -> Diagnostic:
    """The error for an option whose value is no pattern."""
    return Diagnostic.error(
        f"{option} {pattern} cannot be read",
        f"{error}.",
        suggestion="Write an address as flowplan state list shows it, with * where anything may stand.",
    )


def select(
    patterns: Sequence[str], addresses: Iterable[Address], option: str
) -> tuple[frozenset[Address], list[Diagnostic]]:
    """The addresses that any pattern matches, and an error for each that matches none or is no pattern."""
    found: set[Address] = set()
    problems = []
    known = {str(address): address for address in addresses}
    for pattern in patterns:
        try:
            compiled = compile_pattern(pattern)
        except ValueError as error:
            problems.append(unreadable(option, pattern, error))
            continue
        matched = [address for text, address in known.items() if compiled.fullmatch(text)]
        found.update(matched)
        if not matched:
            problems.append(
                Diagnostic.error(
                    f"{option} {pattern} matches nothing",
                    "No resource of the stack or its state has such an address.",
                    suggestion=did_you_mean(pattern, known) or "flowplan state list shows what is recorded.",
                )
            )
    return frozenset(found), problems
