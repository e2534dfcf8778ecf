"""How long a step is expected to take: what decides which of the ready steps starts first, and nothing else.

In this order: what the same step took the last times (the journal tells), what steps of its kind took on
resources of its kind, what the resource declares (``max_run_time_hours``), and at last a guess by kind of step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from statistics import median
from typing import Any

from attrs import field

from flowplan.lang.stack import Condition, Stack
from flowplan.plan.change import Step, StepKind
from flowplan.state.journal import Operation, Timing
from flowplan.state.snapshot import Record
from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.quantity import parse_instant

GUESS_S: Mapping[StepKind, float] = {
    StepKind.CREATE: 2.0,
    StepKind.UPDATE: 1.0,
    StepKind.DELETE: 1.0,
    StepKind.FORGET: 0.01,
    StepKind.AWAIT: 60.0,
    StepKind.IMPORT: 0.01,
    StepKind.DETACH: 1.0,
}
"""What a step takes by guess, in seconds, where nothing better is known."""
COMPLETION_S = 600.0
"""How long a task runs by guess, in seconds, where neither a run of it nor its limit is known."""
_KINDS = {
    Operation.CREATE: StepKind.CREATE,
    Operation.UPDATE: StepKind.UPDATE,
    Operation.DELETE: StepKind.DELETE,
}


@frozen
class Durations:
    """Expected durations of steps. ``own`` is known of this very resource, ``usual`` of its kind."""

    own: Mapping[tuple[StepKind, Address], float] = field(factory=dict)
    usual: Mapping[tuple[StepKind, Kind], float] = field(factory=dict)

    @classmethod
    def learned(cls, timings: Iterable[Timing]) -> Durations:
        """From what the journal tells, in any order: the median, so that one bad day changes nothing."""
        own: dict[tuple[StepKind, Address], list[float]] = {}
        usual: dict[tuple[StepKind, Kind], list[float]] = {}
        for timing in timings:
            kind, seconds = _KINDS.get(timing.operation), max(0.0, timing.seconds)
            if kind is None:
                continue
            own.setdefault((kind, timing.address), []).append(seconds)
            usual.setdefault((kind, timing.address.kind), []).append(seconds)
        return cls(
            {key: median(seconds) for key, seconds in own.items()},
            {key: median(seconds) for key, seconds in usual.items()},
        )

    def expected(self, step: Step, stack: Stack, records: Mapping[Address, Record]) -> float:
        """Seconds that ``step`` will take."""
        if step.kind is StepKind.AWAIT:
            return _awaited(step, stack, records)
        kind = StepKind.UPDATE if step.kind is StepKind.DETACH else step.kind
        known = self.own.get((kind, step.address), self.usual.get((kind, step.address.kind)))
        return GUESS_S[step.kind] if known is None else known


def _awaited(step: Step, stack: Stack, records: Mapping[Address, Record]) -> float:
    if step.condition is not Condition.COMPLETED:
        return GUESS_S[StepKind.AWAIT]
    record = records.get(step.address)
    completion = record.attributes.get("completion") if record else None
    if isinstance(completion, Mapping) and (took := _took(completion)) is not None:
        return took
    resource = stack.resources.get(step.address)
    limit = resource.config.get("max_run_time_hours") if resource else None
    if isinstance(limit, (int, float)) and not isinstance(limit, bool):
        return timedelta(hours=float(limit)).total_seconds()
    return COMPLETION_S


def _took(completion: Mapping[str, Any]) -> float | None:
    start, end = completion.get("started_at"), completion.get("ended_at")
    if not isinstance(start, str) or not isinstance(end, str):
        return None
    try:
        return max(0.0, (parse_instant(end) - parse_instant(start)).total_seconds())
    except ValueError:
        return None
