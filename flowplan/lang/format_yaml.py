"""Data to YAML text in the layout of `flowplan.lang.format`, so that what is rendered reads like what is written.

The text reads back as the same data: by the YAML 1.2 core schema, with strings quoted wherever they must be.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flowplan.lang.scalars import resolve_plain

_PLAIN = re.compile(
    r"[A-Za-z0-9_/.$~-](?:[A-Za-z0-9_/.$~@%+=,;()-]| (?=[A-Za-z0-9_/.$~(-])|:(?=[A-Za-z0-9_/.]))*(?:[A-Za-z0-9_/.$)-])?"
)
_MUST_ESCAPE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_LITERAL = re.compile(r"(?!\s)[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]*")
_WORDS = frozenset(["yes", "no", "on", "off", "y", "n"])
"""Strings here, but not for every reader of YAML; quoted, so that they are for all."""

_DATA = (str, int, float, bool, type(None), Mapping, list, tuple)

Note = Callable[[Any], "tuple[Any, str]"]
"""What stands for a leaf, and the comment beside it ("" for none)."""


def dump_yaml(value: Mapping[str, Any], note: Note = lambda leaf: (leaf, "")) -> str:
    """A mapping as YAML. Leaves that are no plain data are asked of ``note``.

    Raises:
        TypeError: a leaf is no plain data even then.
    """
    return "\n".join(_mapping(value, 0, note)) + "\n" if value else "{}\n"


def _mapping(value: Mapping[str, Any], indent: int, note: Note) -> Iterator[str]:
    for key, item in value.items():
        yield from _entry(f"{' ' * indent}{_key(key)}:", item, indent, note)


def _sequence(value: list[Any] | tuple[Any, ...], indent: int, note: Note) -> Iterator[str]:
    head = f"{' ' * indent}-"
    for item in value:
        if item and isinstance(item, (Mapping, list, tuple)):
            if isinstance(item, Mapping):
                first, *rest = _mapping(item, indent + 2, note)
            else:
                first, *rest = _sequence(item, indent + 2, note)
            yield f"{head} {first.lstrip()}"
            yield from rest
        else:
            yield from _entry(head, item, indent, note)


def _entry(head: str, item: Any, indent: int, note: Note) -> Iterator[str]:
    if isinstance(item, Mapping) and item:
        yield head
        yield from _mapping(item, indent + 2, note)
    elif isinstance(item, (list, tuple)) and item:
        yield head
        yield from _sequence(item, indent + 2, note)
    else:
        shown, comment = (item, "") if isinstance(item, _DATA) else note(item)
        beside = f"  # {comment}" if comment else ""
        if isinstance(shown, str) and _is_literal(shown):
            chomping = "-" if not shown.endswith("\n") else "+" if shown.endswith("\n\n") else ""
            yield f"{head} |{chomping}{beside}"
            lines = shown.split("\n")[: -1 if shown.endswith("\n") else None]
            yield from (f"{' ' * (indent + 2)}{line}" if line else "" for line in lines)
        else:
            yield f"{head} {_scalar(shown)}{beside}"


def _is_literal(text: str) -> bool:
    return "\n" in text and _LITERAL.fullmatch(text) is not None


def _key(key: Any) -> str:
    return _scalar(key if isinstance(key, str) else str(key))


def _scalar(value: Any) -> str:
    kind = type(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if kind is float:
        return (
            str(value) if math.isfinite(value) else ".nan" if value != value else f"{'-' * (value < 0)}.inf"
        )
    if kind is str:
        return value if _is_plain(value) else _quoted(value)
    if value == {} or value in ([], ()):
        return "{}" if isinstance(value, Mapping) else "[]"
    raise TypeError(f"{kind.__name__} has no form in YAML")


def _is_plain(text: str) -> bool:
    return (
        _PLAIN.fullmatch(text) is not None
        and len(text) < 200
        and resolve_plain(text) == text
        and text.lower() not in _WORDS
        and not text.startswith(("- ", "---", "..."))
        and text != "-"
        and (":" not in text or text[0].isalpha())  # 12:30 is a number to readers of YAML 1.1
        and not text.startswith("%")
    )


def _quoted(text: str) -> str:
    """In double quotes, with the escapes that YAML and JSON share; half a pair of surrogates is no character."""

    def escape(match: re.Match[str]) -> str:
        code = ord(match[0])
        return "\\ufffd" if 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"

    return _MUST_ESCAPE.sub(escape, json.dumps(text, ensure_ascii=False))
