"""Instances that run, and capacity that could (spec/models.md, 1.9)."""

from __future__ import annotations

from datetime import datetime

from attrs import field

from flowplan.models.enums import InstanceStatus
from flowplan.models.model import Model, fact
from flowplan.values.classes import define


@define(kw_only=True)
class Instance(Model):
    """One machine of a task."""

    instance_id: str = field(metadata=fact("Id of the instance."))
    task_id: str = field(metadata=fact("Id of its task."))
    status: InstanceStatus = field(metadata=fact("What it is doing."))
    ssh_host: str | None = field(default=None, metadata=fact("Public host name or address."))
    private_ip: str | None = field(default=None, metadata=fact("Address inside the network."))
    created_at: datetime = field(metadata=fact("When it was created, in UTC."))
    terminated_at: datetime | None = field(default=None, metadata=fact("When it ended, in UTC."))


@define(kw_only=True)
class AvailableInstance(Model):
    """Capacity that can be had now."""

    allocation_id: str = field(metadata=fact("Id of the allocation."))
    instance_type: str = field(metadata=fact("Type of instance."))
    region: str = field(metadata=fact("Where."))
    price_per_hour: float = field(metadata=fact("US dollars per instance-hour."))
    gpu_type: str | None = field(default=None, metadata=fact("Type of GPU."))
    gpu_count: int | None = field(default=None, metadata=fact("Number of GPUs."))
    cpu_count: int | None = field(default=None, metadata=fact("Number of CPUs."))
    memory_gb: int | None = field(default=None, metadata=fact("Memory in GB."))
    available_quantity: int | None = field(default=None, metadata=fact("How many are free."))
    status: str | None = field(default=None, metadata=fact("State of the allocation."))
    expires_at: datetime | None = field(default=None, metadata=fact("When the offer ends, in UTC."))
    internode_interconnect: str | None = field(default=None, metadata=fact("Network between instances."))
    intranode_interconnect: str | None = field(default=None, metadata=fact("Connection of the GPUs."))
