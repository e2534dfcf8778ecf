"""Functions of lists."""

from __future__ import annotations

import itertools
import math
from typing import Any

from flowplan.lang.functions.bounds import MAX_ITEMS, TooLarge, holds
from flowplan.lang.functions.plain import identity, items_of, name_of, text_of, whole_of
from flowplan.lang.functions.registry import function

_LISTS = "Lists"


@function(_LISTS, "length(['a', 'b'])", "2", also="count")
def length(value: Any) -> int:
    """How many items a list, keys a map, or characters a text has."""
    return len(value) if isinstance(value, str) else len(items_of(value))


@function(_LISTS, "first([3, 1])", "3")
def first(values: Any) -> Any:
    """The first item of a list, or character of a text."""
    return _at(values, 0)


@function(_LISTS, "last([3, 1])", "1")
def last(values: Any) -> Any:
    """The last item of a list, or character of a text."""
    return _at(values, -1)


@function(_LISTS, "sort([3, 1, 2])", "[1, 2, 3]")
def sort(values: Any, reverse: bool = False, attribute: str | None = None) -> list[Any]:
    """The items in order, by an attribute of them where one is named. Texts are ordered letter by letter, capitals first."""
    return sorted(
        items_of(values), key=lambda item: _comparable(_part(item, attribute)), reverse=bool(reverse)
    )


@function(_LISTS, "reverse([1, 2, 3])", "[3, 2, 1]")
def reverse(values: Any) -> Any:
    """The items, or the characters of a text, from the last to the first."""
    return values[::-1] if isinstance(values, str) else items_of(values)[::-1]


@function(_LISTS, "unique(['b', 'a', 'b'])", '["b", "a"]', also="distinct")
def unique(values: Any, attribute: str | None = None) -> list[Any]:
    """Each different item once, in the order in which they come first."""
    seen: dict[Any, Any] = {}
    for item in items_of(values):
        seen.setdefault(identity(_part(item, attribute)), item)
    return list(seen.values())


@function(_LISTS, "flatten([1, [2, [3]]])", "[1, 2, 3]")
def flatten(values: Any, depth: int = 100) -> list[Any]:
    """The items of lists within lists in one list, to that many levels."""
    depth = whole_of(depth, 0, 100, "depth")
    result: list[Any] = []
    waiting = [(item, 0) for item in reversed(_list(values))]
    while waiting:
        item, level = waiting.pop()
        if isinstance(item, (list, tuple)) and level < depth:
            waiting += [(inner, level + 1) for inner in reversed(item)]
        else:
            result.append(item)
    return result


@function(_LISTS, "concat([1], [2, 3])", "[1, 2, 3]")
def concat(*lists: Any) -> list[Any]:
    """Lists one after the other."""
    return [item for values in lists for item in _list(values)]


@function(_LISTS, "slice([1, 2, 3, 4], 1, 3)", "[2, 3]", name="slice")
def slice_(values: Any, start: int, end: int | None = None) -> Any:
    """The items (or characters) from start up to end, counted from 0; negative numbers count from the end."""
    for bound in (start, end):
        if bound is not None:
            whole_of(bound, -(10**9), 10**9, "start and end")
    return values[start:end] if isinstance(values, str) else _list(values)[start:end]


@function(_LISTS, "chunk([1, 2, 3], 2)", "[[1, 2], [3]]")
def chunk(values: Any, size: int) -> list[Any]:
    """The items in lists of size; the last one may be shorter."""
    items, size = _list(values), whole_of(size, 1, 10**9, "size")
    return [items[start : start + size] for start in range(0, len(items), size)]


@function(_LISTS, "range(2, 5)", "[2, 3, 4]", name="range")
def range_(start: int, end: int | None = None, step: int = 1) -> list[int]:
    """The whole numbers from start up to, but without, end; with one value, from 0."""
    for bound in (start, end, step):
        if bound is not None:
            whole_of(bound, -(10**15), 10**15, "what range takes")
    numbers = range(start) if end is None else range(start, end, step)
    if len(numbers) > MAX_ITEMS:
        raise TooLarge(f"range may give {MAX_ITEMS:,} numbers at most")
    return list(numbers)


@function(_LISTS, "zip(['a', 'b'], [1, 2])", '[["a", 1], ["b", 2]]', name="zip")
def zip_(*lists: Any) -> list[Any]:
    """The first items of all the lists together, then the second ones, as far as the shortest goes."""
    return [list(row) for row in zip(*[_list(values) for values in lists], strict=False)]


@function(_LISTS, "contains(['a', 'b'], 'a')", "true")
def contains(value: Any, item: Any) -> bool:
    """Whether a list has the item, a map the key, or a text the part."""
    if isinstance(value, str):
        return text_of(item) in value
    if isinstance(value, dict):
        return isinstance(item, (str, int, float)) and item in value
    wanted = identity(item)
    return any(identity(one) == wanted for one in items_of(value))


@function(_LISTS, "product(['a', 'b'], [1, 2])", '[["a", 1], ["a", 2], ["b", 1], ["b", 2]]')
def product(*lists: Any) -> list[Any]:
    """Every way to take one item from each list."""
    taken = [_list(values) for values in lists]
    holds(math.prod(map(len, taken)) * max(1, len(taken)))
    return [list(row) for row in itertools.product(*taken)]


@function(_LISTS, "compact(['a', '', none])", '["a"]')
def compact(values: Any) -> list[Any]:
    """The items that are not null, empty texts, or empty lists and maps."""
    return [item for item in items_of(values) if item is not None and item not in ("", [], {}, ())]


@function(
    _LISTS,
    "group_by([{'k': 'a', 'n': 1}, {'k': 'b', 'n': 2}], 'k')",
    '{"a": [{"k": "a", "n": 1}], "b": [{"k": "b", "n": 2}]}',
)
def group_by(values: Any, attribute: str) -> dict[str, list[Any]]:
    """A map from each value of an attribute to the items that have it."""
    groups: dict[str, list[Any]] = {}
    for item in items_of(values):
        groups.setdefault(text_of(_part(item, attribute)), []).append(item)
    return groups


@function(_LISTS, "list('ab')", '["a", "b"]', name="list")
def list_(value: Any) -> list[Any]:
    """The characters of a text, or the keys of a map, as a list."""
    if isinstance(value, str):
        holds(len(value))
        return [*value]
    return items_of(value)


def _list(value: Any) -> list[Any]:
    if isinstance(value, dict):
        raise TypeError("a list is needed here, and this is a mapping (its keys(…) or values(…) are lists)")
    return items_of(value)


def _at(values: Any, index: int) -> Any:
    items = values if isinstance(values, str) else items_of(values)
    if not items:
        raise ValueError("the list is empty, so it has no such item")
    return items[index]


def _part(item: Any, attribute: str | None) -> Any:
    if attribute is None:
        return item
    for part in str(attribute).split("."):
        if not isinstance(item, dict) or part not in item:
            raise ValueError(f"an item has no attribute {part!r}")
        item = item[part]
    return item


def _comparable(item: Any) -> Any:
    # Why: Python would compare lists item by item, and give up in the middle; say so before
    if isinstance(item, dict) or item is None:
        raise TypeError(f"{name_of(item)} cannot be put in order; name an attribute: sort(attribute='…')")
    return item
