"""What things have cost (provider.md section 4): computed from what happened, rounded once for each order or volume.

Spot machines cost the market's price while they run, not while they are booting, paused, preempted or relocated. During
the notice before a preemption they cost the bid's limit at most: nobody pays more than that. Reservations
are charged when they are bought. Volumes cost by size and time, attached or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from flowplan.sandbox.world.records import Bid, Instance, Volume
from flowplan.sandbox.world.world import World

VOLUME_CENTS = 8
"""Per GB and month."""
MONTH_H = 730
_US = timedelta(microseconds=1)
_HOUR_US = timedelta(hours=1) // _US


def bid_charge(world: World, bid: Bid, now: datetime) -> int:
    """What a bid's machines have cost, in cents."""
    return _cents(sum(_amount(world, bid, world.instances[fid], now) for fid in bid.instances))


def volume_charge(volume: Volume, now: datetime) -> int:
    """What a volume has cost, in cents."""
    end = volume.deleted_at or now
    lasted = max(0, (end - volume.created_at) // _US)
    return _half_up(VOLUME_CENTS * volume.capacity_gb * lasted, MONTH_H * _HOUR_US)


def instance_prices(
    world: World, instance: Instance, now: datetime
) -> list[tuple[datetime, datetime | None, int]]:
    """The stretches a machine was charged for: (from, to or None if it goes on, cents per hour).

    Those of a reservation carry the reservation's price.
    """
    found: list[tuple[datetime, datetime | None, int]] = []
    for start, end, is_noticed in running(instance, now):
        if instance.bid is None:
            steps = [(start, end, world.reservations[instance.reservation or ""].unit_cents)]
        else:
            steps = list(_steps(world, world.bids[instance.bid], start, end, is_noticed))
        for at, stop, cents in steps:
            if found and found[-1][1:] == (at, cents):
                found[-1] = (found[-1][0], stop, cents)
            else:
                found.append((at, stop, cents))
    if found and instance.state in ("RUNNING", "PREEMPTING") and found[-1][1] == now:
        found[-1] = (found[-1][0], None, found[-1][2])
    return found


def running(instance: Instance, now: datetime) -> Iterator[tuple[datetime, datetime, bool]]:
    """When a machine ran, until ``now``: (from, to, whether under notice of preemption)."""
    begun: datetime | None = None
    is_noticed = False
    for event in instance.events:
        if event.at > now:
            break
        if begun is not None and event.at > begun:
            yield begun, event.at, is_noticed
        # A notice that comes while a machine boots costs nothing: it has never run.
        runs = event.status == "RUNNING" or (event.status == "PREEMPTING" and begun is not None)
        begun, is_noticed = (event.at if runs else None), event.status == "PREEMPTING"
    if begun is not None and now > begun:
        yield begun, now, is_noticed


def _amount(world: World, bid: Bid, instance: Instance, now: datetime) -> int:
    """What one machine has cost, in cents times microseconds per hour."""
    line = world.prices(bid.instance_type)
    total = 0
    for start, end, is_noticed in running(instance, now):
        if is_noticed:
            total += sum(
                cents * ((stop - at) // _US) for at, stop, cents in _steps(world, bid, start, end, True)
            )
        else:
            total += line.amount(start, end)
    return total


def _steps(
    world: World, bid: Bid, start: datetime, end: datetime, is_noticed: bool
) -> Iterator[tuple[datetime, datetime, int]]:
    for at, stop, cents in world.prices(bid.instance_type).steps(start, end):
        price = cents or 0
        yield at, stop, min(price, _limit_at(bid, at)) if is_noticed else price


def _limit_at(bid: Bid, at: datetime) -> int:
    """The limit of a bid at a time."""
    limits = [event.limit_cents for event in bid.history if event.limit_cents is not None and event.at <= at]
    return limits[-1] if limits else bid.limit_cents


def _cents(amount: int) -> int:
    return _half_up(amount, _HOUR_US)


def _half_up(amount: int, unit: int) -> int:
    return (2 * amount + unit) // (2 * unit)
