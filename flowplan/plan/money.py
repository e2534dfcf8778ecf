"""Money in a plan: what is already paid and would be given up, and what a longer reservation will cost."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flowplan.state.snapshot import Record
from flowplan.values.quantity import parse_instant


def _moment(value: Any) -> datetime | None:
    try:
        return parse_instant(value) if isinstance(value, str) else None
    except ValueError:
        return None


def committed(record: Record, at: datetime | None) -> float | None:
    """US dollars paid for the time of a reservation that is still to come at ``at``; all of it where that is not known.

    None where its price is not on record.
    """
    price = record.attributes.get("price_total_usd")
    if not isinstance(price, (int, float)):
        return None
    start, end = (_moment(record.attributes.get(name)) for name in ("start_time_utc", "end_time_utc"))
    start = start or _moment(record.config.get("start_time_utc"))
    if at is None or start is None or end is None or end <= start:
        return float(price)
    left = (end - max(start, min(at, end))).total_seconds()
    return round(price * left / (end - start).total_seconds(), 2)


def returned(record: Record, quantity: int, at: datetime | None) -> float | None:
    """US dollars paid for the instances given back, for the time still to come; credits may return a part of it."""
    paid, had = committed(record, at), record.attributes.get("quantity")
    if paid is None or not isinstance(had, int) or not 0 < quantity < had:
        return None
    return round(paid * (had - quantity) / had, 2)


def extension(record: Record, end: Any, quantity: Any = None) -> float | None:
    """About what it costs to extend a reservation to ``end``, at the price it was bought for, in US dollars.

    ``quantity`` is how many instances are left to extend, where some are given back first.
    """
    price = record.attributes.get("price_total_usd")
    before, after = _moment(record.attributes.get("end_time_utc")), _moment(end)
    start = _moment(record.attributes.get("start_time_utc")) or _moment(record.config.get("start_time_utc"))
    if not isinstance(price, (int, float)) or before is None or after is None or start is None:
        return None
    if before <= start or after <= before:
        return None
    had = record.attributes.get("quantity")
    share = quantity / had if isinstance(quantity, int) and isinstance(had, int) and had > 0 else 1
    return float(round(price * share * ((after - before) / (before - start)), 2))
