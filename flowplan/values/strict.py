"""The hooks of the strict converter: what each type accepts, and the words it refuses with."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from pathlib import Path as FilePath
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import attrs

from flowplan.values.convert import Invalid, Mismatch, Problem, problems_of
from flowplan.values.diagnostic import did_you_mean
from flowplan.values.quantity import parse_instant

if TYPE_CHECKING:
    from cattrs import Converter

Hook = Callable[[Any, Any], Any]
"""Turns data into a value of the type given second, or raises `Mismatch` or `Invalid`."""

_LONGEST_SHOWN = 60


def show(value: Any) -> str:
    """``value`` as a message shows it: in the words of YAML, shortened."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple, set, frozenset)):
        return "a list"
    if isinstance(value, (str, int, float, datetime, date)):
        if isinstance(value, float) and not math.isfinite(value):
            return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        try:
            text = repr(value) if isinstance(value, str) else str(value)
        except ValueError:
            return "a very long number"
        return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
    return f"a value of type {type(value).__name__}"


def _mismatch(wanted: str, value: Any, suggestion: str = "") -> Mismatch:
    return Mismatch(f"must be {wanted}, not {show(value)}", suggestion, value)


def _integer(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    advice = ""
    if isinstance(value, str):
        text = value.strip().replace("_", "").replace(",", "")
        if text.lstrip("+-").isdigit():
            advice = f"Write {text} without quotes." if text == value.strip() else f"Write {text}."
        elif re.fullmatch(r"\d+(\.\d+)? *[A-Za-z]+", text):
            advice = "Write the number alone; the unit is in the field's name."
    elif isinstance(value, float) and math.isfinite(value) and value == int(value):
        advice = f"Write {int(value)} without a decimal point."
    raise _mismatch("a whole number", value, advice)


def _number(value: Any, _: Any) -> float:
    kind = type(value)
    if kind is float or kind is int:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
        raise _mismatch("a finite number", value)
    advice = ""
    if isinstance(value, str):
        text = value.strip().lstrip("$#").replace(",", "")
        try:
            float(text)
            advice = f"Write {text} without quotes." if text == value.strip() else f"Write {text}."
        except ValueError:
            advice = "Write the number alone, without a unit." if text[:1].isdigit() else ""
    raise _mismatch("a number", value, advice)


def _boolean(value: Any, _: Any) -> bool:
    if type(value) is bool:
        return value
    advice = "Write true or false, without quotes." if isinstance(value, (str, int)) else ""
    raise _mismatch("true or false", value, advice)


def _text(value: Any, _: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, str) and not isinstance(value, Enum):
        return str(value)
    scalar = isinstance(value, (bool, int, float, datetime, date))
    raise _mismatch("text", value, "Put it in quotes." if scalar else "")


def _nothing(value: Any, _: Any) -> None:
    if value is not None:
        raise _mismatch("null", value)


def instant(value: Any, _: Any = None) -> datetime:
    """A moment in UTC, from a datetime, an RFC 3339 text, a date, or a number of seconds since 1970.

    A time without an offset is taken as UTC (spec/models.md, "What we take from it", 4).
    """
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    example = "Write a time as 2026-12-01T00:00:00Z."
    if isinstance(value, str):
        try:
            return parse_instant(value)
        except (ValueError, OverflowError):
            raise _mismatch("a time", value, example) from None
    if type(value) in (int, float):
        try:
            return datetime.fromtimestamp(value, tz=UTC)
        except (ValueError, OverflowError, OSError):
            raise _mismatch("a time", value, example) from None
    raise _mismatch("a time", value, example)


def _path(value: Any, _: Any) -> FilePath:
    if isinstance(value, PurePath):
        return FilePath(value)
    if isinstance(value, str):
        return FilePath(value)
    raise _mismatch("a path", value)


def _uuid(value: Any, _: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    raise _mismatch("a UUID", value)


def _choice_advice(value: Any, known: list[str]) -> str:
    return did_you_mean(value, known) if isinstance(value, str) else ""


def _one_of(known: Sequence[Any]) -> str:
    words = [show(word) for word in known]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


@cache
def _enumeration(kind: Any) -> Hook:
    members = {member.value: member for member in kind}
    known = list(members)

    def hook(value: Any, _: Any) -> Any:
        if isinstance(value, kind):
            return value
        if type(value) is str and value in members:
            return members[value]
        raise _mismatch(_one_of(known), value, _choice_advice(value, known))

    return hook


def _literal(kind: Any) -> Hook:
    known = list(get_args(kind))

    def hook(value: Any, _: Any) -> Any:
        for word in known:
            if type(word) is type(value) and word == value:
                return word
        raise _mismatch(
            _one_of(known), value, _choice_advice(value, [w for w in known if isinstance(w, str)])
        )

    return hook


def each(value: Any, item: Hook, kind: Any, path_of: Callable[[int], Any] = lambda index: index) -> list[Any]:
    """The items of a list, each turned by ``item``; the problems of all of them at once."""
    if not isinstance(value, (list, tuple)):
        scalar = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        raise _mismatch("a list", value, "Put it in square brackets." if scalar else "")
    result: list[Any] = []
    problems: list[Problem] = []
    for index, one in enumerate(value):
        try:
            result.append(item(one, kind))
        except (Mismatch, Invalid) as error:
            problems.extend(problems_of(error, (path_of(index),)))
    if problems:
        raise Invalid(problems)
    return result


def _sequence(kind: Any) -> Hook:
    (inner,) = get_args(kind) or (Any,)
    item = hook_for(inner)
    return lambda value, _: each(value, item, inner)


def _set(kind: Any) -> Hook:
    (inner,) = get_args(kind) or (Any,)
    item = hook_for(inner)
    make = frozenset if get_origin(kind) is frozenset else set

    def hook(value: Any, _: Any) -> Any:
        ordered = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return make(each(ordered, item, inner))

    return hook


def _tuple(kind: Any) -> Hook:
    inner = get_args(kind)
    if len(inner) == 2 and inner[1] is Ellipsis:
        item = hook_for(inner[0])
        return lambda value, _: tuple(each(value, item, inner[0]))
    hooks = [hook_for(one) for one in inner]

    def hook(value: Any, _: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or len(value) != len(hooks):
            raise _mismatch(f"a list of {len(hooks)} values", value)
        turn = iter(hooks)
        return tuple(each(value, lambda one, _: next(turn)(one, None), None))

    return hook


def _mapping(kind: Any) -> Hook:
    key_kind, item_kind = get_args(kind) or (str, Any)
    key_hook, item_hook = hook_for(key_kind), hook_for(item_kind)

    def hook(value: Any, _: Any) -> dict[Any, Any]:
        if not isinstance(value, Mapping):
            raise _mismatch("a mapping", value)
        result: dict[Any, Any] = {}
        problems: list[Problem] = []
        for key, item in value.items():
            place = key if isinstance(key, (str, int)) else str(key)
            try:
                turned = key_hook(key, key_kind)
            except (Mismatch, Invalid):
                problems.append(Problem((str(key),), f"{key} is a key that is not text", "Put it in quotes."))
                continue
            try:
                result[turned] = item_hook(item, item_kind)
            except (Mismatch, Invalid) as error:
                problems.extend(problems_of(error, (place,)))
        if problems:
            raise Invalid(problems)
        return result

    return hook


def _claims(kind: Any, value: Any) -> bool:
    """Whether ``value`` looks meant for ``kind``, so that its words of refusal are the helpful ones."""
    origin: Any = get_origin(kind) or kind
    if not isinstance(origin, type):
        return False
    if attrs.has(origin):
        return isinstance(value, (Mapping, origin))
    if origin is list:
        return isinstance(value, (list, tuple))
    if origin is float:
        return type(value) in (int, float)
    if issubclass(origin, Mapping) or origin is dict:
        return isinstance(value, Mapping)
    return type(value) is origin or (isinstance(value, origin) and type(value) is not bool)


def _kind_words(kind: Any) -> str:
    origin = get_origin(kind) or kind
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list"}
    words |= {dict: "a mapping", FilePath: "a path"}
    return words.get(origin, f"a mapping ({getattr(origin, '__name__', origin)})")


def _union(kind: Any) -> Hook:
    arms = [arm for arm in get_args(kind) if arm is not type(None)]
    nullable = len(arms) < len(get_args(kind))
    hooks = [hook_for(arm) for arm in arms]
    if len(arms) == 1:
        only, arm = hooks[0], arms[0]
        return lambda value, _: None if value is None else only(value, arm)

    def hook(value: Any, _: Any) -> Any:
        if value is None and nullable:
            return None
        for arm, one in zip(arms, hooks, strict=True):
            if _claims(arm, value):
                return one(value, arm)
        scalar = str in arms and isinstance(value, (bool, int, float))
        words = " or ".join(_kind_words(arm) for arm in arms)
        raise _mismatch(words, value, "Put it in quotes." if scalar else "")

    return hook


_SCALARS: dict[Any, Hook] = {
    int: _integer,
    float: _number,
    bool: _boolean,
    str: _text,
    type(None): _nothing,
    datetime: instant,
    FilePath: _path,
    UUID: _uuid,
}


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _not_enums(hook: Hook) -> Hook:
    """``hook``, but for an enum: the converter finds a scalar's hook for its subclasses too."""
    return lambda value, kind: _enumeration(kind)(value, kind) if _is_enum(kind) else hook(value, kind)


def hook_for(kind: Any) -> Hook:
    """The hook that turns data into ``kind``.

    Why not the converter's at once: cattrs, which takes a while to import, is needed for plain classes only.
    """
    if kind is Any:
        return lambda value, _: value
    if _is_enum(kind):
        return _enumeration(kind)
    if kind in _SCALARS:
        return _SCALARS[kind]
    if hasattr(kind, "__structure__"):
        return _own_hook(kind)
    for applies, factory in _SHAPES:
        if applies(kind):
            return factory(kind)
    from flowplan.values.convert import converter

    found: Hook = converter().get_structure_hook(kind)
    return found


def _plain_class(converter: Converter, kind: Any) -> Hook:
    """The hook of an attrs class that is no documented model: cattrs' own, with unknown keys refused."""
    from cattrs.errors import BaseValidationError
    from cattrs.gen import make_dict_structure_fn

    made = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True)

    def hook(value: Any, _: Any) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            raise _mismatch(f"a mapping ({kind.__name__})", value)
        try:
            return made(dict(value), kind)
        except BaseValidationError as error:
            raise Invalid(problems_of(error, ())) from None

    return hook


def _origin_is(*wanted: Any) -> Callable[[Any], bool]:
    def applies(kind: Any) -> bool:
        origin: Any = get_origin(kind)
        return (kind if origin is None else origin) in wanted

    return applies


def _own_hook(kind: Any) -> Hook:
    return lambda value, _: kind.__structure__(value)


_SHAPES: list[tuple[Callable[[Any], bool], Callable[[Any], Hook]]] = [
    (_origin_is(Literal), _literal),
    (_origin_is(list, Sequence), _sequence),
    (_origin_is(dict, Mapping), _mapping),
    (_origin_is(set, frozenset), _set),
    (_origin_is(tuple), _tuple),
    (_origin_is(Union, types.UnionType), _union),
]


def build_converter() -> Converter:
    """A converter with all strict hooks; a class with a ``__structure__`` class method is asked itself."""
    from cattrs import Converter

    converter = Converter(detailed_validation=True)
    factories: list[tuple[Callable[[Any], bool], Callable[[Any], Hook]]] = [
        (attrs.has, lambda kind: _plain_class(converter, kind)),
        (_is_enum, _enumeration),
        *_SHAPES,
        (lambda kind: hasattr(kind, "__structure__"), _own_hook),
    ]
    for applies, factory in factories:
        converter.register_structure_hook_factory(applies, factory)
    for kind, hook in _SCALARS.items():
        converter.register_structure_hook(kind, _not_enums(hook))
    return converter
