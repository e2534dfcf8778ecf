"""The price of one market over time, with its integral, so that a charge costs two searches however long the time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta

_US = timedelta(microseconds=1)


class PriceLine:
    """A step function: from each instant on, so many cents per hour; None where no price is known.

    Amounts are in cents times microseconds, so that nothing is rounded before all is added up.
    """

    def __init__(self) -> None:
        self._ats: list[datetime] = []
        self._cents: list[int | None] = []
        self._sums: list[int] = []

    def __len__(self) -> int:
        return len(self._ats)

    @property
    def latest(self) -> int | None:
        """The newest price; None if there is none or it is unknown."""
        return self._cents[-1] if self._cents else None

    @property
    def latest_at(self) -> datetime | None:
        """Since when it holds."""
        return self._ats[-1] if self._ats else None

    def append(self, at: datetime, cents: int | None) -> None:
        """From ``at`` on, which is after all there is, the price is this."""
        assert not self._ats or at > self._ats[-1], "prices come in order of time"
        self._sums.append(self._sum(at))
        self._ats.append(at)
        self._cents.append(cents)

    def drop(self, at: datetime) -> None:
        """Take the last step away, if it is the one at ``at``."""
        if self._ats and self._ats[-1] == at:
            self._ats.pop()
            self._cents.pop()
            self._sums.pop()

    def at(self, at: datetime) -> int | None:
        """The price at a time; None if unknown."""
        index = bisect_right(self._ats, at)
        return self._cents[index - 1] if index else None

    def steps(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, int | None]]:
        """The stretches between ``start`` and ``end`` with their prices, without gap."""
        index = bisect_right(self._ats, start) - 1
        while start < end:
            stop = min(end, self._ats[index + 1]) if index + 1 < len(self._ats) else end
            yield start, stop, self._cents[index] if index >= 0 else None
            start, index = stop, index + 1

    def amount(self, start: datetime, end: datetime) -> int:
        """What running from ``start`` to ``end`` costs, in cents times microseconds per hour; unknown prices count 0."""
        return self._sum(end) - self._sum(start) if end > start else 0

    def _sum(self, at: datetime) -> int:
        index = bisect_right(self._ats, at) - 1
        if index < 0:
            return 0
        return self._sums[index] + (self._cents[index] or 0) * ((at - self._ats[index]) // _US)
