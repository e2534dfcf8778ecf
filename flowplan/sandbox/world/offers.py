"""What a reservation costs and what is credited for capacity that is not used (provider.md 2.3, section 4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flowplan.sandbox.world import wire
from flowplan.sandbox.world.catalogue import Market
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.records import Grant, Reservation
from flowplan.sandbox.world.request import Refusal
from flowplan.values.classes import frozen

KEYS = ("standard", "flexible")
_US = timedelta(microseconds=1)
_HOUR_US = timedelta(hours=1) // _US


@frozen
class Offer:
    """A price per instance-hour, and the credits per instance-hour for pausing and for giving back, in cents."""

    key: str
    name: str
    unit_cents: int
    pause_cents: int
    return_cents: int


def offers(market: Market) -> tuple[Offer, ...]:
    """What is offered now; the first is the usual one."""
    unit = market.machine.reserved_cents
    return (
        Offer("standard", "Standard", unit, unit // 4, unit // 2),
        Offer("flexible", "Flexible", unit * 6 // 5, unit // 2, unit * 9 // 10),
    )


@frozen
class Wish:
    """What a request wants to pay: which offer, and how much at most (cents per instance-hour, provider.md 7-18)."""

    key: str = KEYS[0]
    most: int | None = None


def read_wish(fields: Fields) -> Wish:
    """The price specification of a body."""
    if not fields.has("price_specification"):
        return Wish()
    inner = fields.object("price_specification", required=False)
    key = inner.choice("offer_key", KEYS, required=False, default=KEYS[0])
    return Wish(key, inner.integer("max_unit_price", required=False, minimum=0))


def choose(market: Market, wish: Wish) -> Offer:
    """The offer wished for, unless it has become too dear."""
    offer = next(offer for offer in offers(market) if offer.key == wish.key)
    if wish.most is not None and offer.unit_cents > wish.most:
        unit, most = wire.dollars(offer.unit_cents), wire.dollars(wish.most)
        raise Refusal(400, f"Unit price {unit} is above the maximum of {most}")
    return offer


def grant(offer: Offer, fid: str, start: datetime, end: datetime, quantity: int) -> Grant:
    """Capacity bought by that offer."""
    return Grant(fid, start, end, quantity, offer.unit_cents, offer.pause_cents, offer.return_cents)


def quoted(market: Market, offer: Offer, quantity: int, hours: int) -> dict[str, Any]:
    """An offer as a quote shows it; the totals are what all of it would bring."""
    amount = quantity * hours
    premium = (offer.unit_cents - market.machine.reserved_cents) * amount
    return {
        "key": offer.key,
        "display_name": offer.name,
        "unit_price": wire.dollars(offer.unit_cents),
        "return_buyback_price": wire.dollars(offer.return_cents),
        "pause_buyback_price": wire.dollars(offer.pause_cents),
        "total_price": wire.dollars(offer.unit_cents * amount),
        "total_etbp_value": wire.dollars(offer.return_cents * amount),
        "total_fubp_value": wire.dollars(offer.pause_cents * amount),
        "option_premium": wire.dollars(premium),
    }


def return_credit(order: Reservation, quantity: int, now: datetime) -> int:
    """What giving back so many machines now brings, in cents, rounded down once."""
    amount = sum(
        grant.return_cents * (max(timedelta(0), grant.ends_at - max(now, grant.starts_at)) // _US)
        for grant in order.grants
    )
    return amount * quantity // _HOUR_US


def pause_credit(order: Reservation, pauses: list[tuple[datetime, datetime]]) -> int:
    """What these pauses of single machines bring, in cents, rounded down once.

    A pause counts from its first second on once it has lasted an hour.
    """
    amount = 0
    for start, end in pauses:
        if end - start < timedelta(hours=1):
            continue
        for grant in order.grants:
            shared = min(end, grant.ends_at) - max(start, grant.starts_at)
            amount += grant.pause_cents * (max(timedelta(0), shared) // _US)
    return amount // _HOUR_US
