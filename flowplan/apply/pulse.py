"""Signs of life of what takes long: for each step at growing intervals, and a few lines at most at a time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from attrs import field

from flowplan.apply.run import Run
from flowplan.plan.change import Step
from flowplan.ports import EventKind
from flowplan.values.classes import define

BEAT_S = 10.0
"""How often signs are given at most, in seconds; the first one comes after so long."""
_MOST = 10
"""How many steps are named in one beat; the others are only counted."""


def interval(elapsed_s: float) -> float:
    """Seconds until the next sign of a step that has run so long: ten, then a minute, then five."""
    return BEAT_S if elapsed_s < 60.0 else 60.0 if elapsed_s < 600.0 else 300.0


@define(eq=False)
class Pulse:
    """What runs, and when it is to be heard of next."""

    run: Run
    status: Callable[[Step], str]
    """What is known of a step that waits, in the provider's words; "" for nothing."""
    _since: dict[str, tuple[Step, float]] = field(factory=dict)
    _due: list[tuple[float, str]] = field(factory=list)

    def begin(self, step: Step, now: float) -> None:
        """A step has started."""
        self._since[step.id] = (step, now)
        heapq.heappush(self._due, (now + BEAT_S, step.id))

    def end(self, step: Step) -> None:
        """A step has ended: nothing more is said of it."""
        self._since.pop(step.id, None)

    async def beat(self) -> None:
        """Give signs of life until cancelled."""
        while True:
            await self.run.clock.sleep(BEAT_S)
            self._tell(self.run.clock.monotonic())
            await asyncio.sleep(0)

    def _tell(self, now: float) -> None:
        told = left = 0
        again = []
        while self._due and self._due[0][0] <= now:
            _, id = heapq.heappop(self._due)
            if id not in self._since:
                continue
            step, begun = self._since[id]
            again.append((now + interval(now - begun), id))
            if told < _MOST:
                told += 1
                self.run.emit(
                    EventKind.PROGRESS,
                    step,
                    elapsed_s=now - begun,
                    status=self.status(step),
                )
            else:
                left += 1
        for entry in again:
            heapq.heappush(self._due, entry)
        if left:
            self.run.emit(EventKind.PROGRESS, message=f"{left} more are still under way")
