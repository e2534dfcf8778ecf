"""What winners paid in a market at any time (provider.md section 4).

Prices are stored where the world's own bids and reservations made them; everywhere else they are a function of
the conditions, computed when somebody asks.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from flowplan.sandbox.world.conditions import next_change, quiet_price
from flowplan.sandbox.world.terms import PriceChange
from flowplan.sandbox.world.world import World

_BEFORE = timedelta(days=30)
"""How far the history of prices reaches back before the sandbox itself."""


def record(world: World, type_fid: str, at: datetime, cents: int | None) -> None:
    """Take down the price of a market from ``at`` on; None leaves it to the conditions."""
    line = world.prices(type_fid)
    if line.latest == cents and (len(line) or cents is None):
        return
    at = max(at, line.latest_at or at)
    world.put(PriceChange(f"{type_fid}@{at.isoformat()}", world.take_seq(), type_fid, at, cents))


def price_at(world: World, type_fid: str, at: datetime) -> int:
    """Cents per instance-hour that winners pay."""
    found = world.prices(type_fid).at(at)
    return quiet_price(world, type_fid, at) if found is None else found


def price_history(world: World, type_fid: str, start: datetime, end: datetime) -> list[tuple[datetime, int]]:
    """The price between two times as (from when on, cents): one at ``start``, and one at each change before ``end``.

    Nothing is known of the time that lies more than 30 days before the sandbox was made; the history begins there.
    """
    start = max(start, world.identity.created_at - _BEFORE)
    found: list[tuple[datetime, int]] = []

    def add(at: datetime, cents: int) -> None:
        if not found or found[-1][1] != cents:
            found.append((at, cents))

    for at, stop, cents in world.prices(type_fid).steps(start, end):
        if cents is not None:
            add(at, cents)
            continue
        moment: datetime | None = at
        while moment is not None and moment < stop:
            add(moment, quiet_price(world, type_fid, moment))
            moment = next_change(world, type_fid, moment)
    return found
