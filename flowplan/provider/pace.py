"""How fast a client may go: backoff, ``Retry-After``, and one shared moment before which nothing is sent."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def server_moment(text: str) -> datetime | None:
    """The time that a ``Date`` header says; None where it says none."""
    found = _usual_moment(text)
    if found is not None:
        return found
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _usual_moment(text: str) -> datetime | None:
    """The same of the one form that servers should write, ``Sun, 06 Nov 1994 08:49:37 GMT``, without a library."""
    apart = (text[3:5], text[7:8], text[11:12], text[16:17], text[19:20], text[22:23], text[25:])
    numbers = (text[12:16], text[5:7], text[17:19], text[20:22], text[23:25])
    if apart != (", ", " ", " ", " ", ":", ":", " GMT") or text[:3] not in _DAYS or text[8:11] not in _MONTHS:
        return None
    if numbers[0] < "1" or not all(one.isascii() and one.isdigit() for one in numbers):
        return None
    year, day, hour, minute, second = map(int, numbers)
    try:
        return datetime(year, _MONTHS.index(text[8:11]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


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
        until = server_moment(text)
        if until is None:
            return None
        seconds = (until - (server_moment(headers.get("date", "")) or now)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT_S)


LEAST_RATE = 1.0
"""However often a server complains, so many requests a second may be sent."""
_REGAINED_IN_S = 10.0
"""How long it takes to come back to the speed at which the server complained, in seconds of undisturbed work."""
_FREE_AT = 4.0
"""At so many times that speed there is no limit any more."""
_WINDOW_S = 1.0


class Pace:
    """How fast the whole client goes: a shared moment before which nothing is sent, and a bucket of tokens.

    There is no limit until a server complains (429, 503). Then the rate is half of what was sent in the last second,
    and grows again steadily while answers come; each further complaint about requests that were sent since halves it
    anew. So the client finds the rate that the server bears, whatever the number of requests that wait.
    """

    def __init__(self, clock: Clock, random: Callable[[], float]) -> None:
        self._clock = clock
        self._random = random
        self._not_before = self._filled_at = self._grown_at = clock.monotonic()
        self._number = self._cut_at = 0
        self._rate: float | None = None
        self._complained_at_rate = 0.0
        self._tokens = 0.0
        self._sent: deque[float] = deque(maxlen=256)

    @property
    def rate(self) -> float | None:
        """Requests a second at most; None for no limit."""
        return self._rate

    def jitter(self, seconds: float) -> float:
        """``seconds``, a quarter more or less, so that clients that failed together do not return together."""
        return seconds * (0.75 + 0.5 * self._random())

    def hold(self, seconds: float) -> None:
        """Let no request start for ``seconds``; never shortens an earlier hold."""
        self._not_before = max(self._not_before, self._clock.monotonic() + seconds)

    def complained(self, number: int, wait_s: float) -> None:
        """The server said that a request (by its number) was one too many; nothing is sent for ``wait_s`` seconds."""
        self.hold(wait_s)
        # Why: of many requests that were under way together, each may be refused, and means the same.
        if number > self._cut_at:
            self._complained_at_rate = self._rate if self._rate is not None else self._measured()
            self._rate = max(LEAST_RATE, self._complained_at_rate / 2)
            self._cut_at = self._number
        self._tokens, self._filled_at = 1.0, self._not_before
        self._grown_at = self._not_before

    def answered(self) -> None:
        """A request went through: a rate that was cut grows."""
        if self._rate is None:
            return
        now = self._clock.monotonic()
        passed, self._grown_at = min(1.0, max(0.0, now - self._grown_at)), now
        self._rate += passed * max(LEAST_RATE, self._complained_at_rate / 2) / _REGAINED_IN_S
        if self._rate >= _FREE_AT * max(LEAST_RATE, self._complained_at_rate):
            self._rate = None

    def _measured(self) -> float:
        """How many requests were sent in the last second."""
        since = self._clock.monotonic() - _WINDOW_S
        return sum(moment >= since for moment in self._sent) / _WINDOW_S

    async def ready(self) -> int:
        """Return once a request may start, with its number; it counts as sent."""
        while True:
            now = self._clock.monotonic()
            wait = self._not_before - now
            if wait <= 0 and self._rate is not None:
                self._tokens = min(1.0, self._tokens + max(0.0, now - self._filled_at) * self._rate)
                self._filled_at = max(now, self._filled_at)
                if self._tokens < 1.0 - 1e-9:
                    wait = (1.0 - self._tokens) / self._rate
                else:
                    self._tokens -= 1.0
            if wait <= 0:
                self._sent.append(now)
                self._number += 1
                return self._number
            await self._clock.sleep(wait)
