"""A limit on how many requests a second are answered."""

from __future__ import annotations

import math
from datetime import datetime


class Bucket:
    """A bucket that holds as many tokens as come in a second; each request takes one.

    It belongs to one process: two servers of one sandbox each have their own.
    """

    def __init__(self) -> None:
        self._tokens = math.inf
        self._at: datetime | None = None

    def wait_s(self, per_s: float, now: datetime) -> int:
        """0 if a request may come in now, which counts; else in how many whole seconds one may."""
        most = max(1.0, per_s)
        if self._at is not None:
            self._tokens += max(0.0, (now - self._at).total_seconds()) * per_s
        self._tokens, self._at = min(most, self._tokens), now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        return max(1, math.ceil((1 - self._tokens) / per_s))
