"""Time, a person, and whoever listens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from attrs import field

from flowplan.values.address import Address
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic


class Clock(Protocol):
    """Time, passed in."""

    def now(self) -> datetime:
        """The time of day, in UTC. For records; never for ordering."""
        ...

    def monotonic(self) -> float:
        """Seconds from some start; for measuring and deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class EventKind(Enum):
    """What an event tells. The first two and the last two come once in a run, but for ``PLANNED``: once a change."""

    PLANNED = "planned"
    PLAN = "plan"
    STARTED = "started"
    PROGRESS = "progress"
    STATUS = "status"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    RECOVERED = "recovered"
    NOTICE = "notice"
    SUMMARY = "summary"
    OUTPUTS = "outputs"


@frozen
class Event:
    """One thing that happened during apply, for reporters."""

    kind: EventKind
    at: datetime
    address: Address | None = None
    operation: str = ""
    id: str = ""
    elapsed_s: float = 0.0
    message: str = ""
    diagnostic: Diagnostic | None = None
    condition: str = ""
    """What is waited for, where the step is a wait: that the task is ``running`` or ``completed``."""
    status: str = ""
    """How the task stands, in the provider's words."""
    usd_per_hour: float | None = None
    """What the resource costs an hour at most, in US dollars, where it is a task and that is known."""
    data: Mapping[str, Any] = field(factory=dict)
    """What a plan, a summary or outputs tell besides: plain values, fit to be shown."""


class Reporter(Protocol):
    """Whoever listens to events."""

    def emit(self, event: Event) -> None:
        """Take one event; never raises, never waits long."""
        ...


class Asker(Protocol):
    """Asks a person; the base answer, without a person, is no."""

    def confirm(self, question: str) -> bool:
        """Whether the person typed ``yes``."""
        ...
