"""How fast a client may go: backoff, ``Retry-After``, and one shared moment before which nothing is sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from flowplan.ports import Clock

LONGEST_WAIT_S = 60.0
"""However long a server asks us to wait, we wait no longer than this (provider.md 3.3)."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time of day in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from some start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking others."""
        await asyncio.sleep(seconds)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait by the ``Retry-After`` header, 0…60; None without a readable one.

    A date is taken relative to the answer's own ``Date`` where it has one, so that a wrong clock here does
    no harm.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.replace(".", "", 1).isdigit():
        seconds = float(text[:12])
    else:
        until = _moment(text)
        if until is None:
            return None
        seconds = (until - (_moment(headers.get("date", "")) or now)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT_S)


class Pace:
    """The shared moment before which no request of the client is sent."""

    def __init__(self, clock: Clock, random: Callable[[], float]) -> None:
        self._clock = clock
        self._random = random
        self._not_before = clock.monotonic()

    def jitter(self, seconds: float) -> float:
        """``seconds``, a quarter more or less, so that clients that failed together do not return together."""
        return seconds * (0.75 + 0.5 * self._random())

    def hold(self, seconds: float) -> None:
        """Let no request start for ``seconds``; never shortens an earlier hold."""
        self._not_before = max(self._not_before, self._clock.monotonic() + seconds)

    async def ready(self) -> None:
        """Return once requests may start again."""
        while (left := self._not_before - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)
