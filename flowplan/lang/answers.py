"""How unknown values become known: each is computed once, what it needs before it, however many need it."""

from __future__ import annotations

from typing import Any

from flowplan.lang.functions.bounds import MAX_TOTAL_WORK, Meter
from flowplan.values.diagnostic import FlowplanError
from flowplan.values.value import Lookup, NotYetKnown, Reference, Unknown


class Answers:
    """A lookup that remembers what has been computed with it. ``meter`` counts the steps of all of it.

    Without it, two locals that each use the one before twice would be computed twice as often at each step, and a
    long chain of them would need a deep stack.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self.meter = Meter(MAX_TOTAL_WORK)
        # Why the unknown is kept too: an id belongs to another object once its own is gone
        self._found: dict[int, tuple[Unknown, Any, Exception | None]] = {}

    def __call__(self, reference: Reference) -> Any:
        """The value of an attribute."""
        return self._lookup(reference)

    def value(self, unknown: Unknown) -> Any:
        """The value of ``unknown``.

        Raises:
            NotYetKnown: an attribute it waits for is not known.
            FlowplanError: it cannot be computed.
        """
        found = self._found.get(id(unknown))
        if found is None:
            self.settle((unknown,))
            found = self._found[id(unknown)]
        _, value, error = found
        if error is not None:
            raise error
        return value

    def settle(self, wanted: tuple[Unknown, ...]) -> None:
        """Compute these, and first what they need; what fails is remembered as failing."""
        waiting = list(wanted)
        opened: set[int] = set()
        while waiting:
            unknown = waiting[-1]
            if id(unknown) in self._found:
                waiting.pop()
                continue
            if id(unknown) not in opened:
                opened.add(id(unknown))
                waiting += [need for need in unknown.needs if id(need) not in self._found]
                continue
            waiting.pop()
            try:
                self._found[id(unknown)] = (unknown, unknown.resolve(self), None)
            except (NotYetKnown, FlowplanError) as error:
                self._found[id(unknown)] = (unknown, None, error)


def answers_of(lookup: Lookup) -> Answers:
    """``lookup`` as one that remembers."""
    return lookup if isinstance(lookup, Answers) else Answers(lookup)


def answered(unknown: Unknown, lookup: Lookup) -> Any:
    """The value of ``unknown`` by ``lookup``.

    Raises:
        NotYetKnown: an attribute it waits for is not known.
        FlowplanError: it cannot be computed.
    """
    return answers_of(lookup).value(unknown)
