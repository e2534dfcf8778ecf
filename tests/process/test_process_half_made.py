"""What a killed run had half made is told apart from what is whole, and is never on record as healthy."""

from __future__ import annotations

import signal

import pytest
from flowplan_program import HELLO, PATIENCE_S, Project, Proxy, Served, finish, reach

pytestmark = pytest.mark.process

TASK = HELLO.partition("outputs:")[0]
WITHOUT = TASK.replace("    volumes:\n", "").replace(
    '      - {volume: "{{ volume.notes }}", mount_path: /notes}\n', ""
)
AFTER = (
    TASK.replace('echo "hello from $FLOW_TASK_NAME"', "sleep 3")
    + "  after:\n    instance_type: a100\n    max_price_per_hour: 3.0\n    upload_code: false\n"
    + "    command: echo after\n    depends_on: {task.hello: completed}\n"
)


def kill_at(project: Project, proxy: Proxy, method: str, path: str, when: str) -> None:
    gate = proxy.gate(method, path, when)
    process = project.start("apply", "--auto-approve", "--allow-data-loss", "**")
    reach(gate, process)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    gate.open(drop=True)


def listed(project: Project) -> list[str]:
    return project.run("state", "list", code=0).out.split()


def test_a_task_that_was_being_created_is_interrupted_and_not_on_record(
    project: Project, served: Served, proxy: Proxy
) -> None:
    project.write(TASK)
    kill_at(project, proxy, "POST", "/v2/spot/bids", "after")
    assert len(served.live_bids()) == 1
    assert listed(project) == ["volume.notes"], "what is not known to be whole is not on record"
    (entry,) = project.run("state", "operations", "--json", code=0).json()["operations"]
    assert (entry["address"], entry["operation"]) == ("task.hello", "create")
    assert "interrupted" in project.run("status").out
    assert "interrupted create found at the provider" in project.run("plan", code=0).out
    project.apply()
    assert listed(project) == ["volume.notes", "task.hello"] and len(served.live_bids()) == 1


def test_a_task_that_was_paused_for_a_change_is_not_left_paused(
    project: Project, served: Served, proxy: Proxy
) -> None:
    project.write(TASK)
    project.apply()
    (bid,) = served.live_bids()
    project.write(WITHOUT)
    kill_at(project, proxy, "PATCH", f"/v2/spot/bids/{bid['fid']}", "after")
    assert served.live_bids()[0]["status"] == "Paused", "half made: paused, and nothing changed yet"
    assert f"interrupted update of {bid['fid']}, will be finished" in project.run("plan", code=0).out
    project.apply()
    (now,) = served.live_bids()
    assert now["fid"] == bid["fid"] and now["status"] != "Paused"
    assert now["launch_specification"]["volumes"] == []
    assert "No changes." in project.run("plan", "--detailed-exitcode", code=0).out


def test_a_task_whose_end_was_awaited_is_not_on_record_as_completed(project: Project) -> None:
    """Terraform records what a killed run waited for as healthy, and never looks at it again."""
    project.write(AFTER)
    process = project.start("apply", "--auto-approve")
    assert process.stdout is not None
    assert any("task.hello: Waiting" in line for line in iter(process.stdout.readline, ""))
    process.kill()
    finish(process)
    assert listed(project) == ["volume.notes", "task.hello"]
    shown = project.run("state", "show", "task.hello", "--json", code=0).json()
    assert shown["attributes"].get("completion") is None
    plan = project.run("plan", code=0).out
    assert "task.after will be created" in plan and "1 to add" in plan
    # It is waited for again, or has completed meanwhile; only then is what needs its end made.
    project.apply()
    shown = project.run("state", "show", "task.hello", "--json", code=0).json()
    assert shown["attributes"]["completion"]["exit_code"] == 0
    project.run("destroy", "--auto-approve", code=0)
