"""What is evaluated before what: cycles named with every step, and long chains without a deep call stack."""

from __future__ import annotations

from typing import Any

from flowplan.lang.scope import Silent
from flowplan.lang.words import ExpressionError


class Order:
    """What is being evaluated just now, over all folders of one load."""

    def __init__(self) -> None:
        self._active: list[Any] = []

    def evaluating(self, thing: Any) -> _Evaluating:
        """Mark ``thing`` as being evaluated while the context lasts.

        Raises:
            ExpressionError: it already is: a cycle, named with every step of it.
        """
        if thing.running:
            steps = [*self._active[self._active.index(thing) :], thing]
            chain = " → ".join(step.label for step in steps)
            if len(steps) == 2:
                raise ExpressionError(
                    f"{thing.label} refers to itself",
                    "Write a value, or use a variable or another local.",
                    thing.label,
                )
            places = "; ".join(
                f"{step.label} at {step.document.span(step.at, step.end)}" for step in steps[:-1]
            )
            raise ExpressionError(
                f"these refer to each other in a circle: {chain}",
                f"Break it at one of: {places}.",
                thing.label,
            )
        return _Evaluating(self._active, thing)

    def prepare(self, first: Any) -> None:
        """Evaluate what ``first`` refers to before it, so that a long chain of references needs no deep stack."""
        if first.prepared:
            return
        first.prepared = True
        stack: list[tuple[Any, Any]] = [(first, iter(first.world.needs(first)))]
        while stack:
            thing, needs = stack[-1]
            for need in needs:
                if not need.prepared:
                    need.prepared = True
                    stack.append((need, iter(need.world.needs(need))))
                    break
            else:
                stack.pop()
                try:
                    thing.get()
                except (Silent, ExpressionError):
                    continue


class _Evaluating:
    def __init__(self, active: list[Any], thing: Any) -> None:
        self._active, self._thing = active, thing

    def __enter__(self) -> None:
        self._thing.running = True
        self._active.append(self._thing)

    def __exit__(self, *_: object) -> None:
        self._thing.running = False
        self._active.pop()
