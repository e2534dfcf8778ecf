"""The limit price of a task: what it says, or what its priority tier means for its instance type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from flowplan.models.instance_types import canonical, size_of

_TIERS: Mapping[str, tuple[float, float, float]] = {
    "gb200": (7, 14, 28),
    "b200": (6, 12, 24),
    "h200": (5, 10, 20),
    "h100": (4, 8, 16),
    "a100": (3, 6, 12),
    "l40s": (2, 4, 8),
    "a40": (1.5, 3, 6),
    "a10": (1, 2, 4),
    "v100": (0.8, 1.6, 3.2),
    "l4": (0.6, 1.2, 2.4),
    "t4": (0.5, 1, 2),
}
"""Dollars per GPU-hour for priority low, med and high, by GPU family (spec/models.md, 2.2)."""

_PRIORITIES = {"low": 0, "med": 1, "high": 2}


@lru_cache(maxsize=4096)
def gpu_family(instance_type: str) -> str | None:
    """The GPU family an instance type's name holds (``h100`` of ``8xh100``), or None for one that has no tier."""
    name = instance_type.lower()
    return next(
        (family for family in _TIERS if re.search(rf"(?:(?<![a-z0-9])|(?<=\dx)){family}(?![0-9])", name)),
        None,
    )


@lru_cache(maxsize=16384)
def same_type(first: str, second: str) -> bool:
    """Whether two names may mean one instance type: ``a100`` and ``1xa100`` do. Of a provider's id no name tells."""
    first, second = canonical(first), canonical(second)
    if first == second or first.startswith("it_") or second.startswith("it_"):
        return True
    family = gpu_family(first)
    return family is not None and family == gpu_family(second) and size_of(first).gpus == size_of(second).gpus


def limit_price(config: Mapping[str, Any], instance_type: str | None) -> float | None:
    """Dollars per instance-hour for a task's configuration; None where nothing says (an error at plan time).

    ``max_price_per_hour`` wins; else the priority's tier per GPU times the GPUs of the type.
    """
    explicit = config.get("max_price_per_hour")
    if isinstance(explicit, (int, float)) and not isinstance(explicit, bool):
        return float(explicit)
    if not isinstance(instance_type, str):
        return None
    family = gpu_family(instance_type)
    if family is None:
        return None
    tier = _TIERS[family][_PRIORITIES.get(str(config.get("priority") or "med"), 1)]
    return tier * size_of(instance_type).gpus
