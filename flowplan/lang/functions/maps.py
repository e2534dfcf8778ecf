"""Functions of maps, and what stands in for a value that is missing."""

from __future__ import annotations

from typing import Any

from jinja2.runtime import Undefined

from flowplan.lang.functions.plain import items_of, key_of, map_of
from flowplan.lang.functions.registry import function

_MAPS = "Maps"
_MISSING = "Missing values"
_DEEPEST = 100


@function(_MAPS, "merge({'a': 1, 'b': 1}, {'b': 2})", '{"a": 1, "b": 2}')
def merge(*maps: Any, deep: bool = False) -> dict[str, Any]:
    """The keys of all the maps; where two have one, the later wins (with deep, maps inside are merged too)."""
    result: dict[str, Any] = {}
    for one in maps:
        result = _merged(result, map_of(one), 0) if deep else {**result, **map_of(one)}
    return result


@function(_MAPS, "keys({'b': 1, 'a': 2})", '["b", "a"]')
def keys(value: Any) -> list[Any]:
    """The keys of a map, in its order."""
    return list(map_of(value))


@function(_MAPS, "values({'b': 1, 'a': 2})", "[1, 2]")
def values(value: Any) -> list[Any]:
    """The values of a map, in its order."""
    return list(map_of(value).values())


@function(_MAPS, "items({'a': 1})", '[["a", 1]]')
def items(value: Any) -> list[Any]:
    """The keys of a map with their values, as pairs."""
    return [[key, item] for key, item in map_of(value).items()]


@function(_MAPS, "from_items([['a', 1]])", '{"a": 1}')
def from_items(pairs: Any) -> dict[Any, Any]:
    """The map that pairs of keys and values make: the inverse of items."""
    result: dict[Any, Any] = {}
    for pair in items_of(pairs):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise TypeError("from_items takes a list of pairs, as in [['key', 'value']]")
        result[key_of(pair[0])] = pair[1]
    return result


@function(_MAPS, "zipmap(['a', 'b'], [1, 2])", '{"a": 1, "b": 2}')
def zipmap(keys: Any, values: Any) -> dict[Any, Any]:
    """The map from each key to the value at the same place."""
    left, right = items_of(keys), items_of(values)
    if len(left) != len(right):
        raise ValueError(f"zipmap is given {len(left)} keys and {len(right)} values")
    return {key_of(key): value for key, value in zip(left, right, strict=True)}


@function(_MAPS, "pick({'a': 1, 'b': 2}, 'a')", '{"a": 1}')
def pick(value: Any, *keys: Any) -> dict[str, Any]:
    """The map with only these keys (given one by one, or as a list)."""
    wanted = _named(keys)
    return {key: item for key, item in map_of(value).items() if key in wanted}


@function(_MAPS, "omit({'a': 1, 'b': 2}, 'a')", '{"b": 2}')
def omit(value: Any, *keys: Any) -> dict[str, Any]:
    """The map without these keys (given one by one, or as a list)."""
    refused = _named(keys)
    return {key: item for key, item in map_of(value).items() if key not in refused}


@function(_MAPS, "lookup({'a': 1}, 'b', 0)", "0")
def lookup(value: Any, key: Any, *default: Any) -> Any:
    """The value of a key; where the map has none, the default (an error without one)."""
    found = map_of(value)
    if len(default) > 1:
        raise TypeError("lookup takes a map, a key and one default")
    if key_of(key) in found:
        return found[key]
    if default:
        return default[0]
    raise ValueError(f"the map has no key {key!r}, and lookup was given no default")


@function(_MAPS, "dictsort({'b': 1, 'a': 2})", '[["a", 2], ["b", 1]]')
def dictsort(value: Any, reverse: bool = False) -> list[Any]:
    """The pairs of a map in the order of its keys."""
    return [
        [key, item] for key, item in sorted(map_of(value).items(), key=lambda p: p[0], reverse=bool(reverse))
    ]


@function(_MISSING, "default(none, 3, true)", "3", also="d", lenient=True)
def default(value: Any, fallback: Any = "", empty: bool = False) -> Any:
    """The value, or the fallback where it does not exist; with empty, also where it is null, false, 0 or empty."""
    return fallback if isinstance(value, Undefined) or (empty and not value) else value


@function(_MISSING, "coalesce(none, '', 'a')", '"a"', lenient=True)
def coalesce(*values: Any) -> Any:
    """The first value that exists and is neither null nor an empty text."""
    for value in values:
        if not isinstance(value, Undefined) and value is not None and value != "":
            return value
    raise ValueError("coalesce found only null and empty values")


def _merged(low: dict[str, Any], high: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise ValueError(f"the maps are nested more than {_DEEPEST} deep")
    result = dict(low)
    for key, value in high.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = _merged(old, value, depth + 1) if both else value  # type: ignore[arg-type]
    return result


def _named(keys: tuple[Any, ...]) -> set[Any]:
    return {key_of(key) for item in keys for key in (item if isinstance(item, (list, tuple)) else [item])}
