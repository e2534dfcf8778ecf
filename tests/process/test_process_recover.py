"""``flowplan recover``: settling what a killed run began, for its own sake, and saying what was found."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from flowplan_program import HELLO, PATIENCE_S, Project, Proxy, Served, finish, reach

pytestmark = pytest.mark.process


def killed(project: Project, proxy: Proxy, method: str, path: str, when: str, *command: str) -> None:
    """SIGKILL a command while its request is held."""
    gate = proxy.gate(method, path, when)
    process = project.start(*(command or ("apply", "--auto-approve")))
    reach(gate, process)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    gate.open(drop=True)


def test_a_killed_creation_is_adopted(project: Project, served: Served, proxy: Proxy) -> None:
    project.write(HELLO)
    assert project.run("recover", code=0).out == "Nothing began that did not end.\n"
    killed(project, proxy, "POST", "/v2/volumes", "after")
    (made,) = served.live_volumes()
    before = proxy.mutations()
    found = project.run("recover", "--json", code=0).json()
    (stack,) = found["stacks"]
    assert stack["stack"] == "hello" and stack["unknown"] == []
    assert stack["settled"] == [
        {
            "address": "volume.notes",
            "operation": "create",
            "id": made["fid"],
            "found": f"interrupted create: found at the provider and adopted [id={made['fid']}]",
        }
    ]
    assert proxy.mutations() == before, "nothing was sent"
    assert project.run("state", "list", code=0).out == "volume.notes\n", "and nothing else was made"
    assert "interrupted" not in project.run("plan", code=0).out
    assert project.run("recover", "stack.yaml", code=0).out == "Nothing began that did not end.\n"


def test_a_killed_creation_that_never_arrived_and_a_killed_deletion(
    project: Project, served: Served, proxy: Proxy
) -> None:
    project.write(HELLO)
    killed(project, proxy, "POST", "/v2/volumes", "before")
    said = project.run("recover", "--stack", "hello", code=0).out
    assert "volume.notes: interrupted create: nothing was made at the provider" in said
    assert served.live_ids() == []
    project.apply()
    (bid,) = served.live_bids()
    killed(project, proxy, "DELETE", f"/v2/spot/bids/{bid['fid']}", "before", "destroy", "--auto-approve")
    assert len(served.live_bids()) == 1
    assert f"task.hello: interrupted delete: finished [id={bid['fid']}]" in project.run("recover", code=0).out
    assert served.live_bids() == [] and project.run("state", "list", code=0).out == "volume.notes\n"


def test_a_stack_that_is_not_recorded_and_one_that_is_locked(
    project: Project, served: Served, proxy: Proxy, tmp_path: Path
) -> None:
    project.write(HELLO)
    assert "No stack 'nope' is recorded" in project.run("recover", "--stack", "nope", code=1).err
    assert "No stack of other.yaml is recorded" in project.run("recover", "other.yaml", code=1).err
    project.run("recover", "x.yaml", "--stack", "hello", code=64)
    gate = proxy.gate("POST", "/v2/volumes", "after")
    process = project.start("apply", "--auto-approve")
    reach(gate, process)
    assert str(process.pid) in project.run("recover", code=7).err
    gate.open()
    assert finish(process).code == 0


def test_a_second_of_looking_can_be_interrupted(project: Project, served: Served, proxy: Proxy) -> None:
    project.write(HELLO)
    killed(project, proxy, "POST", "/v2/volumes", "before")
    gate = proxy.gate("GET", "/v2/volumes", "before")
    process = project.start("recover")
    reach(gate, process)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    gate.open(drop=True)
    assert ended.code == 130 and "still in the journal" in ended.err
    assert "interrupted create" in project.run("plan", code=0).out
