"""Objects of one kind in the order of their creation, found by the values of their attributes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from heapq import merge
from typing import Any

Facets = Mapping[str, Callable[[Any], str]]
Where = Mapping[str, Collection[str]]
"""For each facet the values that are wanted."""


class Index:
    """Lists of ``seq`` numbers, one for all objects and one for each value of each facet.

    A list page walks the shortest list that holds all it may show, from its cursor on, so that its cost does not
    grow with the objects that other pages show. A change costs one search in each list concerned.
    """

    def __init__(self, facets: Facets) -> None:
        self._facets = facets
        self._values: dict[int, Any] = {}
        self._all: list[int] = []
        self._lists: dict[str, dict[str, list[int]]] = {name: {} for name in facets}

    def replace(self, before: Any, value: Any) -> None:
        """Take note that ``before`` has become ``value``; either may be None. Both have the same ``seq``."""
        if before is None:
            self._values[value.seq] = value
            _insert(self._all, value.seq)
        elif value is None:
            del self._values[before.seq]
            _remove(self._all, before.seq)
        else:
            self._values[value.seq] = value
        for name, facet in self._facets.items():
            lists = self._lists[name]
            old = None if before is None else facet(before)
            new = None if value is None else facet(value)
            if old == new:
                continue
            if old is not None:
                _remove(lists[old], before.seq)
                if not lists[old]:
                    del lists[old]
            if new is not None:
                _insert(lists.setdefault(new, []), value.seq)

    def present(self, facet: str) -> list[str]:
        """The values of a facet that some object has, sorted."""
        return sorted(self._lists[facet])

    def count(self, facet: str, value: str) -> int:
        """How many objects have that value."""
        return len(self._lists[facet].get(value, ()))

    def find(self, where: Where, after: int | None = None, descending: bool = False) -> Iterator[Any]:
        """The objects that have a wanted value of every facet named, in order of creation or against it.

        With ``after`` only those behind that ``seq`` in this order. Must be used up before anything is changed.
        """
        best: list[list[int]] = [self._all]
        chosen = None
        for name, wanted in where.items():
            lists = [found for value in set(wanted) if (found := self._lists[name].get(value))]
            if chosen is None or sum(map(len, lists)) < sum(map(len, best)):
                best, chosen = lists, name
        walks = [_walk(numbers, after, descending) for numbers in best]
        rest = [(self._facets[name], wanted) for name, wanted in where.items() if name != chosen]
        for seq in walks[0] if len(walks) == 1 else merge(*walks, reverse=descending):
            value = self._values[seq]
            if all(facet(value) in wanted for facet, wanted in rest):
                yield value


def _walk(numbers: Sequence[int], after: int | None, descending: bool) -> Iterator[int]:
    if descending:
        end = len(numbers) if after is None else bisect_left(numbers, after)
        return (numbers[i] for i in range(end - 1, -1, -1))
    start = 0 if after is None else bisect_right(numbers, after)
    return (numbers[i] for i in range(start, len(numbers)))


def _insert(numbers: list[int], seq: int) -> None:
    if not numbers or numbers[-1] < seq:
        numbers.append(seq)
    else:
        numbers.insert(bisect_left(numbers, seq), seq)


def _remove(numbers: list[int], seq: int) -> None:
    del numbers[bisect_left(numbers, seq)]
