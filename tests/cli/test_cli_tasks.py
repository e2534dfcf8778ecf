"""Recorded tasks by address: how they stand, what they wrote, waiting for them, entering them, ending them."""

from __future__ import annotations

import json
import os
import pty
import signal
from contextlib import suppress
from pathlib import Path

import jsonschema_rs
import pytest
from flowplan_program import Project, Proxy, Served, finish, reach
from in_process import closed

from flowplan.report.task_schema import tasks_schema

TASKS = jsonschema_rs.validator_for(closed(tasks_schema()))
pytestmark = pytest.mark.process
IN_PROCESS = True

_TASK = "{instance_type: a100, max_price_per_hour: 3.0, upload_code: false, "
STACK = f"""\
stack: many
provider: {{region: us-central1-b}}
tasks:
  train:
    for_each: "{{{{ ['base', 'large'] }}}}"
    instance_type: a100
    max_price_per_hour: 3.0
    upload_code: false
    command: "echo {{{{ each.key }}}}; echo wrong >&2; sleep 600"
  pair: {_TASK} num_instances: 2, command: "echo node $FLOW_NODE_RANK; sleep 600"}}
  good: {_TASK} command: "echo one; echo two; echo three"}}
  bad: {_TASK} command: exit 3}}
"""
ONE = f"stack: one\nprovider: {{region: us-central1-b}}\ntasks:\n  only: {_TASK} command: sleep 600}}\n"


@pytest.fixture(params=["embedded", "served"])
def many(request: pytest.FixtureRequest, project: Project) -> Project:
    """The stack of many tasks, applied and gone as far as it goes."""
    if request.param == "served":
        pytest.importorskip("asyncssh")
        served: Served = request.getfixturevalue("served")
        project.env["MITHRIL_SSH_KEY"] = str(served.home / "ssh" / "id_ed25519")
    project.write(STACK)
    project.apply()
    project.run("wait", "task.train", "task.pair", "--for", "running", "--timeout", "60", code=0)
    return project


def standings(project: Project, *arguments: str) -> dict[str, str]:
    document = project.run("status", "--json", *arguments, code=0).json()
    assert TASKS.is_valid(document)
    tasks = document["tasks"]
    return {task["address"]: task["status"] for task in tasks}


def test_the_whole_life_of_tasks_by_address(many: Project) -> None:
    ended = many.run("wait", "task.good", "task.bad", "--json", code=1).json()
    assert TASKS.is_valid(ended)
    assert ended["condition"] == "completed"
    assert {(t["address"], t["outcome"], t["exit_code"]) for t in ended["tasks"]} == {
        ("task.good", "reached", 0),
        ("task.bad", "failed", 3),
    }
    table = many.run("status", code=0).out.splitlines()
    assert table[0].split()[:6] == ["ADDRESS", "STATUS", "TYPE", "NODES", "PRICE", "COST"]
    assert [line.split()[0] for line in table[1:]] == [
        "task.bad",
        "task.good",
        "task.pair",
        'task.train["base"]',
        'task.train["large"]',
    ]
    assert "failed (3)" in table[1] and not any(line.endswith(" ") for line in table)
    (row,) = many.run("status", "task.pair", "--json", code=0).json()["tasks"]
    assert (row["stack"], row["num_instances"], row["status"]) == ("many", 2, "running")
    assert (
        row["id"].startswith("bid_")
        and row["cost_per_hour"].startswith("$")
        and row["created_at"].endswith("Z")
    )
    # -- logs
    both = sorted(many.run("logs", "task.train", code=0).out.splitlines())
    assert both == ['task.train["base"] | base', 'task.train["large"] | large']
    assert many.run("logs", "task.train[base]", code=0).out == "base\n", "the shell takes the quotes away"
    assert "wrong\n" in many.run("logs", "task.train['large']", "--stderr", code=0).out
    assert many.run("logs", "task.pair", "--node", "1", code=0).out == "node 1\n"
    assert "has no node 2" in many.run("logs", "task.pair", "--node", "2", code=1).err
    assert many.run("logs", "task.good", "--tail", "2", code=0).out == "two\nthree\n"
    assert many.run("logs", "-f", "task.good", "--tail", "1", code=0).out == "three\n"
    (line,) = many.run("logs", "task.good", "--json", "--tail", "1", code=0).out.splitlines()
    assert TASKS.is_valid(json.loads(line))
    assert json.loads(line) == {
        "stack": "many",
        "address": "task.good",
        "node": 0,
        "stream": "stdout",
        "text": "three",
    }
    # -- shell
    inside = many.run("shell", "task.pair", "--node", "1", "--", "echo out; echo err >&2; exit 5", code=5)
    assert inside.out == "out\n" and inside.err == "err\n"
    assert many.run("shell", "task.pair", "--", "echo", "a  b", "$HOME", code=0).out == "a  b $HOME\n"
    recorded = many.run("shell", "task.pair", "--record", "--", "echo kept", code=0)
    (transcript,) = many.root.glob("flow-shell-pair-*.log")
    assert "kept" in transcript.read_text() and transcript.name in recorded.err
    both = many.run("shell", "task.train", "--", "hostname -s >&2; echo $FLOW_NOTHING in; exit 6", code=6)
    assert sorted(both.out.splitlines()) == ['task.train["base"] | in', 'task.train["large"] | in']
    assert all(f'task.train["{key}"] | train-{key}-' in both.err for key in ("base", "large"))
    assert "works on one task, and 2" in many.run("shell", "task.train", code=1).err
    gave = many.run("shell", "task.t*", "--json", "--", "echo", "a  b", code=0).json()
    assert TASKS.is_valid(gave) and [
        (r["address"], r["exit_code"], r["stdout"]) for r in gave["results"]
    ] == [
        ('task.train["base"]', 0, "a  b\n"),
        ('task.train["large"]', 0, "a  b\n"),
    ]
    many.run("shell", "task.train", "--json", code=64)
    assert "has no node 7" in many.run("shell", "task.pair", "--node", "7", code=1).err
    # -- waiting that does not come to its end
    late = many.run("wait", "task.pair", "--timeout", "0.2", code=124)
    assert "task.pair: running" in late.out and "goes on" in late.err
    # -- cancelling
    assert "no terminal to ask on" in many.run("cancel", "task.pair", code=1).err
    assert many.run("cancel", "task.pair", "--yes", code=0).out == "task.pair: cancelled\n"
    assert many.run("cancel", "task.pair", "--yes", code=0).out == "task.pair: already cancelled\n"
    assert (
        many.run("cancel", "task.good", "-y", code=0).out
        == "task.good: had completed; its instances are ended\n"
    )
    document = many.run("cancel", "task.t*", "--auto-approve", "--json", code=0).json()
    done = document["tasks"]
    assert TASKS.is_valid(document)
    assert {task["outcome"] for task in done} == {"cancelled"} and len(done) == 2
    assert standings(many) == {
        "task.bad": "failed",
        "task.good": "completed",
        "task.pair": "cancelled",
        'task.train["base"]': "cancelled",
        'task.train["large"]': "cancelled",
    }
    assert list(standings(many, "--live")) == []
    assert many.run("wait", "task.pair", "--for", "running", code=3).out == "task.pair: cancelled\n"
    assert "is cancelled" in many.run("shell", "task.pair", "--", "true", code=1).err
    # -- what is cancelled is neither lost nor made again, until its declaration says something else
    assert "No changes." in many.run("plan", "--detailed-exitcode", "--refresh=false", code=0).out
    (many.root / "stack.yaml").write_text(STACK.replace("echo node $FLOW_NODE_RANK", "echo again"))
    assert "task.pair will be created" in many.run("plan", code=0).out
    many.run("destroy", "--auto-approve", code=0)
    assert standings(many) == {}


def test_a_task_that_vanished_is_lost_and_not_cancelled(project: Project, served: Served) -> None:
    project.write(ONE)
    project.apply()
    (bid,) = served.live_bids()
    _delete(served, bid["fid"])
    assert standings(project) == {"task.only": "lost"}
    assert project.run("wait", "task.only", code=3).out == "task.only: lost\n"
    assert "task.only will be created" in project.run("plan", code=0).out
    assert project.run("cancel", "task.only", "--yes", code=0).out == "task.only: cancelled\n"
    assert standings(project) == {"task.only": "cancelled"}
    assert "No changes." in project.run("plan", code=0).out, "nobody wants it any more"


def _delete(served: Served, fid: str) -> None:
    from urllib.request import Request, urlopen

    headers = {"Authorization": f"Bearer {served.key}"}
    request = Request(f"{served.url}/v2/spot/bids/{fid}", headers=headers, method="DELETE")
    with urlopen(request, timeout=30):
        pass


def test_killed_in_the_midst_of_a_cancellation(project: Project, served: Served, proxy: Proxy) -> None:
    project.write(ONE)
    project.apply()
    (bid,) = served.live_bids()
    for when in ("before", "after"):
        gate = proxy.gate("DELETE", f"/v2/spot/bids/{bid['fid']}", when)
        process = project.start("cancel", "task.only", "--yes")
        reach(gate, process)
        process.kill()
        process.wait(30)
        gate.open(drop=True)
        assert "interrupted delete" in project.run("plan", code=0).out
    again = project.run("cancel", "task.only", "--yes", code=0)
    assert again.out == "task.only: already cancelled\n" and "interrupted delete: finished" in again.err
    assert served.live_bids() == [] and standings(project) == {"task.only": "cancelled"}
    assert "No changes." in project.run("plan", code=0).out


def test_cancelling_needs_the_lock(project: Project, served: Served, proxy: Proxy) -> None:
    project.write(ONE)
    project.apply()
    (bid,) = served.live_bids()
    gate = proxy.gate("DELETE", f"/v2/spot/bids/{bid['fid']}", "after")
    first = project.start("cancel", "task.only", "--yes")
    reach(gate, first)
    assert "is locked" in project.run("cancel", "task.only", "--yes", code=7).err
    gate.open()
    assert finish(first).code == 0


def test_an_interrupt_ends_following_at_once(project: Project) -> None:
    project.write(ONE.replace("sleep 600", "echo up; sleep 600"))
    project.apply()
    process = project.start("logs", "-f", "task.only")
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    waiting = project.start("wait", "task.only")
    assert waiting.stdout is not None and any("running" in line for line in iter(waiting.stdout.readline, ""))
    waiting.send_signal(signal.SIGINT)
    assert finish(waiting).code == 130


def test_a_reader_that_goes_away_ends_following(project: Project) -> None:
    project.write(ONE.replace("sleep 600", "while echo more; do sleep 0.05; done"))
    project.apply()
    process = project.start("logs", "-f", "task.only")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    assert finish(process).code == 141


def test_a_person_is_asked_before_anything_is_cancelled(project: Project) -> None:
    project.write(ONE)
    project.apply()
    assert _typed(project, "no\n", "cancel", "task.only") == 1
    assert standings(project)["task.only"] in ("pending", "running")
    assert _typed(project, "yes\n", "cancel", "task.only") == 0
    assert standings(project) == {"task.only": "cancelled"}


def test_a_shell_in_a_terminal(project: Project) -> None:
    project.write(ONE)
    project.apply()
    project.run("wait", "task.only", "--for", "running", code=0)
    assert _typed(project, "exit 9\n", "shell", "task.only") == 9


def _typed(project: Project, text: str, *arguments: str) -> int:
    """The exit code of a command in a terminal of its own where someone types ``text``."""
    ours, theirs = pty.openpty()
    try:
        process = project.start(
            *arguments, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        os.write(ours, text.encode())
        with suppress(OSError):
            while os.read(ours, 4096):
                pass
        return process.wait(30)
    finally:
        os.close(ours)


# -- addresses


@pytest.fixture
def two_stacks(project: Project) -> Project:
    """Two applied stacks with a task of the same name each."""
    project.write(ONE, "a/stack.yaml")
    project.write(ONE.replace("stack: one", "stack: other"), "b/stack.yaml")
    project.apply("a")
    project.apply("b")
    return project


def test_an_address_in_two_stacks(two_stacks: Project) -> None:
    wrong = two_stacks.run("logs", "task.only", code=1)
    assert (
        "is in more than one stack" in wrong.err
        and "They are one, other." in wrong.err
        and "--stack" in wrong.err
    )
    assert two_stacks.run("cancel", "task.only", "--stack", "other", "--yes", code=0)
    rows = two_stacks.run("status", "--json", code=0).json()["tasks"]
    assert [(row["stack"], row["status"] == "cancelled") for row in rows] == [("one", False), ("other", True)]
    assert "STACK" in two_stacks.run("status", code=0).out.splitlines()[0]
    near = two_stacks.run("cancel", "task.only", "--yes", cwd=two_stacks.root / "a", code=0)
    assert near.out == "task.only: cancelled\n", "the one that lies here"
    assert "not know" not in near.err


NO_TASKS = {
    "task.onli": "Did you mean 'task.only'?",
    "hello!": "'hello!' is not an address",
    "volume.only": "is not a task",
    "task.x*": "is not in the state of stack one",
    "module.net": "is not in the state of stack one",
    'task.only["x"]': "is not in the state of stack one",
}


def test_what_is_no_recorded_task(project: Project) -> None:
    project.write(ONE)
    project.apply()
    for command, (address, words) in zip(
        ["logs", "wait", "status", "shell", "cancel", "logs"], NO_TASKS.items(), strict=True
    ):
        assert words in project.run(command, address, code=1).err


def test_without_any_state(project: Project) -> None:
    assert project.run("status", code=0).out == "No task is recorded here.\n"
    assert project.run("status", "--json", code=0).json()["tasks"] == []
    for command in (
        ["logs", "task.x"],
        ["wait", "task.x"],
        ["shell", "task.x"],
        ["cancel", "task.x", "--yes"],
    ):
        assert "Nothing is recorded" in project.run(*command, code=1).err
    assert "No stack 'nope'" in project.run("status", "--stack", "nope", code=1).err
    for command in ("cancel", "logs", "wait", "shell"):
        assert "ADDRESS" in project.run(command, code=64).err
    assert not project.state.exists()


# -- without the stack's file, wherever the provider is


def test_a_served_sandbox_elsewhere_is_found_without_the_stack(
    project: Project, served: Served, tmp_path: Path
) -> None:
    pytest.importorskip("asyncssh")
    project.env["MITHRIL_SSH_KEY"] = str(served.home / "ssh" / "id_ed25519")
    stack = project.write(ONE.replace("sleep 600", "echo far; sleep 600"))
    project.apply()
    stack.unlink()
    assert project.run("logs", "task.only", code=0).out == "far\n"
    assert standings(project) == {"task.only": "running"}
    # An embedded sandbox beside it is not taken for it, and a server that is gone is named.
    project.write("stack: here\n" + ONE.partition("\n")[2], "here/stack.yaml")
    without = {n: v for n, v in project.env.items() if n not in ("FLOWPLAN_SANDBOX_URL", "MITHRIL_API_KEY")}
    kept, project.env = project.env, without
    project.apply("here")
    wrong = project.run("status", "--stack", "one", code=1)
    assert "task.only" in wrong.out and "unknown" in wrong.out and wrong.err
    project.env = kept
    assert project.run("status", code=0).out.count("running") + project.run("status", code=0).out.count(
        "pending"
    )


def test_each_command_prints_its_help(project: Project) -> None:
    for command in ("run", "status", "logs", "shell", "wait", "cancel"):
        assert "Usage:" in project.run(command, "--help", code=0).out
