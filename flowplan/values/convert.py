"""Strict conversion between JSON-shaped data and typed values, and the problems it finds on the way.

`structure` never coerces (``true`` is no int, ``"40"`` is no int; an int is a fine float), refuses unknown
keys, and reports every problem of a value in one go (spec/models.md, "What we take from it", 3 and 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from operator import attrgetter
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import attrs
from attrs import field

from flowplan.values.classes import frozen
from flowplan.values.diagnostic import did_you_mean
from flowplan.values.quantity import format_instant
from flowplan.values.value import Path, path_text

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")


class _NotGiven(Enum):
    NOT_GIVEN = "not given"

    def __bool__(self) -> bool:
        return False


NOT_GIVEN = _NotGiven.NOT_GIVEN
"""Stands for "no value to show": nothing was written, or what was written may be a secret."""


@frozen
class Problem:
    """One thing wrong with a value: where in it, what (a sentence that names the place), what would be right.

    ``given`` is the offending value, or `NOT_GIVEN`; it is no part of equality and never printed by itself.
    """

    path: Path
    message: str
    suggestion: str = ""
    given: Any = field(default=NOT_GIVEN, eq=False, repr=False)

    def under(self, prefix: Path) -> Problem:
        """The same problem of a value that stands at ``prefix`` inside a larger one."""
        if not prefix:
            return self
        message, inner = self.message, path_text(self.path)
        if inner and message.startswith(inner):
            message = path_text((*prefix, *self.path)) + message[len(inner) :]
        return attrs.evolve(self, path=(*prefix, *self.path), message=message)


class Invalid(ValueError):
    """A value that breaks its type's rules; ``problems`` holds every one found, in the order of the fields."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Carry ``problems``; the text of the error is all of their messages with their suggestions."""
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("; ".join(f"{p.message} {p.suggestion}".strip() for p in self.problems))


class Mismatch(ValueError):
    """One value is not what its place takes. ``predicate`` completes "<place> …": "must be text, not 3"."""

    def __init__(self, predicate: str, suggestion: str = "", given: Any = NOT_GIVEN) -> None:
        """Say what is wrong with ``given`` in words that follow the name of its place."""
        super().__init__(predicate)
        self.predicate = predicate
        self.suggestion = suggestion
        self.given = given

    def at(self, path: Path) -> Problem:
        """The mismatch as a problem of the value at ``path``."""
        return Problem(
            path, f"{path_text(path) or 'the value'} {self.predicate}", self.suggestion, self.given
        )


def structure(kind: type[T], data: Any) -> T:
    """The value of type ``kind`` that JSON-shaped ``data`` spells.

    Raises:
        Invalid: ``data`` spells none; all its problems at once.
    """
    own = getattr(kind, "__structure__", None)
    try:
        result: T = converter().structure(data, kind) if own is None else own(data)
    except Exception as error:
        found = list(problems_of(error, ()))
        if not found:
            raise
        raise Invalid(found) from None
    return result


def problems_of(error: BaseException, path: Path) -> Iterator[Problem]:
    """Each problem in a conversion error raised for the value at ``path``, walking cattrs' error tree.

    Nothing is yielded for an error that is no verdict on data (a fault of the program).
    """
    if isinstance(error, Mismatch):
        yield error.at(path)
    elif isinstance(error, Invalid):
        for problem in error.problems:
            yield problem.under(path)
    else:
        from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

        if isinstance(error, ClassValidationError):
            with_place, others = error.group_exceptions()
            for inner, note in with_place:
                if isinstance(inner, KeyError):
                    yield Problem((*path, note.name), f"{path_text((*path, note.name))} is required")
                else:
                    yield from _problems_or_raise(inner, (*path, note.name))
            for inner in others:
                yield from _problems_or_raise(inner, path)
        elif isinstance(error, IterableValidationError):
            with_index, others = error.group_exceptions()
            for inner, mark in with_index:
                yield from _problems_or_raise(inner, (*path, mark.index))
            for inner in others:
                yield from _problems_or_raise(inner, path)
        elif isinstance(error, ForbiddenExtraKeysError):
            known = [a.name for a in attrs.fields(error.cl)] if attrs.has(error.cl) else []
            for key in sorted(error.extra_fields, key=str):
                yield unknown_key(key, known).under(path)


def _problems_or_raise(error: BaseException, path: Path) -> Iterator[Problem]:
    found = list(problems_of(error, path))
    if found:
        return iter(found)
    if isinstance(error, ValueError):
        return iter([Problem(path, f"{path_text(path) or 'the value'} is not valid: {error}")])
    raise error


def unknown_key(key: Any, known: Iterable[str], retired: Mapping[str, str] | None = None) -> Problem:
    """The problem of a key that no field has; ``retired`` maps keys of the past to advice."""
    if not isinstance(key, str):
        return Problem((str(key),), f"{key} is not a field: field names are text")
    if retired and key in retired:
        return Problem((key,), f"{key} is not a field any more", retired[key])
    words = list(known)
    advice = did_you_mean(key, words)
    if not advice and len(words) <= 12:
        advice = f"The fields are {', '.join(words)}."
    return Problem((key,), f"{key} is not a field", advice)


@cache
def converter() -> Converter:
    """The one strict converter, built when first needed (importing cattrs takes a while)."""
    from flowplan.values.strict import build_converter

    return build_converter()


_PLAIN = frozenset({str, int, float, bool, type(None)})


_Names = tuple[tuple[str, ...], Callable[[Any], Any]]
_names_of: dict[type, _Names] = {}


def _public_names(kind: type) -> _Names:
    """The fields of an attrs class that are data, and what gets their values; none for any other type."""
    found = attrs.fields(kind) if attrs.has(kind) else ()
    names = tuple(a.name for a in found if not a.name.startswith("_"))
    return names, attrgetter(*names) if len(names) > 1 else lambda value: [getattr(value, n) for n in names]


def unstructure(value: Any) -> Any:
    """``value`` as JSON-shaped data: enums by value, instants as RFC 3339 with Z, sets as sorted lists.

    Raises:
        TypeError: something inside has no JSON shape.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    # Why the test in each line: most values are plain, and a call for each of them is most of the cost.
    if kind is dict:
        return {
            key if type(key) is str else unstructure(key): item if type(item) in _PLAIN else unstructure(item)
            for key, item in value.items()
        }
    if kind is list:
        return [item if type(item) in _PLAIN else unstructure(item) for item in value]
    known = _names_of.get(kind)
    if known is None:
        known = _names_of[kind] = _public_names(kind)
    names, values = known
    if names:
        return {
            name: item if type(item) in _PLAIN else unstructure(item)
            for name, item in zip(names, values(value), strict=True)
        }
    if isinstance(value, Mapping):
        return {unstructure(key): unstructure(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [item if type(item) in _PLAIN else unstructure(item) for item in value]
    if attrs.has(kind):
        return {}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return sorted((unstructure(item) for item in value), key=str)
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, (PurePath, UUID)):
        return str(value)
    if isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"{kind.__name__} has no form as data")
