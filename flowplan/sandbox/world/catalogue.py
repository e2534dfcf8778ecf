"""What the simulated provider sells: machine types, regions, prices and images.

Sizes are those of the machines on sale in late 2026; ids and prices are the sandbox's own. Ids are derived
from names, so they are the same in every sandbox; a type has one id per region (provider.md 1.3).
"""

from __future__ import annotations

import hashlib
from functools import cache

from flowplan.values.classes import frozen

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def derived_fid(prefix: str, *words: str) -> str:
    """An id of the usual shape that depends on the words alone."""
    number = int.from_bytes(hashlib.sha256("\0".join((prefix, *words)).encode()).digest()[:16], "big")
    text = ""
    while len(text) < 16:
        number, digit = divmod(number, len(_LETTERS))
        text += _LETTERS[digit]
    return f"{prefix}_{text}"


@frozen
class MachineType:
    """A type of machine; ``floor_cents`` and ``reserved_cents`` are per instance-hour, sizes in GB (per GPU for its memory)."""

    name: str
    gpus: int
    gpu_type: str
    gpu_memory_gb: int
    socket: str
    cpus: int
    ram_gb: int
    disk_gb: int
    floor_cents: int
    infiniband: int = 0

    @property
    def reserved_cents(self) -> int:
        """What a reserved instance-hour costs: twice the spot floor."""
        return self.floor_cents * 2


@frozen
class Region:
    """A region; ``largest_volume_gb`` bounds one volume, the features say which kinds of volume exist there."""

    name: str
    has_block: bool
    has_file: bool
    largest_volume_gb: int = 16_384


@frozen
class Market:
    """One type sold in one region: an auction of its own."""

    machine: MachineType
    region: Region
    capacity: int
    type_fid: str
    auction_fid: str


def _a100(gpus: int, cpus: int, ram: int) -> MachineType:
    return MachineType(
        f"a100-80gb.sxm.{gpus}x", gpus, "A100", 80, "SXM4", cpus, ram, 1750 * gpus, 50 * gpus, 0
    )


TYPES = (
    _a100(1, 26, 190),
    _a100(2, 52, 380),
    _a100(4, 102, 760),
    _a100(8, 204, 1520),
    MachineType("h100-80gb.sxm.1x", 1, "H100", 80, "SXM5", 20, 226, 1774, 100),
    MachineType("h100-80gb.sxm.2x", 2, "H100", 80, "SXM5", 40, 452, 3548, 200),
    MachineType("h100-80gb.sxm.4x", 4, "H100", 80, "SXM5", 80, 904, 7096, 400),
    MachineType("h100-80gb.sxm.8x", 8, "H100", 80, "SXM5", 168, 1814, 12_500, 800, 8),
    MachineType("h200-141gb.sxm.1x", 1, "H200", 141, "SXM5", 20, 200, 1500, 100),
    MachineType("h200.8x", 8, "H200", 141, "SXM5", 208, 3072, 6400, 800, 8),
    MachineType("b200-192gb.1x", 1, "B200", 192, "SXM6", 29, 448, 350, 200),
    MachineType("b200-192gb.2x", 2, "B200", 192, "SXM6", 58, 896, 700, 400),
    MachineType("b200-192gb.4x", 4, "B200", 192, "SXM6", 116, 1792, 1400, 800),
    MachineType("b200-192gb.8x", 8, "B200", 192, "SXM6", 232, 3584, 2800, 1600, 8),
)

REGIONS = (
    Region("us-central1-a", has_block=True, has_file=False),
    Region("us-central1-b", has_block=True, has_file=True),
    Region("us-central2-a", has_block=True, has_file=True),
    Region("us-central2-b", has_block=True, has_file=False),
    Region("us-central5-a", has_block=True, has_file=True),
    Region("us-east1-a", has_block=False, has_file=False),
    Region("eu-central1-a", has_block=True, has_file=True),
    Region("eu-central1-b", has_block=True, has_file=False),
)

_CAPACITY = 16
_SOLD = {
    "us-central1-a": ("a100", "h100"),
    "us-central1-b": ("a100", "h100", "h200", "b200"),
    "us-central2-a": ("a100", "h100"),
    "us-central2-b": ("h200",),
    "us-central5-a": ("h100", "h200", "b200"),
    "us-east1-a": ("h100",),
    "eu-central1-a": ("a100", "h100"),
    "eu-central1-b": ("a100",),
}

IMAGE = derived_fid("imgver", "sandbox-ubuntu")
RESERVED_LEAST_H = 3
RESERVED_MOST_H = 336
LARGEST_STORAGE_GB = 1_000_000


@cache
def regions() -> dict[str, Region]:
    """The regions by name."""
    return {region.name: region for region in REGIONS}


@cache
def markets() -> dict[str, Market]:
    """What is on sale, by the type id that stands for (type, region)."""
    found = {}
    for region in REGIONS:
        for machine in TYPES:
            if machine.name.startswith(_SOLD[region.name]):
                fid = derived_fid("it", machine.name, region.name)
                auction = derived_fid("auc", machine.name, region.name)
                found[fid] = Market(machine, region, _CAPACITY, fid, auction)
    return found
