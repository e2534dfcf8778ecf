"""Every documented status, driven through on a served sandbox over a socket: real processes, reached over SSH."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from client_world import config, pause, with_sandbox

import flowplan
from flowplan import Flow, FlowConfig, TaskStatus, TaskTimeout
from flowplan.models import CommandFailed, Retries, Task, TaskEnded, TaskFailed
from flowplan.sandbox import Sandbox
from flowplan.values.diagnostic import FlowplanError

pytest.importorskip("asyncssh")
pytestmark = pytest.mark.process

PATIENCE_S = 60
"""How long anything may take before a test gives up; nothing is asserted about speed."""


class Far:
    """A served sandbox, a Flow to it from another folder, and the commands that steer it."""

    def __init__(self, home: Path, url: str, flow: Flow) -> None:
        self.home, self.url, self.flow = home, url, flow

    def steer(self, *arguments: str) -> None:
        """A command such as ``flowplan sandbox clock freeze``."""
        argv = [sys.executable, "-m", "flowplan", "sandbox", *arguments, "--home", str(self.home)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def get(self, path: str) -> Any:
        """A document of its API."""
        key = (self.home / "api-key").read_text().strip()
        asked = Request(f"{self.url}{path}", headers={"authorization": f"Bearer {key}"})
        with urlopen(asked, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def pause(self, task: Task, paused: bool = True) -> None:
        with_sandbox(self.home, lambda sandbox: pause(sandbox, task.task_id, paused))


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = tmp_path_factory.mktemp("far")
    home = folder / "sandbox"
    argv = [sys.executable, "-m", "flowplan", "sandbox", "serve", "--port", "0", "--home", str(home)]
    before = Path.cwd()
    os.chdir(folder)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = server.stdout.readline().split()[-1]
            key = (home / "api-key").read_text().strip()
            settings = FlowConfig(api_key=key, project="Sandbox", api_url=url)
            environ = {"MITHRIL_SSH_KEY": str(home / "ssh" / "id_ed25519"), "HOME": str(folder)}
            with flowplan.connect(settings, environ=environ) as flow:
                yield Far(home, url, flow)
        finally:
            os.chdir(before)
            server.terminate()
            server.wait(10)
    with_sandbox(home, Sandbox.reset)


def until(task: Task, holds: Callable[[Task], Any]) -> Task:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        task.refresh()
        if holds(task):
            return task
        assert time.monotonic() < deadline, (task.status, task.message, task.provider_metadata)
        time.sleep(0.05)


def until_is(task: Task, status: TaskStatus) -> Task:
    return until(task, lambda one: one.status is status)


LOOP = """\
echo "attempt $FLOW_ATTEMPT on node $FLOW_NODE_RANK"
while [ ! -e /tmp/go ]; do sleep 0.05; done
echo '{"success": true, "result": {"loss": 0.5}}' >/tmp/flow_result.json
echo done
"""


def test_a_task_through_every_status(far: Far, capfd: pytest.CaptureFixture[str]) -> None:
    far.steer("clock", "freeze")
    task = far.flow.run(config(LOOP, name="life", num_instances=2))
    assert (task.status, task.started_at, task.outcome) == (TaskStatus.PENDING, None, None)
    with pytest.raises(flowplan.TaskError, match="has no address for SSH yet"):
        task.shell("true")

    # -- pending -> running
    far.steer("clock", "resume")
    far.steer("clock", "advance", "10m")
    until_is(task, TaskStatus.RUNNING)
    assert task.started_at is not None and task.started_at >= task.created_at and len(task.instances) == 2
    lines = iter(task.logs(follow=True))
    assert next(lines) == "attempt 1 on node 0", "followed while it writes"
    task.shell("echo hi", node=1)
    assert capfd.readouterr().out == "hi\n"
    task.shell("tail -n 1 /var/log/flow/stdout.log", node=1)
    assert capfd.readouterr().out == "attempt 1 on node 1\n"
    with pytest.raises(CommandFailed) as failed:
        task.shell("exit 5", node=1)
    assert failed.value.exit_code == 5
    with pytest.raises(ValueError, match="has no node 2; it has 2, from 0"):
        task.shell("true", node=2)
    with pytest.raises(TaskTimeout, match=r"is running after 0\.1 seconds; it goes on"):
        task.wait(timeout=0.1)  # type: ignore[arg-type]
    assert task.status is TaskStatus.RUNNING

    # -- running -> paused -> running
    far.pause(task)
    until_is(task, TaskStatus.PAUSED)
    with pytest.raises(flowplan.TaskError, match="is paused, so its instances are off"):
        task.shell("true")
    started = task.started_at
    far.pause(task, False)
    far.steer("clock", "advance", "10m")
    until_is(task, TaskStatus.RUNNING)
    assert next(lines) == "attempt 2 on node 0", "it goes on by itself"
    assert task.started_at == started

    # -- running -> preempting -> running
    far.steer("market", "storm")
    until_is(task, TaskStatus.PREEMPTING)
    far.steer("clock", "advance", "6m")
    until(task, lambda one: one.outcome == "preempted")
    assert task.status is TaskStatus.PENDING and "goes on by itself" in str(task.message)
    far.steer("clock", "advance", "30m")
    until_is(task, TaskStatus.RUNNING)
    assert next(lines) == "attempt 3 on node 0"

    # -- running -> completed
    with pytest.raises(flowplan.TaskError, match="it has a result once it has ended"):
        task.result()
    for node in (0, 1):
        task.shell("touch /tmp/go", node=node)
    assert list(lines) == ["done"]
    assert task.wait(timeout=PATIENCE_S) is TaskStatus.COMPLETED
    assert (task.outcome, task.exit_code, task.result()) == ("completed", 0, {"loss": 0.5})
    assert task.provider_metadata["completion"]["attempt"] == 3
    assert task.completed_at is not None and task.completed_at >= started
    assert task.logs(tail=1) == "done\n"
    task.stop()
    assert task.status is TaskStatus.COMPLETED, "what has completed stays so"


def test_a_task_that_fails_after_its_retries(far: Far) -> None:
    retries = Retries(max_retries=2, initial_delay=0.3, backoff_coefficient=3.0)
    task = far.flow.run(config("date +%s.%N; exit 3", name="bad", retries=retries))
    assert task.wait(timeout=PATIENCE_S) is TaskStatus.FAILED
    assert (task.outcome, task.exit_code) == ("failed", 3)
    assert task.provider_metadata["completion"]["attempt"] == 3 and "exit code 3" in str(task.message)
    times = [float(line) for line in str(task.logs()).split()]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(pauses) == 2 and all(
        pause >= retries.get_delay(n) for n, pause in enumerate(pauses, start=1)
    ), pauses
    with pytest.raises(TaskFailed, match="exit code 3") as error:
        task.result()
    assert error.value.exit_code == 3


def test_cancelled_and_lost_are_told_apart(far: Far) -> None:
    cancelled = far.flow.run(config("sleep 600", name="unwanted"))
    lost = far.flow.run(config("sleep 600", name="unlucky"))
    for task in (cancelled, lost):
        until_is(task, TaskStatus.RUNNING)
    cancelled.cancel()
    assert (cancelled.status, cancelled.outcome, cancelled.exit_code) == (
        TaskStatus.CANCELLED,
        "cancelled",
        None,
    )
    with pytest.raises(TaskEnded, match="was cancelled before its command had ended, so it has no result"):
        cancelled.result()
    with pytest.raises(TaskEnded, match=r"is over \(cancelled\) and its instances are gone"):
        cancelled.shell("true")
    far.steer("fault", "add", "vanish", "object=bid", f"name={lost.task_id}")
    assert lost.wait(timeout=PATIENCE_S) is TaskStatus.CANCELLED
    assert lost.outcome == "lost" and "no one is known to have cancelled it" in str(lost.message)
    with pytest.raises(TaskEnded, match="was lost before"):
        lost.result()


def task_keys(far: Far) -> list[dict[str, Any]]:
    return [key for key in far.get("/v2/api-keys") if key["name"].startswith("flow-task-")]


def test_a_task_ends_itself_and_leaves_its_record(far: Far) -> None:
    """Nobody watches: how it ended is known all the same, and the key that ended it is good for nothing any more."""
    tasks = {
        code: far.flow.run(
            config(f"exit {code}", name=f"self-{code}", terminate_on_exit=True, num_instances=1 + (code == 0))
        )
        for code in (0, 4)
    }
    for task in tasks.values():
        until(task, lambda one: one.provider_metadata["bid_status"] == "Terminated")
    far.steer("clock", "advance", "120d")  # keys expire by the provider's clock, whatever ours says
    limited = far.flow.run(config("sleep 600", name="limited", max_run_time_hours=1.2 / 3600))
    until(limited, lambda one: one.provider_metadata["bid_status"] == "Terminated")
    for code, task in tasks.items():
        assert (task.outcome, task.exit_code) == ("completed" if code == 0 else "failed", code), task.message
    assert (limited.status, limited.exit_code) == (TaskStatus.FAILED, 124)
    assert limited.provider_metadata["completion"]["timed_out"] is True
    deadline = time.monotonic() + PATIENCE_S  # what ended a task revokes its key next
    while any(key["deactivated_at"] is None for key in task_keys(far)):
        assert time.monotonic() < deadline, task_keys(far)
        time.sleep(0.05)
    assert len(task_keys(far)) == 3


def test_code_of_any_size_is_copied_over_ssh(far: Far, tmp_path: Path) -> None:
    (tmp_path / "main.sh").write_text("wc -c <noise; echo node $FLOW_NODE_RANK\n")
    (tmp_path / "noise").write_bytes(os.urandom(3_000_000))
    task = far.flow.run(
        config("sh main.sh", name="coded", upload_code=True, code_root=str(tmp_path), num_instances=2)
    )
    assert task.wait(timeout=PATIENCE_S) is TaskStatus.COMPLETED, task.logs(source="both")
    for node in (0, 1):
        text = far.flow._background.call(  # type: ignore[attr-defined]
            far.flow._session.access.log(task.task_id, node, "stdout", 0)  # type: ignore[attr-defined]
        )
        assert text[0].decode() == f"3000000\nnode {node}\n"


def test_code_for_a_task_that_never_runs_is_given_up_with_a_warning(far: Far, tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(os.urandom(20_000))
    settings = FlowConfig(
        api_key=(far.home / "api-key").read_text().strip(), project="Sandbox", api_url=far.url
    )
    environ = {"MITHRIL_SSH_KEY": str(far.home / "ssh" / "id_ed25519"), "HOME": str(tmp_path)}
    flow = flowplan.connect(settings, environ=environ)
    huge = config("true", name="late", upload_code=True, code_root=str(tmp_path), num_instances=17)
    late = flow.run(huge)
    assert late.status is TaskStatus.PENDING
    with pytest.warns(RuntimeWarning, match="waits for capacity"):
        flow.close()
    far.flow.get_task(late.task_id).stop()


def test_a_dry_run_reads_and_spends_nothing(far: Far) -> None:
    before = far.flow.list_tasks().total
    request = flowplan.SubmitTaskRequest(
        config=config("true", name="dry", terminate_on_exit=True), dry_run=True
    )
    answer = far.flow.submit(request)
    assert answer.task_id == "" and "It would submit dry-" in str(answer.message)
    wrong = flowplan.SubmitTaskRequest(config=config("true", instance_type="h900"), dry_run=True)
    with pytest.raises(FlowplanError, match="h900"):
        far.flow.submit(wrong)
    assert far.flow.list_tasks().total == before
