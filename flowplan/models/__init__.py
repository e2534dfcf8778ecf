"""The documented models of tasks, storage, hardware and reservations, under their documented names.

Everything is resolved on first use. `structure` makes a model from JSON-shaped data and reports all of its
problems at once; `unstructure` is the way back. The IR's own ``MountSpec`` is `flowplan.models.ir.MountSpec`;
``MountSpec`` here is the one a `TaskConfig` holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowplan.models.config import FlowConfig, Project, User, ValidationResult
    from flowplan.models.enums import InstanceStatus, ReservationStatus, StorageInterface, TaskStatus
    from flowplan.models.hardware import (
        CPUSpec,
        GPUSpec,
        InstanceMatch,
        InstanceType,
        MemorySpec,
        NetworkSpec,
        StorageSpec,
    )
    from flowplan.models.instance import AvailableInstance, Instance
    from flowplan.models.ir import ResourceSpec, RunParams, TaskSpec
    from flowplan.models.mount import MountSpec
    from flowplan.models.requests import (
        ListTasksRequest,
        ListTasksResponse,
        SubmitTaskRequest,
        SubmitTaskResponse,
    )
    from flowplan.models.reservation import Reservation, ReservationSpec
    from flowplan.models.retries import Retries
    from flowplan.models.task import (
        CommandFailed,
        Task,
        TaskEnded,
        TaskError,
        TaskFailed,
        TaskTimeout,
        UnattachedTask,
    )
    from flowplan.models.task_config import TaskConfig
    from flowplan.models.volume import Volume, VolumeSpec
    from flowplan.values.convert import Invalid, Problem, structure, unstructure

_MODELS = {
    "TaskSpec": "ir",
    "ResourceSpec": "ir",
    "RunParams": "ir",
    "TaskStatus": "enums",
    "InstanceStatus": "enums",
    "ReservationStatus": "enums",
    "StorageInterface": "enums",
    "Retries": "retries",
    "Task": "task",
    "TaskConfig": "task_config",
    "VolumeSpec": "volume",
    "MountSpec": "mount",
    "GPUSpec": "hardware",
    "CPUSpec": "hardware",
    "MemorySpec": "hardware",
    "StorageSpec": "hardware",
    "NetworkSpec": "hardware",
    "InstanceType": "hardware",
    "InstanceMatch": "hardware",
    "Instance": "instance",
    "AvailableInstance": "instance",
    "Reservation": "reservation",
    "ReservationSpec": "reservation",
    "FlowConfig": "config",
    "Project": "config",
    "ValidationResult": "config",
    "SubmitTaskRequest": "requests",
    "SubmitTaskResponse": "requests",
    "ListTasksRequest": "requests",
    "ListTasksResponse": "requests",
    "User": "config",
    "Volume": "volume",
}
"""Each documented name and its module, in the order of the document."""
_OTHERS = {
    "TaskError": "flowplan.models.task",
    "UnattachedTask": "flowplan.models.task",
    "TaskEnded": "flowplan.models.task",
    "CommandFailed": "flowplan.models.task",
    "TaskTimeout": "flowplan.models.task",
    "TaskFailed": "flowplan.models.task",
    "Invalid": "flowplan.values.convert",
    "Problem": "flowplan.values.convert",
    "structure": "flowplan.values.convert",
    "unstructure": "flowplan.values.convert",
}

__all__ = [
    "AvailableInstance",
    "CPUSpec",
    "CommandFailed",
    "FlowConfig",
    "GPUSpec",
    "Instance",
    "InstanceMatch",
    "InstanceStatus",
    "InstanceType",
    "Invalid",
    "ListTasksRequest",
    "ListTasksResponse",
    "MemorySpec",
    "MountSpec",
    "NetworkSpec",
    "Problem",
    "Project",
    "Reservation",
    "ReservationSpec",
    "ReservationStatus",
    "ResourceSpec",
    "Retries",
    "RunParams",
    "StorageInterface",
    "StorageSpec",
    "SubmitTaskRequest",
    "SubmitTaskResponse",
    "Task",
    "TaskConfig",
    "TaskEnded",
    "TaskError",
    "TaskFailed",
    "TaskSpec",
    "TaskStatus",
    "TaskTimeout",
    "UnattachedTask",
    "User",
    "ValidationResult",
    "Volume",
    "VolumeSpec",
    "structure",
    "unstructure",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    home = f"flowplan.models.{_MODELS[name]}" if name in _MODELS else _OTHERS.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
