"""What rules the markets and the time, besides the user's own doing. Records, one row each in the store."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flowplan.values.classes import frozen


@frozen
class Clock:
    """How the world's time differs from the real one.

    While ``frozen_at`` is given time stands still there. Else it is the real time plus ``offset_us`` microseconds,
    which never becomes less.
    """

    offset_us: int = 0
    frozen_at: datetime | None = None
    fid: str = "self"
    seq: int = 0

    def now(self, real: datetime) -> datetime:
        """The world's time when the real time is ``real``."""
        return self.frozen_at or real + timedelta(microseconds=self.offset_us)


@frozen
class Era:
    """Who else bids in the markets from ``since`` on, until the next era.

    ``model`` is ``calm`` (nobody), ``seeded`` (bidders drawn from ``seed``) or ``recorded`` (prices of `Series`
    records of this era). Auctions are held every ``round_s`` seconds; 0 means as soon as something changes.
    """

    fid: str
    seq: int
    since: datetime
    model: str = "calm"
    seed: int = 0
    round_s: int = 0


@frozen
class Series:
    """A recorded price series: from each second on (counted from the era's beginning) others would pay so many cents.

    ``market`` is a machine's name with ``@`` and the region, a machine's name alone, or ``*``.
    """

    fid: str
    seq: int
    era: str
    market: str
    seconds: tuple[int, ...]
    cents: tuple[int, ...]


@frozen
class Override:
    """What holds in a market (or in all, if ``market`` is empty) from ``since`` until ``until``, whatever the era says.

    ``price_cents`` is what the others would pay at least, ``capacity`` the machines there are; ``refuses`` leaves
    running bids alone and allocates no further ones. Of several the newest counts.
    """

    fid: str
    seq: int
    market: str
    since: datetime
    until: datetime | None = None
    price_cents: int | None = None
    capacity: int | None = None
    refuses: bool = False

    def holds(self, market: str, at: datetime) -> bool:
        """Whether it applies to a market (by type id) at a time."""
        return self.market in ("", market) and self.since <= at and (self.until is None or at < self.until)


@frozen
class PriceChange:
    """What winners pay in a market from ``at`` on, in cents per instance-hour.

    None: from there on nobody of this world took part, and the price is what `conditions.quiet_price` computes.
    """

    fid: str
    seq: int
    market: str
    at: datetime
    cents: int | None


@frozen
class Fault:
    """A fault on demand; what ``kind`` and ``settings`` mean is told in `flowplan.sandbox.faults`.

    A fault of a request counts the requests it ``matched`` and how often it ``struck``. A fault of the world
    has ``due_at``, when it happens. One that is spent or was cleared is ``over``.
    """

    fid: str
    seq: int
    kind: str
    settings: dict[str, Any]
    since: datetime
    due_at: datetime | None = None
    matched: int = 0
    struck: int = 0
    over: bool = False
