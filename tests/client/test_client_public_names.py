"""What `import flowplan` offers: pinned, typed the same way, and free of cost until it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import flowplan

NAMES = [
    "AvailableInstance",
    "Flow",
    "FlowConfig",
    "FlowplanError",
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
    "connect",
]

FLOW = [
    "available_instances",
    "close",
    "create_reservation",
    "create_volume",
    "delete_volume",
    "find_instances",
    "get_task",
    "list_tasks",
    "projects",
    "reservations",
    "run",
    "submit",
    "user",
    "validate",
    "volumes",
]


def test_the_names_of_the_package() -> None:
    assert [name for name in dir(flowplan) if not name.startswith("__")] == NAMES
    assert all(getattr(flowplan, name).__name__ == name for name in NAMES)


def test_type_checkers_see_the_same_names() -> None:
    stub = ast.parse(Path(flowplan.__file__).with_suffix(".pyi").read_text())
    listed = next(
        node
        for node in stub.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    assert ast.literal_eval(listed.value) == NAMES


def test_the_methods_of_a_flow() -> None:
    assert [name for name in dir(flowplan.Flow) if not name.startswith("_")] == FLOW


def test_importing_the_package_imports_nothing_else() -> None:
    words = (
        "import sys, flowplan; print([m for m in sys.modules if m.startswith('flowplan.') or m == 'attrs'])"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
