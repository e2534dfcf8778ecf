"""Names of instance types: their canonical spelling, and what the names themselves tell.

Accepted spellings are ``8xh100``, ``h100:8``, ``H100x8`` (all become ``8xh100``), a bare family, the
provider's dotted names (lower-cased) and its ids, ``it_…``, which pass through untouched.
"""

from __future__ import annotations

import re
from typing import Any

from flowplan.values.classes import frozen
from flowplan.values.convert import Mismatch

_COUNT_FIRST = r"0*([1-9]\d{0,3})x([a-z][a-z0-9_-]*)"
_COUNT_LAST = r"([a-z][a-z0-9_-]*?)(?::|x)0*([1-9]\d{0,3})"
_DOTTED_COUNT = r"(.+?)\.(\d{1,4})x"
_FAMILY = r"(?:^|[^a-z0-9])((?:gb|[abhlvt])\d{1,4}s?)(?![0-9a-z])"

_NODE_OF_8 = frozenset({"h100", "h200", "b200"})
"""Families whose bare name means a whole node (spec/models.md, 2.3, for h100; the others are sold so)."""

_SIZES: dict[tuple[str, int], tuple[int, int]] = {
    ("a100", 1): (26, 190),
    ("a100", 2): (52, 380),
    ("a100", 4): (102, 760),
    ("a100", 8): (204, 1520),
    ("h100", 1): (20, 226),
    ("h100", 8): (168, 1814),
    ("h200", 8): (208, 3072),
    ("b200", 1): (29, 448),
    ("b200", 8): (232, 3584),
}
"""vCPUs and GB of memory of an instance, by GPU family and count, where public sources tell."""


@frozen
class Size:
    """What a name tells of an instance: GPUs, their type, vCPUs and GB of memory; None for what it does not."""

    gpus: int
    gpu_type: str | None
    cpus: int | None = None
    memory_gb: int | None = None


def canonical(name: str) -> str:
    """``name`` in its canonical spelling; a provider's id as it is."""
    text = name.strip()
    if text.startswith("it_"):
        return text
    text = text.lower()
    first = re.fullmatch(_COUNT_FIRST, text)
    if first:
        return f"{first[1]}x{first[2]}"
    last = re.fullmatch(_COUNT_LAST, text)
    return f"{last[2]}x{last[1]}" if last else text


def instance_type_hook(value: Any) -> str | None:
    """The conversion of an ``instance_type`` field.

    Raises:
        Mismatch: it is no text.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        from flowplan.values.strict import show

        raise Mismatch(f"must be text such as 8xh100, not {show(value)}", given=value)
    return canonical(value)


def size_of(name: str) -> Size:
    """What the instance type called ``name`` holds, as far as its name tells; an id tells only of one GPU."""
    text = canonical(name)
    if text.startswith("it_"):
        return Size(1, None)
    counted, dotted = re.fullmatch(_COUNT_FIRST, text), re.fullmatch(_DOTTED_COUNT, text)
    if counted:
        count, gpu_type = int(counted[1]), counted[2]
    elif dotted:
        count, gpu_type = int(dotted[2]), dotted[1].split(".")[0]
    else:
        gpu_type = text.split(".")[0]
        count = 8 if gpu_type in _NODE_OF_8 else 1
    family = re.search(_FAMILY, gpu_type)
    cpus, memory = _SIZES.get((family[1] if family else gpu_type, count), (None, None))
    return Size(count, gpu_type, cpus, memory)
