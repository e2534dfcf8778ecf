"""Tasks that end themselves, as their stack sees it: what is recorded, what is revoked, and what never comes to light."""

from __future__ import annotations

import re

import pytest
from flowplan_program import PATIENCE_S, Project, Proxy, Served, reach, wait_until

pytest.importorskip("asyncssh")
pytestmark = pytest.mark.process
IN_PROCESS = True

_TASK = "{instance_type: a100, max_price_per_hour: 3.0, upload_code: false, terminate_on_exit: true, "
STACK = f"""\
stack: chain
provider: {{region: us-central1-b}}
tasks:
  first: {_TASK} command: echo made >/tmp/x}}
  second:
    instance_type: a100
    max_price_per_hour: 3.0
    upload_code: false
    max_run_time_hours: 1
    command: sleep 600
    depends_on: {{task.first: {{condition: completed}}}}
"""
SECRET = re.compile(rb"fkey_[A-Za-z0-9]{16,}")


def live_keys(served: Served) -> list[str]:
    """The names of tasks' keys that still open something."""
    keys = served.get("/v2/api-keys")
    return [k["name"] for k in keys if k["deactivated_at"] is None and k["name"].startswith("flow-task-")]


def notes(served: Served) -> list[str]:
    project = served.get("/v2/projects")[0]["fid"]
    return [one["name"] for one in served.get(f"/v2/lifecycle-scripts?project={project}")["data"]]


def test_a_chain_of_tasks_that_end_themselves(project: Project, served: Served) -> None:
    project.env["MITHRIL_SSH_KEY"] = str(served.home / "ssh" / "id_ed25519")
    project.write(STACK)
    applied = project.apply()
    assert [bid["name"].partition("-")[0] for bid in served.live_bids()] == ["second"]
    states = {t["address"]: t["status"] for t in project.run("status", "--json", code=0).json()["tasks"]}
    assert states["task.first"] == "completed" and states["task.second"] in ("pending", "running")
    assert "No changes." in project.run("plan", code=0).out
    wait_until(lambda: len(live_keys(served)) == 1, "the end of the first task's key")
    # The key is nowhere but on the instances and with the provider.
    assert not SECRET.search(applied.text.encode())
    held = {name for name, data in project.contents().items() if SECRET.search(data)}
    assert held == set()
    # Ending a task revokes its key as well.
    project.run("cancel", "task.second", "--yes", code=0)
    assert live_keys(served) == []
    project.run("destroy", "--auto-approve", code=0)
    assert served.live_ids() == [] and notes(served) == []


def test_an_end_that_nobody_watched_is_known(project: Project, served: Served) -> None:
    project.env["MITHRIL_SSH_KEY"] = str(served.home / "ssh" / "id_ed25519")
    project.write(
        "stack: alone\nprovider: {region: us-central1-b}\ntasks:\n"
        f"  good: {_TASK} command: 'true'}}\n  bad: {_TASK} command: exit 6}}\n"
    )
    project.apply()
    wait_until(lambda: served.live_bids() == [], "the end of both")
    seen = project.run("plan", code=0)
    assert "No changes." in seen.out and "task.bad has failed with exit code 6" in seen.err
    assert "lost" not in seen.text
    ended = project.run("wait", "task.*", "--json", code=1).json()["tasks"]
    assert {(t["address"], t["outcome"], t["exit_code"]) for t in ended} == {
        ("task.good", "reached", 0),
        ("task.bad", "failed", 6),
    }
    project.run("apply", "--refresh-only", "--auto-approve", code=0)
    project.run("destroy", "--auto-approve", code=0)
    assert live_keys(served) == [] and notes(served) == []


@pytest.mark.parametrize("path", ["/v2/api-keys", "/v2/spot/bids"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_is_killed_leaves_no_key(
    project: Project, served: Served, proxy: Proxy, path: str, when: str
) -> None:
    project.write(STACK.partition("  second:")[0].replace("echo made >/tmp/x", "sleep 600"))
    gate = proxy.gate("POST", path, when)
    process = project.start("apply", "--auto-approve")
    reach(gate, process)
    process.kill()
    process.wait(PATIENCE_S)
    gate.open(drop=True)
    project.apply()
    (bid,) = served.live_bids()
    assert live_keys(served) == [f"flow-task-{bid['name']}"], "one task, one key"
