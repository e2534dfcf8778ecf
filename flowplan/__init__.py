"""flowplan: plan and apply GPU tasks, volumes and reservations from stack files.

The Python API begins at `connect`; its documented models are here too, each imported when it is first used.
"""

from __future__ import annotations

__version__ = "0.1.0"

# What type checkers see stands in __init__.pyi: an import here, even one for them alone, would let every module
# that reads the version depend on the whole API.
_HOMES = {
    "Flow": "flowplan.client.flow",
    "FlowplanError": "flowplan.values.diagnostic",
    "connect": "flowplan.wiring",
}
_MODELS = (
    "AvailableInstance",
    "FlowConfig",
    "Instance",
    "InstanceMatch",
    "InstanceStatus",
    "Invalid",
    "ListTasksRequest",
    "ListTasksResponse",
    "MountSpec",
    "Project",
    "Reservation",
    "ReservationSpec",
    "ReservationStatus",
    "Retries",
    "StorageInterface",
    "SubmitTaskRequest",
    "SubmitTaskResponse",
    "Task",
    "TaskConfig",
    "TaskError",
    "TaskFailed",
    "TaskStatus",
    "TaskTimeout",
    "UnattachedTask",
    "User",
    "ValidationResult",
    "Volume",
    "VolumeSpec",
)

__all__ = [*_HOMES, *_MODELS]


def __getattr__(name: str) -> object:
    home = "flowplan.models" if name in _MODELS else _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
