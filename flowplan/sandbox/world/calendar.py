"""How many machines are still free to be reserved, and when. Spot bids yield to reservations."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from flowplan.sandbox.world.catalogue import Market
from flowplan.sandbox.world.conditions import capacity_at
from flowplan.sandbox.world.world import World


def slots(
    world: World, market: Market, start: datetime, end: datetime
) -> list[tuple[datetime, datetime, int]]:
    """The stretches between ``start`` and ``end``, each with the machines free all through it."""
    booked = world.bookings(market.type_fid).between(start, end)
    marks = {start, end}
    marks.update(at for r in booked for at in (r.start_time, r.end_time) if start < at < end)
    moments = sorted(marks)
    found = []
    for left, right in pairwise(moments):
        taken = sum(r.instance_quantity for r in booked if r.start_time < right and r.end_time > left)
        capacity = capacity_at(world, market.type_fid, left)
        found.append((left, right, max(0, capacity - taken)))
    return found


def free_between(world: World, market: Market, start: datetime, end: datetime) -> int:
    """The machines free all the time from ``start`` to ``end``."""
    return min((free for _, _, free in slots(world, market, start, end)), default=0)


def latest_end(world: World, market: Market, start: datetime, bound: datetime, quantity: int) -> datetime:
    """How long ``quantity`` machines stay free from ``start`` on, at most until ``bound``."""
    if bound <= start:
        return start
    for left, _, free in slots(world, market, start, bound):
        if free < quantity:
            return left
    return bound
