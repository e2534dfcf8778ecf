"""The documented string enums; each value is the word that stands in data."""

from __future__ import annotations

from enum import StrEnum


class TaskStatus(StrEnum):
    """The states in a task's life; completed, failed and cancelled are final."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    PREEMPTING = "preempting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class InstanceStatus(StrEnum):
    """The states of a compute instance."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPED = "stopped"
    TERMINATED = "terminated"


class ReservationStatus(StrEnum):
    """The states in a reservation's life."""

    SCHEDULED = "scheduled"
    ACTIVE = "active"
    EXPIRED = "expired"
    FAILED = "failed"


class StorageInterface(StrEnum):
    """How a volume is attached: as a disk of one instance, or as a file system that many share."""

    BLOCK = "block"
    FILE = "file"
