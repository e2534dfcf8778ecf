"""How well offers fit a wish: filtering, scoring and ordering of matches."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from flowplan.models.hardware import InstanceMatch

PRICE_WEIGHT = 0.6
MEMORY_WEIGHT = 0.3
FREE_WEIGHT = 0.1


def best_first(
    offers: Iterable[InstanceMatch],
    min_gpu_memory_gb: int | None = None,
    region: str | None = None,
    max_price_per_hour: float | None = None,
    available_only: bool = True,
) -> list[InstanceMatch]:
    """The offers that satisfy the wish, scored (`score`), best first; ties by price, region and type."""
    fitting = [
        offer
        for offer in offers
        if (min_gpu_memory_gb is None or offer.instance.gpu.memory_gb >= min_gpu_memory_gb)
        and (region is None or offer.region == region)
        and (max_price_per_hour is None or offer.price_per_hour <= max_price_per_hour)
        and (not available_only or offer.availability > 0)
    ]
    cheapest = min((offer.price_per_hour for offer in fitting), default=0.0)
    scored = [evolve(offer, match_score=score(offer, cheapest, min_gpu_memory_gb)) for offer in fitting]
    return sorted(
        scored,
        key=lambda o: (
            -o.match_score,
            o.price_per_hour,
            o.region,
            o.instance.gpu.model,
            o.instance.gpu_count,
        ),
    )


def score(offer: InstanceMatch, cheapest: float, min_gpu_memory_gb: int | None) -> float:
    """How well an offer fits, from 0 to 1, rounded to 4 places; 1 is the cheapest one that is just large enough and free.

    Six tenths are its price: the cheapest fitting offer's price divided by its own. Three tenths are its memory
    per GPU: what was asked for divided by what it has (all of it where nothing was asked for). The last tenth is
    whether an instance is free now.
    """
    price = cheapest / offer.price_per_hour if offer.price_per_hour else 1.0
    memory = min_gpu_memory_gb / offer.instance.gpu.memory_gb if min_gpu_memory_gb else 1.0
    free = 1.0 if offer.availability else 0.0
    whole = PRICE_WEIGHT * price + MEMORY_WEIGHT * min(1.0, memory) + FREE_WEIGHT * free
    return min(1.0, round(whole, 4))
