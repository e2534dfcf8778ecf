"""A volume is not planned to be destroyed while something that the plan leaves alone has it attached."""

from __future__ import annotations

import pytest
from plan_builders import NOW, actions, make, observe, recorded, stack, task, volume

from flowplan.plan.observation import Observed
from flowplan.values.address import Kind

MOUNTS = "volumes: [{volume: '{{ volume.v }}', mount_path: /v}]"
KEPT = f"volumes: {{v: {volume()}}}\ntasks: {{a: {task(MOUNTS + ', lifecycle: {on_remove: retain}')}}}"
PLAIN = f"volumes: {{v: {volume()}}}\ntasks: {{a: {task(MOUNTS)}}}"


@pytest.mark.parametrize("looks", [True, False])
def test_a_task_that_is_let_go_keeps_its_volume(looks: bool) -> None:
    before = recorded(stack(KEPT))
    made = make(stack(""), before, observe(before) if looks else None)
    assert actions(made) == {"volume.v": "delete", "task.a": "forget"}
    (problem,) = [one for one in made.diagnostics if "cannot be destroyed" in one.summary]
    assert problem.is_error and problem.summary == "volume.v cannot be destroyed while task.a uses it"
    assert "on_remove: retain" in problem.suggestion


def test_a_task_that_goes_too_is_no_hindrance() -> None:
    before = recorded(stack(PLAIN))
    assert "cannot be destroyed" not in str(
        [one.summary for one in make(stack(""), before, observe(before)).diagnostics]
    )


def test_a_task_that_ended_is_no_hindrance() -> None:
    before = recorded(stack(KEPT))
    made = make(stack(""), before, observe(before, lost=["task.a"]))
    assert "cannot be destroyed" not in str([one.summary for one in made.diagnostics])


def test_a_task_that_lets_go_of_it_is_no_hindrance() -> None:
    before = recorded(stack(PLAIN))
    made = make(stack(f"tasks: {{a: {task()}}}"), before, observe(before))
    assert actions(made)["volume.v"] == "delete"
    assert "cannot be destroyed" not in str([one.summary for one in made.diagnostics])


def test_somebody_elses_task_is_named() -> None:
    before = recorded(stack(PLAIN))
    held = before.records[next(a for a in before.records if a.kind is Kind.VOLUME)].id
    other = Observed(Kind.TASK, "bid_other", "theirs", True, {"volume_ids": [held], "status": "running"}, NOW)
    made = make(stack(""), before, observe(before, foreign=[other]))
    (problem,) = [one for one in made.diagnostics if "cannot be destroyed" in one.summary]
    assert "theirs" in problem.summary and "bid_other" in problem.detail
