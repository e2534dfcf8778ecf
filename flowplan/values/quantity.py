"""Quantities with units: money, durations and instants. Never a float for money."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache, total_ordering

from flowplan.values.classes import frozen

_MONEY = re.compile(r"(?:(-)?\$?\s*|\$?\s*(-))((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)")
_DURATION = r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)"
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


@total_ordering
@frozen(order=False)
class Money:
    """An amount of US dollars in whole cents. The unit it is *per* (an instance-hour, or nothing) is the field's."""

    cents: int

    def __str__(self) -> str:
        sign = "-" if self.cents < 0 else ""
        return f"{sign}${abs(self.cents) // 100:,}.{abs(self.cents) % 100:02d}"

    def __lt__(self, other: Money) -> bool:
        return self.cents < other.cents

    def __add__(self, other: Money) -> Money:
        return Money(self.cents + other.cents)

    def __mul__(self, times: int) -> Money:
        return Money(self.cents * times)

    @property
    def wire(self) -> str:
        """As the provider writes it: two decimals, no thousands separators ("$1234.50")."""
        sign = "-" if self.cents < 0 else ""
        return f"{sign}${abs(self.cents) // 100}.{abs(self.cents) % 100:02d}"

    @property
    def dollars(self) -> float:
        """For fields the documented models declare as a float of dollars; not for arithmetic."""
        return self.cents / 100

    @classmethod
    def of_dollars(cls, amount: float | int | Decimal | str) -> Money:
        """The amount rounded half up to the cent (a float is taken by its shortest decimal text)."""
        cents = (Decimal(str(amount)) * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP)
        return cls(int(cents))

    @classmethod
    def parse(cls, text: str) -> Money:
        """The amount that ``$12.34``, ``12.34`` or ``$1,234.50`` spells.

        Raises:
            ValueError: it spells no amount.
        """
        match = _MONEY.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not an amount of money; write one as $12.34")
        try:
            return cls.of_dollars((match[1] or match[2] or "") + match[3].replace(",", ""))
        except InvalidOperation:
            raise ValueError(f"{text!r} is not an amount of money; write one as $12.34") from None


def parse_duration(text: str) -> timedelta:
    """The duration that ``30s``, ``10m``, ``2h``, ``1h30m``, ``2d`` spells.

    Raises:
        ValueError: it spells no duration.
    """
    rest, total, position = text.strip(), 0.0, 0
    for match in re.finditer(_DURATION, rest):
        if match.start() != position:
            break
        total += float(match[1]) * _UNIT_SECONDS[match[2]]
        position = match.end()
    if not rest or position != len(rest):
        raise ValueError(f"{text!r} is not a duration; write one as 30s, 10m, 2h or 1h30m")
    try:
        return timedelta(seconds=total)
    except OverflowError:
        raise ValueError(f"{text!r} is too long a duration") from None


def format_duration(seconds: float) -> str:
    """``seconds`` as people read it: ``4s``, ``3m05s``, ``2h10m``, ``3d4h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"


def parse_instant(text: str) -> datetime:
    """The instant that an RFC 3339 text spells, in UTC; one without an offset is taken as UTC.

    Raises:
        ValueError: it spells no instant.
    """
    return _instant(text.strip())


@lru_cache(maxsize=1024)  # Why: what an object says of its time is asked for as a moment and as a text
def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a time; write one as 2026-12-01T00:00:00Z") from None


def format_instant(moment: datetime) -> str:
    """``moment`` in UTC as RFC 3339 with a Z; fractions of a second only where there are any."""
    text = moment.astimezone(UTC).isoformat()
    return text.replace("+00:00", "Z")
