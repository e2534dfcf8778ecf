"""What a stack costs to load and plan grows with it and no faster: counted in calls, so that no machine's speed counts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from plan_builders import make, observe, recorded, stack, task, volume

SMALL, LARGE = 60, 240


def chain(size: int) -> str:
    """Each task after the one before it."""
    lines = [f"  t0: {task()}"]
    lines += [f"  t{n}: {task(f'depends_on: [task.t{n - 1}]')}" for n in range(1, size)]
    return "tasks:\n" + "\n".join(lines)


def star(size: int) -> str:
    """All tasks on one volume."""
    mount = "volumes: [{volume: '{{ volume.v }}', mount_path: /v}]"
    lines = [f"  t{n}: {task(mount)}" for n in range(size)]
    return f"volumes: {{v: {volume()}}}\ntasks:\n" + "\n".join(lines)


def generated(size: int) -> str:
    """All tasks from one block."""
    keys = ", ".join(f"k{n}" for n in range(size))
    return f"tasks: {{t: {task(f'for_each: [{keys}]')}}}"


def calls(work: Callable[[], Any]) -> int:
    """How many functions of Python's are called."""
    count = 0

    def note(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("text", [chain, star, generated])
def test_loading_and_planning_cost_as_much_for_each_resource_of_a_larger_stack(
    text: Callable[[int], str],
) -> None:
    def costs(size: int) -> tuple[int, int, int]:
        written = text(size)
        loading = calls(lambda: stack(written))
        wanted = stack(written)
        before = recorded(wanted)
        seen = observe(before)
        new = calls(lambda: make(wanted, recorded(stack("tasks: {}")), None))
        nothing = calls(lambda: make(wanted, before, seen))
        assert make(wanted, before, seen).is_empty
        return loading, new, nothing

    costs(8)  # what is made once
    small, large = costs(SMALL), costs(LARGE)
    for few, many in zip(small, large, strict=True):
        assert many / LARGE <= 1.15 * few / SMALL, (small, large)
