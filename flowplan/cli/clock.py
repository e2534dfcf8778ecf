"""The clock of this machine."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """Implements `flowplan.ports.Clock`."""

    def now(self) -> datetime:
        """See `flowplan.ports.Clock.now`."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See `flowplan.ports.Clock.monotonic`."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `flowplan.ports.Clock.sleep`."""
        await asyncio.sleep(seconds)
