"""Plain values as expressions see them: their names in words, their text, their items, and what a dot or key gives."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

from jinja2.runtime import LoopContext, Undefined

from flowplan.lang.functions.bounds import MAX_BITS, MAX_ITEMS, TooLarge, fits, size_of

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
_MISSING: Any = object()


def name_of(value: Any) -> str:
    """What kind of value it is, in words."""
    return next((name for kind, name in _NAMES if isinstance(value, kind)), "this value")


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
    raise TypeError(f"{name} cannot stand inside a text. Write {{{{ … | tojson }}}}, or choose what to show.")


def text_of(value: Any) -> str:
    """A text, or a number or truth value as its text.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (list, tuple, dict)):
        raise TypeError(f"a text is needed here, and this is {name_of(value)}")
    return as_text(value)


def items_of(value: Any) -> list[Any]:
    """The items of a list, or the keys of a mapping.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, (list, tuple, dict)):
        return list(value)
    if isinstance(value, Undefined):
        str(value)
    raise TypeError(f"a list is needed here, and this is {name_of(value)}")


def map_of(value: Any) -> dict[str, Any]:
    """A mapping.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, dict):
        return value
    raise TypeError(f"a map is needed here, and this is {name_of(value)}")


def number_of(value: Any) -> int | float:
    """A number.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"a number is needed here, and this is {name_of(value)}")
    return value


def whole_of(value: Any, low: int, high: int, what: str) -> int:
    """A whole number from ``low`` to ``high``.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be a whole number, and this is {name_of(value)}")
    if not low <= value <= high:
        raise ValueError(f"{what} must be from {low:,} to {high:,}")
    return value


def key_of(value: Any) -> str | int | float | bool | None:
    """What may be a key of a mapping: a text, a number, true, false or null.

    Raises:
        TypeError: it is something else.
    """
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Undefined):
        str(value)
    raise TypeError(f"a key must be a text, and this is {name_of(value)}")


def identity(value: Any) -> Any:
    """Something to compare and hash in place of ``value``: equal for equal values, 1 and true apart."""
    if isinstance(value, dict):
        return ("map", tuple(sorted((str(key), identity(item)) for key, item in value.items())))
    if isinstance(value, (list, tuple)):
        return ("list", tuple(identity(item) for item in value))
    return (
        type(value).__name__ if not isinstance(value, (int, float)) or isinstance(value, bool) else "number",
        value,
    )


# -- attributes and items ------------------------------------------------------------------------------------

_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        (
            "upper", "lower", "title", "capitalize", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines",
            "startswith", "endswith", "removeprefix", "removesuffix", "replace", "join", "find", "count", "isdigit",
            "isalpha", "isalnum", "isupper", "islower",
        )
    ),
    dict: frozenset(("keys", "values", "items", "get")),
    list: frozenset(("index", "count")),
    tuple: frozenset(("index", "count")),
}  # fmt: skip
_LOOP = frozenset(
    ("index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem", "cycle")
)
METHOD_NAMES = frozenset(name for names in _METHODS.values() for name in names) | {"cycle"}
"""Every name that may be called with a dot."""
_LONGEST_SEPARATOR = 256


class Method:
    """A method of a value, that knows what it works on (so that its work can be counted)."""

    __slots__ = ("call", "value")

    def __init__(self, value: Any, call: Callable[..., Any]) -> None:
        self.value, self.call = value, call

    def __call__(self, *args: Any) -> Any:
        """Its result; lists where Python would give a view."""
        return self.call(*args)


def attribute_of(value: Any, name: str) -> Any:
    """What ``value.name`` is in an expression: a key of a mapping, an allowed method, or the missing mark."""
    if isinstance(value, dict) and name in value:
        return value[name]
    if isinstance(value, LoopContext):
        return getattr(value, name) if name in _LOOP else _MISSING
    if name not in _METHODS.get(type(value), ()):
        return _MISSING
    if isinstance(value, str):
        if name == "replace":
            return Method(value, functools.partial(replaced, value))
        if name == "join":
            return Method(value, lambda values: joined(values, value))
        if name in ("split", "rsplit", "strip", "lstrip", "rstrip"):
            return Method(value, functools.partial(_cut, getattr(value, name)))
    if isinstance(value, dict):
        return Method(value, functools.partial(_of_map, value, name))
    return Method(value, getattr(value, name))


def _cut(method: Callable[..., Any], chars: Any = None, times: int = -1) -> Any:
    # Why: the search from the right is quadratic in the length of what is looked for
    if chars is not None and (not isinstance(chars, str) or not 1 <= len(chars) <= _LONGEST_SEPARATOR):
        raise ValueError(f"this takes a text of 1 to {_LONGEST_SEPARATOR} characters")
    return method(chars) if times == -1 else method(chars, times)


def _of_map(value: dict[Any, Any], name: str, *args: Any) -> Any:
    if name == "get":
        return value.get(key_of(args[0]) if args else None, *args[1:])
    if args:
        raise TypeError(f"{name}() takes nothing")
    return [list(pair) for pair in value.items()] if name == "items" else list(getattr(value, name)())


def is_missing(value: Any) -> bool:
    """Whether `attribute_of` or `item_of` found nothing."""
    return value is _MISSING


def item_of(value: Any, key: Any) -> Any:
    """What ``value[key]`` is in an expression: an item or a character, or the missing mark."""
    if isinstance(value, dict):
        return value.get(key, _MISSING) if key is None or isinstance(key, (str, int, float)) else _MISSING
    if isinstance(value, (list, tuple, str)) and isinstance(key, int) and not isinstance(key, bool):
        return value[key] if -len(value) <= key < len(value) else _MISSING
    return _MISSING


def replaced(value: Any, old: Any, new: Any, count: int = -1) -> str:
    """A text with ``old`` replaced by ``new``, of bounded length."""
    text, old, new = text_of(value), text_of(old), text_of(new)
    times = text.count(old) if old else len(text) + 1
    fits(len(text) + times * max(0, len(new) - len(old)))
    return text.replace(old, new, whole_of(count, -1, 10**9, "count"))


def joined(values: Any, separator: Any = "") -> str:
    """The texts of a list in a row, of bounded length."""
    if not isinstance(separator, str):
        raise TypeError(f"a separator must be a text, and this is {name_of(separator)}. Put it in quotes.")
    texts, between = [as_text(item) for item in items_of(values)], separator
    fits(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


# -- operators -----------------------------------------------------------------------------------------------

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


def bounded(number: int | float) -> int | float:
    """A number that is not too large.

    Raises:
        TooLarge: it is, or it is no number any more.
    """
    if isinstance(number, int):
        if number.bit_length() > MAX_BITS:
            raise TooLarge("the number it makes is too large")
    elif not math.isfinite(number):
        raise TooLarge("the number it makes is too large")
    return number


def calculate(symbol: str, left: Any, right: Any) -> Any:
    """The result of a binary operator within the bounds.

    Raises:
        TooLarge: the result would go over a bound.
        TypeError: texts and lists know only ``+`` and ``*``.
    """
    if isinstance(left, Undefined) or isinstance(right, Undefined):
        return _OPERATORS[symbol](left, right)
    numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
    if not numbers:
        if symbol == "*":
            times, whole = (left, right) if isinstance(left, int) else (right, left)
            repeated = isinstance(times, int) and isinstance(whole, (str, list, tuple))
            if repeated and size_of(whole) * max(times, 0) > 2 * MAX_ITEMS:
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
    except OverflowError:
        raise TooLarge("the number it makes is too large") from None
    if isinstance(result, complex):
        raise ValueError("a negative number has no such power")
    return result
