"""The bids of one market that take part in its auctions, ranked, and the auction held over them.

`market.clear` says what an auction is; this gives the same outcome without looking at bids that can no longer win,
so that a bid more or less costs the same among ten and among ten thousand.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heapreplace, merge

from flowplan.sandbox.world.market import Clearing, Demand

Rank = tuple[int, int, str]
"""Minus the limit in cents, the age, the id: the lowest is served first."""


class Ladder:
    """What the bids of a market ask for, highest limit first, then oldest; apart for each quantity."""

    def __init__(self, demands: Iterable[Demand] = ()) -> None:
        self._ranks: dict[int, list[Rank]] = {}
        self._known: dict[str, Demand] = {}
        for demand in demands:
            self.put(demand)

    def __len__(self) -> int:
        return len(self._known)

    def put(self, demand: Demand) -> None:
        """Take a bid in, or its new demand."""
        self.remove(demand.fid)
        self._known[demand.fid] = demand
        insort(self._ranks.setdefault(demand.quantity, []), _rank(demand))

    def remove(self, fid: str) -> None:
        """Take a bid out, if it is in."""
        demand = self._known.pop(fid, None)
        if demand is None:
            return
        ranks = self._ranks[demand.quantity]
        del ranks[bisect_left(ranks, _rank(demand))]
        if not ranks:
            del self._ranks[demand.quantity]

    def ranked(self, fids: Iterable[str]) -> list[Demand]:
        """What these bids ask for, in the order in which they are served; others are left out."""
        return sorted((self._known[fid] for fid in fids if fid in self._known), key=_rank)

    def __iter__(self) -> Iterator[Demand]:
        return (self._known[fid] for _, _, fid in merge(*self._ranks.values()))

    def clear(self, capacity: int, floor_cents: int, rivals: Iterable[Demand] = ()) -> Clearing:
        """The outcome that `market.clear` gives for these bids and the rivals together.

        Whoever asks for more machines than are left at its turn, and everybody below who asks for as many, has
        lost: nothing of that quantity need be looked at again. So the work is that of the winners and of the
        quantities there are.
        """
        sources = [(quantity, ranks) for quantity, ranks in self._ranks.items()]
        if others := Ladder(rivals) if rivals else None:
            sources += others._ranks.items()
        turns = [(ranks[0], number, 0) for number, (_, ranks) in enumerate(sources)]
        heapify(turns)
        free, winners = capacity, []
        lowest: int | None = None
        lost: list[tuple[list[Rank], int]] = []
        while turns and -turns[0][0][0] >= floor_cents:
            (minus_limit, _, fid), number, place = turns[0]
            quantity, ranks = sources[number]
            if quantity > free:
                lost.append((ranks, place))
                heappop(turns)
                continue
            free -= quantity
            winners.append(fid)
            lowest = -minus_limit
            if place + 1 < len(ranks):
                heapreplace(turns, (ranks[place + 1], number, place + 1))
            else:
                heappop(turns)
        if lowest is None:
            return Clearing((), floor_cents)
        price = floor_cents
        for ranks, place in lost:
            at = max(place, bisect_left(ranks, (-lowest,)))
            if at < len(ranks):
                price = max(price, -ranks[at][0])
        return Clearing(tuple(winners), price)


def _rank(demand: Demand) -> Rank:
    return -demand.limit_cents, demand.age, demand.fid
