"""Codecs: how the value of an attribute is spelled on the wire, and read back. `Wire.codec` names one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from flowplan.provider.mithril.catalogue import Catalogue, UnmappableError
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic
from flowplan.values.digest import text_digest
from flowplan.values.quantity import Money, format_instant, parse_instant


@frozen
class Context:
    """What a codec may need to know: the catalogue, and the region the object is in."""

    catalogue: Catalogue
    region: str = ""


@frozen
class Codec:
    """``encode`` makes the wire's value of a revealed attribute (never None); ``decode`` the reverse (never None).

    ``encode`` raises `UnmappableError`, ``decode`` `ValueError` without quoting the value.
    """

    encode: Callable[[Any, Context], Any]
    decode: Callable[[Any, Context], Any]


def _plain(value: Any, _: Context) -> Any:
    return value


def _to_money(value: Any, _: Context) -> str:
    try:
        if isinstance(value, Money):
            amount = value
        elif isinstance(value, str):
            amount = Money.parse(value)
        elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            amount = Money.of_dollars(value)
        else:
            raise ValueError
    except (ValueError, ArithmeticError):
        amount = Money(-1)
    if amount.cents < 0:
        raise UnmappableError(
            Diagnostic.error(f"{value!r} is not an amount of money", suggestion="Write dollars, as in 12.50.")
        )
    return amount.wire


@lru_cache(maxsize=4096)
def _dollars(text: str) -> float:
    return Money.parse(text).dollars


def _from_money(value: Any, _: Context) -> float:
    if isinstance(value, str):
        try:
            return _dollars(value)
        except ValueError:
            pass
    raise ValueError("an amount of money that cannot be read")


def _to_interface(value: Any, _: Context) -> str:
    word = str(getattr(value, "value", value)).lower()
    if word not in ("block", "file"):
        raise UnmappableError(
            Diagnostic.error(f"{word!r} is not a storage interface", suggestion="Write block or file.")
        )
    return word.capitalize()


def _from_interface(value: Any, _: Context) -> str:
    return str(value).lower()


def _to_type(value: Any, context: Context) -> str:
    return context.catalogue.resolve(str(value), context.region)


def _from_type(value: Any, context: Context) -> str:
    return context.catalogue.name_of(value)


def _to_instant(value: Any, _: Context) -> str:
    if isinstance(value, datetime):
        return format_instant(value)
    try:
        return format_instant(parse_instant(str(value)))
    except (ValueError, OverflowError):
        raise UnmappableError(
            Diagnostic.error(f"{value!r} is not a time", suggestion="Write one as 2026-12-01T00:00:00Z.")
        ) from None


def _from_instant(value: Any, _: Context) -> str:
    try:
        return format_instant(parse_instant(value))
    except (ValueError, OverflowError, AttributeError):
        raise ValueError("a time that cannot be read") from None


def _ids(value: Any, _: Context) -> list[str]:
    return list(value)


def script_digest(text: str) -> str:
    """What stands for a startup script wherever its text must not: the SHA-256 of it, in hex."""
    return text_digest(text)


def _from_script(value: Any, _: Context) -> str:
    return script_digest(value)


@lru_cache(maxsize=256)
def _word(status: str) -> str:
    return status.strip().lower().removeprefix("status_")


_TASK = {
    "open": "pending",
    "pending": "pending",
    "provisioning": "pending",
    "scheduled": "pending",
    "allocated": "running",
    "running": "running",
    "preempting": "preempting",
    "relocating": "preempting",
    "terminating": "preempting",
    "paused": "paused",
    "terminated": "cancelled",
    "replaced": "cancelled",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "completed": "completed",
    "failed": "failed",
}
_TASK_ENDED = frozenset({"cancelled", "completed", "failed"})
_RESERVATION = {
    "pending": "scheduled",
    "active": "active",
    "paused": "active",
    "ended": "expired",
    "canceled": "failed",
    "cancelled": "failed",
}
_RESERVATION_ENDED = frozenset({"expired", "failed"})


def task_status(status: str) -> str:
    """The documented TaskStatus of a bid (models.md 2.1); an unknown one is alive and not understood: pending."""
    return _TASK.get(_word(status), "pending")


def reservation_status(status: str) -> str:
    """The documented ReservationStatus of a reservation; an unknown one is alive and not understood: scheduled."""
    return _RESERVATION.get(_word(status), "scheduled")


def task_has_ended(status: str) -> bool:
    """Whether a bid with this wire status will never run again. A preempted or unknown one may."""
    return task_status(status) in _TASK_ENDED


def reservation_has_ended(status: str) -> bool:
    """Whether a reservation with this wire status is over."""
    return reservation_status(status) in _RESERVATION_ENDED


CODECS: dict[str, Codec] = {
    "plain": Codec(_plain, _plain),
    "money": Codec(_to_money, _from_money),
    "cents": Codec(lambda value, _: Money.of_dollars(value).cents, _plain),
    "interface": Codec(_to_interface, _from_interface),
    "instance_type": Codec(_to_type, _from_type),
    "instant": Codec(_to_instant, _from_instant),
    "ids": Codec(_ids, _ids),
    "script": Codec(_plain, _from_script),
    "task_status": Codec(_plain, lambda value, _: task_status(value)),
    "reservation_status": Codec(_plain, lambda value, _: reservation_status(value)),
}
"""Every codec a declaration may name."""
