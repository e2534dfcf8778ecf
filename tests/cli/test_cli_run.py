"""``flowplan run``: one task file as a one-off, in a stack of its own, that nothing can orphan."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import jsonschema_rs
import pytest
from flowplan_program import PATIENCE_S, Project, Proxy, Served, finish, reach, wait_until
from in_process import closed

from flowplan.report.task_schema import tasks_schema

pytestmark = pytest.mark.process
IN_PROCESS = True

TASK = """\
name: train
instance_type: a100
max_price_per_hour: 3.0
upload_code: false
env: {PLAIN: "{{ not an expression }}"}
command: |
  #!/bin/bash
  echo "out $PLAIN ${SECRET:-none}"
  echo err >&2
  exit ${CODE:-0}
"""
LONG = TASK.replace("exit ${CODE:-0}", "sleep 600")


@pytest.fixture
def file(project: Project) -> Path:
    return project.write(TASK, "train.task.yaml")


def runs(project: Project) -> dict[str, str]:
    tasks = project.run("status", "--json", code=0).json()["tasks"]
    return {f"{task['stack']}/{task['address']}": task["status"] for task in tasks}


def test_a_run_from_end_to_end(project: Project, file: Path) -> None:
    followed = project.run(
        "run",
        "train.task.yaml",
        "--follow",
        "--env",
        "CODE=7",
        "--env",
        "SECRET=hush-hush",
        "--name",
        "one",
        code=7,
    )
    assert followed.out == "out {{ not an expression }} hush-hush\n"
    assert "err\n" in followed.err and "failed with exit code 7" in followed.err
    for path in project.state.glob("flowplan.db*"):
        assert b"hush-hush" not in path.read_bytes()
    assert project.run("state", "list", "--stack", "run-one", code=0).out == "task.one\n"
    assert runs(project) == {"run-one/task.one": "failed"}
    # -- again under the same name, and under none
    taken = project.run("run", "train.task.yaml", "--name", "one", code=1)
    assert "There is a run run-one already" in taken.err
    document = project.run("run", "train.task.yaml", "--wait", "--json", code=0).json()
    assert jsonschema_rs.validator_for(closed(tasks_schema())).is_valid(document)
    assert (document["address"], document["status"], document["outcome"]) == (
        "task.train",
        "completed",
        "reached",
    )
    assert document["stack"].startswith("run-train-")
    project.env["SECRET"] = "taken over"
    third = project.run("run", "train.task.yaml", "--env", "SECRET", code=0)
    stack = third.out.partition(":")[0]
    assert stack.startswith("run-train-") and stack != document["stack"]
    assert f"flowplan cancel 'task.train' --stack {stack}" in third.err
    project.run("wait", "--stack", stack, code=0)
    assert project.run("logs", "--stack", stack, code=0).out == "out {{ not an expression }} taken over\n"
    assert len(runs(project)) == 3
    assert len(project.embedded().live_bids()) == 3, (
        "completed tasks keep their instances unless they say otherwise"
    )
    project.run("cancel", "--stack", stack, "--yes", code=0)
    assert len(project.embedded().live_bids()) == 2


def test_a_dry_run_spends_nothing(project: Project, file: Path) -> None:
    before = project.contents()
    assert "task.train will be created" in project.run("run", "train.task.yaml", "--dry-run", code=0).out
    shown = project.run(
        "run", "train.task.yaml", "--dry-run", "--json", "--instance-type", "h100", code=0
    ).json()
    (change,) = shown["resource_changes"]
    assert change["after"]["instance_type"] == "h100" and shown["summary"]["add"] == 1
    assert {**before, "state/.gitignore": b"*\n"} == project.contents()
    assert project.embedded().live_ids() == []


def test_instances_are_given_back_where_the_task_says_so(project: Project) -> None:
    project.write(TASK + "terminate_on_exit: true\n", "train.task.yaml")
    project.run("run", "train.task.yaml", "--wait", "--name", "brief", code=0)
    assert project.embedded().live_bids() == []
    assert runs(project) == {"run-brief/task.brief": "completed"}
    # Where it is not waited for at once, whoever waits for it later ends them.
    project.write(LONG + "max_run_time_hours: 0.0003\n", "limited.task.yaml")
    project.run("run", "train.task.yaml", "--name", "left", code=0)
    project.run("run", "limited.task.yaml", "--name", "limited", code=0)
    project.run("wait", "--stack", "run-left", code=0)
    assert [bid["name"].partition("-")[0] for bid in project.embedded().live_bids()] == ["limited"]
    assert project.run("wait", "--stack", "run-limited", code=1).out.endswith("task.limited: failed (124)\n")
    assert project.embedded().live_bids() == []


def test_volumes_are_found_by_name_or_made(project: Project) -> None:
    volumes = "volumes: [{name: shared-data, size_gb: 1, interface: file, mount_path: /data}]\n"
    command = "command: ls /data; touch /data/$FLOW_TASK_NAME\n"
    text = "instance_type: a100\nmax_price_per_hour: 3.0\nupload_code: false\n" + volumes + command
    project.write(text, "a.task.yaml")
    project.run("run", "a.task.yaml", "--wait", "--name", "first", code=0)
    listed = project.run("state", "list", "--stack", "run-first", code=0).out
    assert listed == "volume.shared-data\ntask.first\n"
    second = project.run("run", "a.task.yaml", "--follow", "--name", "second", code=0)
    assert second.out.startswith("first-"), second
    assert project.run("state", "list", "--stack", "run-second", code=0).out == "task.second\n"
    assert len(project.embedded().live_volumes()) == 1
    project.run("cancel", "--stack", "run-first", "--yes", code=0)
    assert len(project.embedded().live_volumes()) == 1, "data outlives a cancelled run"
    # What a run has made can be removed without its file.
    (project.root / "a.task.yaml").unlink()
    assert "neither PATH" in project.run("destroy", ".", "--stack", "run-first", code=64).err
    project.run("destroy", "--stack", "run-second", "--auto-approve", code=0)
    project.run("destroy", "--stack", "run-nothing", "--auto-approve", code=1)
    gone = project.run("destroy", "--stack", "run-first", "--auto-approve", code=0).out
    assert "task.first will" in gone and "volume.shared-data will be destroyed" in gone
    assert project.embedded().live_ids() == []
    assert project.run("state", "list", "--stack", "run-first", code=0).out == ""


def test_code_too_large_to_embed_is_copied(project: Project) -> None:
    (project.root / "noise").write_bytes(os.urandom(200_000))
    text = "instance_type: a100\nmax_price_per_hour: 3.0\ncommand: wc -c <noise\n"
    project.write(text, "code.task.yaml")
    assert project.run("run", "code.task.yaml", "--follow", "--name", "code", code=0).out == "200000\n"
    project.write(text + "upload_strategy: embedded\nname: small\n", "code.task.yaml")
    refused = project.run("run", "code.task.yaml", "--name", "small", code=1)
    assert "upload_strategy: auto or scp" in refused.err
    assert len(project.embedded().live_bids()) == 1


def test_code_for_a_task_that_runs_too_late_is_copied_later(project: Project) -> None:
    (project.root / "noise").write_bytes(os.urandom(30_000))
    task = "instance_type: a100, max_price_per_hour: 3.0, command: wc -c <noise, image: ''"
    project.write(f"stack: late\nprovider: {{region: us-central1-b}}\ntasks: {{only: {{{task}}}}}\n")
    project.run("sandbox", "clock", "freeze", code=0)
    process = project.start("apply", "--auto-approve")
    assert process.stdout is not None
    assert any("copying its code" in line for line in iter(process.stdout.readline, ""))
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 130 and "flowplan upload 'task.only'" in ended.err
    assert "has no task" not in project.run("upload", "task.only", "--timeout", "0.2", code=1).err
    project.run("sandbox", "clock", "resume", code=0)
    project.run("sandbox", "clock", "advance", "10m", code=0)
    assert project.run("upload", "task.only", code=0).out == "task.only: its code is on its instances\n"
    project.run("wait", "task.only", code=0)
    assert project.run("logs", "task.only", code=0).out == "30000\n"
    assert "It is completed." in project.run("upload", "task.only", code=1).err


def test_ctrl_c_while_following_leaves_it_running(project: Project) -> None:
    project.write(LONG, "train.task.yaml")
    process = project.start("run", "train.task.yaml", "--follow", "--name", "long")
    assert process.stdout is not None and process.stdout.readline().startswith("out")
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 130
    assert "task.long goes on. To end it: flowplan cancel 'task.long' --stack run-long" in ended.err
    assert runs(project) == {"run-long/task.long": "running"}
    project.run("cancel", "--stack", "run-long", "--yes", code=0)
    assert project.embedded().live_bids() == []


def test_cancelled_while_it_is_waited_for(project: Project) -> None:
    project.write(LONG, "train.task.yaml")
    process = project.start("run", "train.task.yaml", "--wait", "--name", "long")
    wait_until(lambda: "running" in runs(project).values(), "the run")
    project.run("cancel", "--stack", "run-long", "--yes", code=0)
    ended = finish(process)
    assert ended.code == 3 and "task.long: cancelled" in ended.err


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_is_killed_is_found_again(
    project: Project, served: Served, proxy: Proxy, file: Path, when: str
) -> None:
    # What never arrived is looked for as long as a new object may stay unseen; once is enough of that.
    for name in ("gone-on-with", "ended") if when == "after" else ("ended",):
        gate = proxy.gate("POST", "/v2/spot/bids", when)
        process = project.start("run", "train.task.yaml", "--name", name)
        reach(gate, process)
        process.kill()
        process.wait(PATIENCE_S)
        gate.open(drop=True)
    assert set(runs(project).values()) == {"interrupted"}
    assert "was interrupted" in project.run("logs", "--stack", "run-ended", code=1).err
    # -- cancel settles and ends it
    ended = project.run("cancel", "--stack", "run-ended", "--yes", code=0)
    if when == "before":
        assert ended.out == "task.ended: was never made\n" and served.live_bids() == []
        return
    assert ended.out.startswith(("task.ended: cancelled", "task.ended: had completed"))
    # -- the same name again goes on with it, and makes no second one
    project.run("run", "train.task.yaml", "--name", "gone-on-with", "--wait", code=0)
    (left,) = served.live_bids()
    assert left["name"].startswith("gone-on-with-")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("instance_type: a100\ncomand: x\n", ["bad.task.yaml:2:1", "command"]),
        ("instance_type: a100\nnum_instances: 0\nports: [70000]\n", ["bad.task.yaml:2:", "bad.task.yaml:3:"]),
        ("stack: x\ntasks: {}\n", ["this is a stack, not a task file", "flowplan apply"]),
        ("- a\n- b\n", ["is no task file"]),
        ("", ["is no task file"]),
        ("a: [\n", ["bad.task.yaml:"]),
        ("instance_type: a100\nvolumes: [{size_gb: 0}]\n", ["size_gb"]),
        ("instance_type: a100\nvolumes: 3\ndata_mounts: x\n", ["volumes", "data_mounts"]),
        ("instance_type: a100\ndata_mounts: [{source: 'volume://nope', target: /d}]\n", ["no volume 'nope'"]),
        ("instance_type: a100\nenv: 7\n", ["env"]),
    ],
)
def test_mistakes_in_the_file_are_shown_where_they_are(project: Project, text: str, words: list[str]) -> None:
    project.write(text, "bad.task.yaml")
    ended = project.run("run", "bad.task.yaml", code=1)
    assert all(word in ended.err for word in words), ended.err
    assert not (project.state / "flowplan.db").exists()


def test_options_that_cannot_be(project: Project, file: Path) -> None:
    project.run("run", "train.task.yaml", "--detach", "--wait", code=64)
    project.run("run", "train.task.yaml", "--follow", "--json", code=64)
    assert "cannot be the name of a run" in project.run("run", "train.task.yaml", "--name", "No!", code=1).err
    assert "has no value" in project.run("run", "train.task.yaml", "--env", "NOT_SET_HERE", code=1).err
    assert "no file" in project.run("run", "nope.yaml", code=1).err
