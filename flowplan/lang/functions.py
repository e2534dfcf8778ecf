"""What an expression may call: filters, tests, methods and arithmetic, all pure and bounded.

Nothing here sees a clock, an environment, a network or randomness; every result has a bounded size, so no
stack file can make a plan run away (libraries.md, section 4).
"""

from __future__ import annotations

import functools
import json
import math
import operator
import shlex
from collections.abc import Callable
from typing import Any

from jinja2.filters import FILTERS
from jinja2.runtime import LoopContext, Undefined
from jinja2.tests import TESTS

MAX_TEXT = 4 * 1024 * 1024
"""The longest text an expression may make, in characters."""
MAX_ITEMS = 100_000
"""The most values an expression may hold, and the most steps its loops may take in one evaluation."""
MAX_BITS = 4096
"""The largest whole number, in bits."""


class TooLarge(ValueError):
    """An expression went over one of the bounds; the message says which."""


def size_of(value: Any) -> int:
    """The number of characters and values in ``value``.

    Raises:
        TooLarge: there are more than the bounds allow; counting stops there.
    """
    characters = items = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        items += 1
        if isinstance(item, str):
            characters += len(item)
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
        if characters > MAX_TEXT:
            raise TooLarge(f"the text it makes is longer than {MAX_TEXT:,} characters")
        if items + len(waiting) > 2 * MAX_ITEMS:
            raise TooLarge(f"it makes more than {MAX_ITEMS:,} values")
    return characters + items


def as_text(value: Any) -> str:
    """``value`` as it stands in a longer text: true and false as words, numbers as their text.

    Raises:
        TypeError: null, a list, a mapping or something undefined has no one text; the message says what to do.
    """
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is float:
        return str(value)
    if isinstance(value, Undefined):
        return str(value)  # raises, with the reason
    name = {type(None): "null", dict: "a map", list: "a list", tuple: "a list"}.get(kind, "this value")
    raise TypeError(f"{name} cannot stand inside a text; write {{{{ … | tojson }}}}, or choose what to show")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else as_text(value)


def _replace(value: Any, old: str, new: str, count: int = -1) -> str:
    text = _text(value)
    times = text.count(old) if old else len(text) + 1
    if len(text) + times * max(0, len(new) - len(old)) > MAX_TEXT:
        raise TooLarge(f"the text it makes is longer than {MAX_TEXT:,} characters")
    return text.replace(old, new, count)


def _join(values: Any, separator: str = "", attribute: str | None = None) -> str:
    chosen = [
        item.get(attribute) if attribute is not None and isinstance(item, dict) else item
        for item in _items(values)
    ]
    texts = [as_text(item) for item in chosen]
    if sum(map(len, texts)) + len(separator) * len(texts) > MAX_TEXT:
        raise TooLarge(f"the text it makes is longer than {MAX_TEXT:,} characters")
    return separator.join(texts)


def _indent(text: Any, width: int = 4, first: bool = False, blank: bool = False) -> str:
    lines = _text(text).split("\n")
    if width * len(lines) > MAX_TEXT:
        raise TooLarge(f"the text it makes is longer than {MAX_TEXT:,} characters")
    pad = " " * width
    done = [
        line if (i == 0 and not first) or (not line and not blank) else pad + line
        for i, line in enumerate(lines)
    ]
    return "\n".join(done)


def _items(values: Any) -> list[Any]:
    if isinstance(values, Undefined):
        str(values)
    if isinstance(values, str):
        raise TypeError("a list is needed here, and this is a text")
    return list(values)


def _round(value: float, precision: int = 0, method: str = "common") -> float:
    if not -15 <= precision <= 15:
        raise ValueError("round takes a precision from -15 to 15")
    if method == "common":
        return round(value, precision)
    rounding = {"ceil": math.ceil, "floor": math.floor}.get(method)
    if rounding is None:
        raise ValueError("round takes the method common, ceil or floor")
    return rounding(value * (10**precision)) / (10**precision)  # type: ignore[no-any-return]


def _int(value: Any, default: int | None = None) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        if default is None:
            raise ValueError("this is not a whole number") from None
        return default


def _float(value: Any, default: float | None = None) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        if default is None:
            raise ValueError("this is not a number") from None
        return default


def _tojson(value: Any, indent: int | None = None) -> str:
    if indent is not None and not 0 <= indent <= 8:
        raise ValueError("tojson takes an indent from 0 to 8")
    size_of(value)
    return json.dumps(_plain(value), ensure_ascii=False, indent=indent, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Undefined):
        str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _quote(value: Any) -> str:
    return shlex.quote(as_text(value))


def _truncate(value: Any, length: int = 255, end: str = "...") -> str:
    text = _text(value)
    return text if len(text) <= length else text[: max(0, length - len(end))] + end


def _on_text(name: str) -> Callable[[Any], Any]:
    method = operator.methodcaller(name)
    return lambda value: method(_text(value))


def _bounded(filter_: Callable[..., Any], listed: bool) -> Callable[..., Any]:
    """A filter whose argument and result are of bounded size, and that gives a list where it gave a generator."""

    @functools.wraps(filter_)
    def checked(*args: Any, **options: Any) -> Any:
        for arg in args:
            if isinstance(arg, (list, dict, tuple)):
                size_of(arg)
        result = filter_(*args, **options)
        return list(result) if listed and not isinstance(result, str) else result

    return checked


_LISTED = ("items", "map", "reject", "rejectattr", "reverse", "select", "selectattr", "unique", "dictsort")
_AS_IS = ("abs", "default", "d", "first", "last", "length", "count", "max", "min", "sort", "sum")
_BUILT_IN: dict[str, Callable[..., Any]] = dict(FILTERS)

FILTERS_ALLOWED: dict[str, Callable[..., Any]] = {
    **{name: _bounded(_BUILT_IN[name], True) for name in _LISTED},
    **{name: _bounded(_BUILT_IN[name], False) for name in _AS_IS},
    **{name: _on_text(name) for name in ("upper", "lower", "title", "capitalize")},
    "trim": lambda value, chars=None: _text(value).strip(chars),
    "split": lambda value, separator=None: _text(value).split(separator),
    "string": as_text,
    "int": _int,
    "float": _float,
    "round": _round,
    "list": lambda value: list(value) if isinstance(value, str) else _items(value),
    "join": _join,
    "replace": _replace,
    "indent": _indent,
    "truncate": _truncate,
    "tojson": _tojson,
    "quote": _quote,
}
"""The filters of the language: Jinja's pure ones, and ``split``, ``tojson`` and ``quote`` (for a shell)."""

TESTS_ALLOWED: dict[str, Callable[..., Any]] = {
    str(name): test  # type: ignore[misc]
    for name, test in TESTS.items()
    if name not in ("callable", "filter", "test", "escaped", "sameas")
}
"""The tests of the language."""

_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        (
            "upper",
            "lower",
            "title",
            "capitalize",
            "strip",
            "lstrip",
            "rstrip",
            "split",
            "rsplit",
            "splitlines",
            "startswith",
            "endswith",
            "removeprefix",
            "removesuffix",
            "replace",
            "join",
            "find",
            "count",
            "isdigit",
            "isalpha",
            "isalnum",
            "isupper",
            "islower",
        )
    ),
    dict: frozenset(("keys", "values", "items", "get")),
    list: frozenset(("index", "count")),
    tuple: frozenset(("index", "count")),
}
_LOOP = frozenset(
    ("index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem", "cycle")
)
METHOD_NAMES = frozenset(name for names in _METHODS.values() for name in names) | _LOOP
"""Every name that may be called with a dot."""

_MISSING: Any = object()


def attribute_of(value: Any, name: str) -> Any:
    """What ``value.name`` is in an expression: a key of a mapping, an allowed method, or the missing mark."""
    if isinstance(value, dict) and name in value:
        return value[name]
    if isinstance(value, LoopContext):
        return getattr(value, name) if name in _LOOP else _MISSING
    if name not in _METHODS.get(type(value), ()):
        return _MISSING
    if isinstance(value, str) and name == "replace":
        return functools.partial(_replace, value)
    if isinstance(value, str) and name == "join":
        return lambda values: _join(values, value)
    if isinstance(value, dict) and name != "get":
        return lambda: list(getattr(value, name)())
    return getattr(value, name)


def is_missing(value: Any) -> bool:
    """Whether `attribute_of` or `item_of` found nothing."""
    return value is _MISSING


def item_of(value: Any, key: Any) -> Any:
    """What ``value[key]`` is in an expression: an item or a character, or the missing mark."""
    if isinstance(value, dict):
        try:
            return value.get(key, _MISSING)
        except TypeError:
            return _MISSING
    if isinstance(value, (list, tuple, str)) and isinstance(key, int) and not isinstance(key, bool):
        return value[key] if -len(value) <= key < len(value) else _MISSING
    return _MISSING


_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "a text"),
    (dict, "a mapping"),
    (list, "a list"),
    (tuple, "a list"),
    (type(None), "null"),
)


def name_of(value: Any) -> str:
    """What kind of value it is, in words."""
    return next((name for kind, name in _NAMES if isinstance(value, kind)), "this value")


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


def calculate(symbol: str, left: Any, right: Any) -> Any:
    """The result of a binary operator within the bounds.

    Raises:
        TooLarge: the result would go over a bound.
        TypeError: texts and lists know only ``+`` and ``*``.
    """
    if isinstance(left, (Undefined, type(None))) or isinstance(right, (Undefined, type(None))):
        return _OPERATORS[symbol](left, right)
    numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
    if not numbers:
        if symbol == "*":
            times, whole = (left, right) if isinstance(left, int) else (right, left)
            if isinstance(times, int) and size_of(whole) * max(times, 0) > 2 * MAX_ITEMS:
                raise TooLarge(f"a repetition may make {MAX_ITEMS:,} characters or items at most")
        elif symbol == "+":
            size_of([left, right])
        else:
            raise TypeError(f"{symbol} works on numbers only")
    elif isinstance(left, int) and isinstance(right, int):
        bits = {
            "*": left.bit_length() + right.bit_length(),
            "**": left.bit_length() * abs(right),
        }.get(symbol, max(left.bit_length(), right.bit_length()))
        if bits > MAX_BITS:
            raise TooLarge("the number it makes is too large")
    try:
        result = _OPERATORS[symbol](left, right)
    except TypeError:
        raise TypeError(f"{symbol} does not work on {name_of(left)} and {name_of(right)}") from None
    if isinstance(result, complex):
        raise ValueError("a negative number has no such power")
    return result
