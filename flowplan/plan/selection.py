"""Choosing an instance type for a task that asks for memory instead of a type (spec/models.md, 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.plan.observation import Observation
from flowplan.state.snapshot import Record
from flowplan.values.value import is_known


def choose(
    config: Mapping[str, Any], region: str, record: Record | None, observation: Observation | None
) -> tuple[str | None, str]:
    """The instance type for ``min_gpu_memory_gb``, or None and the reason why there is none.

    A choice once made is kept while the request stays the same, so that a moving market never replaces a
    task. Otherwise: the cheapest offer in the region with enough memory per GPU, within the price; ties by name.
    """
    wanted = config.get("min_gpu_memory_gb")
    if not is_known(wanted) or not isinstance(wanted, int):
        return None, "its min_gpu_memory_gb is not known before apply"
    if record is not None and record.config.get("min_gpu_memory_gb") == wanted:
        chosen = record.attributes.get("instance_type")
        if isinstance(chosen, str):
            return chosen, ""
    if observation is None:
        return None, "choosing an instance type by memory needs the market, and refresh is off"
    limit = config.get("max_price_per_hour")
    ceiling = round(limit * 100) if isinstance(limit, (int, float)) else None
    fitting = [
        offer
        for offer in observation.offers
        if offer.gpu_memory_gb >= wanted
        and (not region or offer.region == region)
        and (ceiling is None or offer.price_cents is None or offer.price_cents <= ceiling)
    ]
    if not fitting:
        within = f" within ${limit:.2f} an hour" if ceiling is not None else ""
        return None, f"no instance type in {region or 'any region'} offers {wanted} GB per GPU{within}"
    best = min(
        fitting,
        key=lambda o: (o.price_cents is None, o.price_cents or 0, o.gpus, o.instance_type),
    )
    return best.instance_type, ""
