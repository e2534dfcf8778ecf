"""When time alone changes something."""

from __future__ import annotations

from datetime import datetime
from heapq import heappop, heappush


class Timers:
    """One time for each (kind, id); the earliest is found without looking at the others."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], datetime] = {}
        self._heap: list[tuple[datetime, str, str]] = []

    def set(self, kind: str, fid: str, at: datetime | None) -> None:
        """Set the time of something, or (None) take it away."""
        before = self._at.get((kind, fid))
        if before == at:
            return
        if at is None:
            del self._at[kind, fid]
        else:
            self._at[kind, fid] = at
            heappush(self._heap, (at, kind, fid))
        # What was set anew is left in the heap; it is thrown out here, at the latest when it is half of it.
        if len(self._heap) > 64 + 2 * len(self._at):
            self._heap = sorted((at, kind, fid) for (kind, fid), at in self._at.items())

    def first(self, now: datetime) -> tuple[datetime, str, str] | None:
        """The (time, kind, id) of the earliest that is due by now, or None."""
        heap = self._heap
        while heap and self._at.get(heap[0][1:]) != heap[0][0]:
            heappop(heap)
        return heap[0] if heap and heap[0][0] <= now else None
