"""The live reservations of one market: which overlap a time, which run, how much of a quota they use."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from datetime import datetime, timedelta

from flowplan.sandbox.world.catalogue import RESERVED_MOST_H
from flowplan.sandbox.world.records import Reservation

_HOUR = timedelta(hours=1)
_LONGEST = RESERVED_MOST_H * _HOUR


class Bookings:
    """The reservations of a market that are to come or going on."""

    def __init__(self) -> None:
        self._known: dict[str, Reservation] = {}
        self._starts: list[tuple[datetime, str]] = []
        self._running: dict[str, None] = {}
        self._hours: dict[str, int] = defaultdict(int)

    def __len__(self) -> int:
        return len(self._known)

    def put(self, value: Reservation) -> None:
        """Take a live one in, or as it is now."""
        self.remove(value.fid)
        self._known[value.fid] = value
        insort(self._starts, (value.start_time, value.fid))
        if value.status == "Pending":
            self._hours[value.project] += value.instance_quantity * _hours(value, value.start_time)
        else:
            self._running[value.fid] = None

    def remove(self, fid: str) -> None:
        """Take one out, if it is in."""
        known = self._known.pop(fid, None)
        if known is None:
            return
        del self._starts[bisect_left(self._starts, (known.start_time, fid))]
        if known.status == "Pending":
            self._hours[known.project] -= known.instance_quantity * _hours(known, known.start_time)
        else:
            self._running.pop(fid)

    def running(self) -> list[Reservation]:
        """Those that have begun."""
        return [self._known[fid] for fid in self._running]

    def between(self, start: datetime, end: datetime) -> list[Reservation]:
        """Those that hold machines at some time between ``start`` and ``end``, by their beginning."""
        # None is longer than the longest, so none that began earlier reaches in.
        first = bisect_left(self._starts, (start - _LONGEST, ""))
        last = bisect_right(self._starts, (end, ""))
        found = (self._known[fid] for _, fid in self._starts[first:last])
        return [order for order in found if order.start_time < end and order.end_time > start]

    def hours(self, project: str, now: datetime) -> int:
        """The instance-hours that a project has still to come, begun ones counted whole."""
        begun = (order for order in self.running() if order.project == project)
        return self._hours[project] + sum(order.instance_quantity * _hours(order, now) for order in begun)


def _hours(order: Reservation, since: datetime) -> int:
    return -(-max(timedelta(0), order.end_time - since) // _HOUR)
