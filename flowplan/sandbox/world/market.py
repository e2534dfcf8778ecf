"""The auction of one market: a blind second-price auction of equal machines (provider.md section 4)."""

from __future__ import annotations

from collections.abc import Iterable

from flowplan.values.classes import frozen


@frozen
class Demand:
    """What one bid asks for: all of ``quantity`` machines or none, for at most ``limit_cents`` each an hour.

    ``age`` orders equal limits, lower first.
    """

    fid: str
    limit_cents: int
    quantity: int
    age: int


@frozen
class Clearing:
    """The outcome: who wins, in order of limit, and what every winner pays."""

    winners: tuple[str, ...]
    price_cents: int


def clear(capacity: int, floor_cents: int, demands: Iterable[Demand]) -> Clearing:
    """Serve the highest limits first; one that does not fit is passed over.

    The price is the highest losing limit that no winner is below, never under the floor. A bid passed over
    because it asks for too many machines may have a higher limit than a smaller winner; it does not set the
    price then, so nobody pays above their limit.
    """
    free = capacity
    winners: list[Demand] = []
    losers: list[Demand] = []
    for demand in sorted(demands, key=lambda d: (-d.limit_cents, d.age)):
        if demand.limit_cents >= floor_cents and demand.quantity <= free:
            free -= demand.quantity
            winners.append(demand)
        else:
            losers.append(demand)
    lowest = winners[-1].limit_cents if winners else None
    losing = [d.limit_cents for d in losers if lowest is None or d.limit_cents <= lowest]
    price = max([floor_cents, *losing]) if winners else floor_cents
    return Clearing(tuple(d.fid for d in winners), price)
