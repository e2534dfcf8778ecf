"""Which steps may start, and which never will: counters over the action graph, no clock and no waiting."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from flowplan.graph import ranks
from flowplan.plan.change import Step, StepKind
from flowplan.values.classes import frozen


@frozen
class Skipped:
    """A step that cannot be done any more, and the failed step that is to blame."""

    step: Step
    because: Step


class Schedule:
    """The ready set of an action graph: longest remaining path first, so that the long chain never waits."""

    def __init__(self, steps: Iterable[Step], weight: Callable[[Step], float]) -> None:
        """``weight`` is the expected duration of a step, in seconds; only ratios matter."""
        self._steps = {step.id: step for step in steps}
        needs = {step.id: step.needs for step in self._steps.values()}
        rank = ranks(needs, lambda step: weight(self._steps[step]))
        order = {step: index for index, step in enumerate(self._steps)}
        self._priority = {step: (-rank[step], order[step]) for step in self._steps}
        self._missing = {
            step.id: sum(n in self._steps for n in set(step.needs)) for step in self._steps.values()
        }
        self._dependents: dict[str, list[str]] = {step: [] for step in self._steps}
        for step, wanted in needs.items():
            for other in set(wanted):
                if other in self._dependents:
                    self._dependents[other].append(step)
        self._settled: set[str] = set()
        self._ready: list[tuple[tuple[float, int], str]] = []
        self._waits: list[str] = []
        for step, missing in self._missing.items():
            if missing == 0:
                self._offer(step)

    def take(self) -> Step | None:
        """The most urgent step that may start now, waits apart; it is taken out of the ready set."""
        return self._steps[heapq.heappop(self._ready)[1]] if self._ready else None

    def take_wait(self) -> Step | None:
        """A step that only waits and may begin to: those take nobody's place, so they need no order."""
        return self._steps[self._waits.pop()] if self._waits else None

    @property
    def has_ready(self) -> bool:
        """Whether anything may start now."""
        return bool(self._ready or self._waits)

    def waiting(self) -> list[Step]:
        """What has neither been settled nor taken, in order of the plan."""
        ready = {step for _, step in self._ready} | set(self._waits)
        return [
            s
            for i, s in self._steps.items()
            if i not in self._settled and (self._missing[i] > 0 or i in ready)
        ]

    def finish(self, step: Step) -> None:
        """``step`` succeeded: what only waited for it becomes ready."""
        self._settled.add(step.id)
        self._release(step.id)

    def fail(self, step: Step) -> list[Skipped]:
        """``step`` failed: all that needs it is skipped, but for what tolerates its failure."""
        self._settled.add(step.id)
        skipped: list[Skipped] = []
        stack = [step.id]
        while stack:
            failed = stack.pop()
            for dependent in self._dependents[failed]:
                if dependent in self._settled:
                    continue
                if failed in self._steps[dependent].tolerates:
                    self._lower(dependent)
                    continue
                self._settled.add(dependent)
                skipped.append(Skipped(self._steps[dependent], step))
                stack.append(dependent)
        return skipped

    def _release(self, step: str) -> None:
        for dependent in self._dependents[step]:
            self._lower(dependent)

    def _lower(self, step: str) -> None:
        self._missing[step] -= 1
        if self._missing[step] == 0 and step not in self._settled:
            self._offer(step)

    def _offer(self, step: str) -> None:
        if self._steps[step].kind is StepKind.AWAIT:
            self._waits.append(step)
        else:
            heapq.heappush(self._ready, (self._priority[step], step))
