"""Hardware, for matching wishes with offers (spec/models.md, 1.7). All frozen but the match itself."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self
from uuid import UUID

from attrs import field

from flowplan.models.model import Model, fact, put
from flowplan.models.moment import now
from flowplan.values.classes import define, frozen

_FAST_NETWORKS = frozenset({"InfiniBand", "IB", "IB_1600", "IB_3200"})


@frozen(kw_only=True)
class GPUSpec(Model):
    """One model of GPU."""

    vendor: str = field(default="NVIDIA", metadata=fact("Who makes it."))
    model: str = field(metadata=fact("Its name, such as H100."))
    memory_gb: int = field(metadata=fact("Memory in GB.", above=0))
    memory_type: str = field(default="", metadata=fact("Type of memory, such as HBM3."))
    architecture: str = field(default="", metadata=fact("Architecture, such as Hopper."))
    compute_capability: tuple[int, int] = field(default=(0, 0), metadata=fact("CUDA compute capability."))
    tflops_fp32: float = field(default=0.0, metadata=fact("TFLOPS in 32-bit floats.", minimum=0))
    tflops_fp16: float = field(default=0.0, metadata=fact("TFLOPS in 16-bit floats.", minimum=0))
    memory_bandwidth_gb_s: float = field(
        default=0.0, metadata=fact("Memory bandwidth in GB a second.", minimum=0)
    )

    @property
    def canonical_name(self) -> str:
        """``vendor-model-<n>gb`` in lower case."""
        return f"{self.vendor}-{self.model}-{self.memory_gb}gb".lower()


@frozen(kw_only=True)
class CPUSpec(Model):
    """The CPUs of an instance."""

    vendor: str = field(default="Intel", metadata=fact("Who makes them."))
    model: str = field(default="Xeon", metadata=fact("Their name."))
    cores: int = field(metadata=fact("Number of cores.", above=0))
    threads: int = field(default=0, metadata=fact("Number of threads; 0 means as many as cores.", minimum=0))
    base_clock_ghz: float = field(default=0.0, metadata=fact("Base clock in GHz.", minimum=0))

    def _derive(self, bad: frozenset[str]) -> None:
        if bad.isdisjoint({"cores", "threads"}) and self.threads == 0:
            put(self, "threads", self.cores)

    def set_threads_default(self) -> Self:
        """The specification itself: its threads are settled when it is made."""
        return self


@frozen(kw_only=True)
class MemorySpec(Model):
    """The memory of an instance."""

    size_gb: int = field(metadata=fact("Size in GB.", above=0))
    type: str = field(default="DDR4", metadata=fact("Type of memory."))
    speed_mhz: int = field(default=3200, metadata=fact("Speed in MHz.", above=0))
    ecc: bool = field(default=True, metadata=fact("Whether it corrects errors."))


@frozen(kw_only=True)
class StorageSpec(Model):
    """The disks of an instance."""

    size_gb: int = field(metadata=fact("Size in GB.", minimum=0))
    type: str = field(default="NVMe", metadata=fact("Type of disk: NVMe, SSD, HDD."))
    iops: int | None = field(default=None, metadata=fact("Input and output operations a second.", minimum=0))
    bandwidth_mb_s: int | None = field(default=None, metadata=fact("Bandwidth in MB a second.", minimum=0))


@frozen(kw_only=True)
class NetworkSpec(Model):
    """The connections in and between instances."""

    intranode: str = field(default="", metadata=fact("Connection of the GPUs of an instance, such as SXM5."))
    internode: str | None = field(
        default=None, metadata=fact("Network between instances, such as InfiniBand.")
    )
    bandwidth_gbps: float | None = field(
        default=None, metadata=fact("Bandwidth in Gbit a second.", minimum=0)
    )

    @property
    def has_high_speed_interconnect(self) -> bool:
        """Whether instances are joined by InfiniBand."""
        return self.internode in _FAST_NETWORKS


@frozen(kw_only=True)
class InstanceType(Model):
    """A type of instance. Two with the same GPUs, cores, memory and networks have the same id."""

    gpu: GPUSpec = field(metadata=fact("Its model of GPU."))
    gpu_count: int = field(metadata=fact("Number of GPUs.", above=0))
    cpu: CPUSpec = field(metadata=fact("Its CPUs."))
    memory: MemorySpec = field(metadata=fact("Its memory."))
    storage: StorageSpec = field(metadata=fact("Its disks."))
    network: NetworkSpec = field(metadata=fact("Its connections."))
    id: UUID | None = field(default=None, metadata=fact("Its id; computed when absent."))
    aliases: set[str] = field(factory=set, metadata=fact("Other names of it; computed when there are none."))
    created_at: datetime = field(factory=now, metadata=fact("When this description was made, in UTC."))
    version: int = field(default=1, metadata=fact("Version of this description.", minimum=1))

    def _derive(self, bad: frozenset[str]) -> None:
        if bad:
            return
        if self.id is None:
            put(self, "id", uuid.uuid5(uuid.NAMESPACE_DNS, self._identity))
        if not self.aliases:
            gpu = self.gpu
            names = (
                f"gpu.{gpu.vendor}.{gpu.model}",
                f"{gpu.model}-{gpu.memory_gb}gb",
                f"{self.gpu_count}x{gpu.model}",
            )
            put(self, "aliases", {name.lower() for name in names})

    @property
    def _identity(self) -> str:
        """The text the id is computed from; case counts, and an absent network is the word None."""
        gpu, net = self.gpu, self.network
        return (
            f"gpu:{gpu.vendor}-{gpu.model}-{gpu.memory_gb}gb|count:{self.gpu_count}"
            f"|cpu:{self.cpu.cores}|mem:{self.memory.size_gb}|net:{net.intranode}-{net.internode}"
        )

    @property
    def canonical_name(self) -> str:
        """``gpu.<vendor>.<model>`` in lower case."""
        return f"gpu.{self.gpu.vendor}.{self.gpu.model}".lower()

    @property
    def total_gpu_memory_gb(self) -> int:
        """The memory of all GPUs together, in GB."""
        return self.gpu.memory_gb * self.gpu_count

    def compute_id_and_aliases(self) -> Self:
        """The type itself: its id and aliases are settled when it is made."""
        return self


@define(kw_only=True)
class InstanceMatch(Model):
    """An offer of an instance type: where, how many, at what price, and how well it fits."""

    instance: InstanceType = field(metadata=fact("The type offered."))
    region: str = field(metadata=fact("Where."))
    availability: int = field(metadata=fact("How many are free.", minimum=0))
    price_per_hour: float = field(metadata=fact("US dollars per instance-hour.", minimum=0))
    match_score: float = field(default=1.0, metadata=fact("How well it fits.", minimum=0, maximum=1))

    @property
    def price_performance(self) -> float:
        """TFLOPS in 32-bit floats per dollar and hour; 0 when it costs nothing."""
        if self.price_per_hour == 0:
            return 0.0
        return self.instance.gpu.tflops_fp32 * self.instance.gpu_count / self.price_per_hour
