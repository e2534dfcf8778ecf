"""Other bidders of a simulated market, drawn from a seed.

Everything is a function of the seed, the market's name and the number of the round, so the demand of any time can
be computed without having computed what came before, and nothing has to be stored for times nobody asked about.
Demand is constant between a few rounds an hour; integers only, so that every machine draws the same.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from flowplan.sandbox.world.market import Demand

SEGMENT = 30
"""Rounds in a segment; demand changes once in each, and once more for a short surge in some."""
_COUNT = 32
_SHARE = 16
"""A rival of weight 1 wants this part of the market."""
_WEIGHTS = (1, 1, 1, 1, 2, 2)
_OCTAVES = ((24, 450), (6, 350), (1, 200))
"""Slow, middling and fast changes of demand: segments per period, and their share of the level in thousandths."""
_SURGE_ONE_IN = 8
_LONGEST_SURGE = 5
_FRENZY_ONE_IN = 40


@lru_cache(maxsize=4096)
def next_change(seed: int, market: str, number: int) -> int:
    """The first round after ``number`` at which the demand may differ from that of the round before."""
    segment = number // SEGMENT
    while True:
        for change in _changes(seed, market, segment):
            if change > number:
                return change
        segment += 1


@lru_cache(maxsize=8192)
def demands(seed: int, market: str, number: int, capacity: int, floor_cents: int) -> tuple[Demand, ...]:
    """What the others ask for in a round, for a market of so many machines, highest limit first.

    They are older than any bid of the user, so they win ties.
    """
    level = _level(seed, market, number)
    found = []
    for index in range(_COUNT):
        joins_at, greed, weight = _rival(seed, market, index)
        if joins_at > level + 150:
            continue
        limit = floor_cents + floor_cents * greed * (500 + level) // 1_000_000
        found.append(Demand(f"rival{index}", limit, max(1, capacity * weight // _SHARE), index - _COUNT))
    return tuple(sorted(found, key=lambda rival: (-rival.limit_cents, rival.age)))


def _level(seed: int, market: str, number: int) -> int:
    """How strong demand is in a round: 0 (nearly nobody) to 1500 and more (everybody, at high prices)."""
    segment = number // SEGMENT
    turn, surge = _plan(seed, market, segment)
    regime = segment if number >= turn else segment - 1
    level = 0
    for period, share in _OCTAVES:
        whole, part = divmod(regime, period)
        left = _draw(seed, market, "level", period, whole) % 1001
        right = _draw(seed, market, "level", period, whole + 1) % 1001
        level += (left * (period - part) + right * part) * share // (period * 1000)
    if _draw(seed, market, "frenzy", regime // 2) % _FRENZY_ONE_IN == 0:
        level += 500
    if surge is not None and surge[0] <= number < surge[1]:
        level += 600
    return level


def _changes(seed: int, market: str, segment: int) -> list[int]:
    turn, surge = _plan(seed, market, segment)
    return sorted({turn, *(surge or ())})


@lru_cache(maxsize=4096)
def _plan(seed: int, market: str, segment: int) -> tuple[int, tuple[int, int] | None]:
    """The round of a segment at which demand turns, and the rounds of its surge (first, first after it)."""
    first = segment * SEGMENT
    turn = first + _draw(seed, market, "turn", segment) % SEGMENT
    chance = _draw(seed, market, "surge", segment)
    if chance % _SURGE_ONE_IN:
        return turn, None
    begin = first + chance // 64 % (SEGMENT - _LONGEST_SURGE)
    return turn, (begin, begin + 1 + chance // 8192 % _LONGEST_SURGE)


@lru_cache(maxsize=4096)
def _rival(seed: int, market: str, index: int) -> tuple[int, int, int]:
    """At what level of demand a rival joins, how far above the floor it would go (thousandths), its weight."""
    drawn = _draw(seed, market, "rival", index)
    # Squared, so that few go far above the floor.
    greed = (drawn // 1000 % 1000) ** 2 * 3 // 1000
    return drawn % 1000, greed, _WEIGHTS[drawn // 1_000_000 % len(_WEIGHTS)]


def _draw(seed: int, *words: str | int) -> int:
    text = "\0".join(map(str, (seed, *words)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
