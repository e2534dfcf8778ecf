"""Task handles in every state a task can be in, over an embedded sandbox that runs the commands."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from client_world import config, pause, with_sandbox

from flowplan import (
    Flow,
    FlowplanError,
    InstanceStatus,
    ListTasksRequest,
    SubmitTaskRequest,
    Task,
    TaskConfig,
    TaskError,
    TaskFailed,
    TaskStatus,
    TaskTimeout,
    UnattachedTask,
)

pytestmark = pytest.mark.process


def until(task: Task, status: TaskStatus) -> Task:
    """The task once it has the status; a terminal one that is another is a failure."""
    for _ in range(600):
        task.refresh()
        if task.status is status:
            return task
        assert not task.is_terminal, task.message
        threading.Event().wait(0.05)
    raise AssertionError(f"{task.name} is still {task.status}: {task.message}")


@pytest.fixture(scope="module")
def completed(flow: Flow) -> Task:
    result = json.dumps({"success": True, "result": {"loss": 0.25}})
    script = f"echo one; echo two; echo oh >&2; echo '{result}' > /tmp/flow_result.json"
    return flow.run(config(script, name="good"), wait=True)


@pytest.fixture(scope="module")
def failed(flow: Flow) -> Task:
    document = json.dumps(
        {"success": False, "error": "no data", "error_type": "IOError", "traceback": "a\nb"}
    )
    return flow.run(config(f"echo '{document}' > /tmp/flow_result.json; exit 3", name="bad"), wait=True)


@pytest.fixture(scope="module")
def running(flow: Flow) -> Task:
    return until(flow.run(config("echo up; sleep 300", name="long", ports=[8080])), TaskStatus.RUNNING)


def test_a_completed_task(flow: Flow, completed: Task) -> None:
    assert completed.status is TaskStatus.COMPLETED
    assert completed.provider_metadata["bid_status"] == "Allocated"
    assert completed.provider_metadata["completion"]["exit_code"] == 0
    assert completed.started_at and completed.completed_at and completed.started_at <= completed.completed_at
    assert completed.result() == {"loss": 0.25}
    assert completed.logs() == "one\ntwo\n"
    assert completed.logs(tail=1) == "two\n"
    assert completed.logs(tail=0) == ""
    assert completed.logs(stderr=True) == "oh\n" == completed.logs(stream="stderr")
    both = completed.logs(source="both")
    assert isinstance(both, str) and sorted(both.splitlines()) == ["oh", "one", "two"]
    assert sorted(str(completed.logs(source="startup")).splitlines()) == ["oh", "one", "two"]
    assert list(completed.logs(follow=True)) == ["one", "two"]
    assert completed.wait() is TaskStatus.COMPLETED
    assert flow.get_task(completed.task_id).status is TaskStatus.COMPLETED


def test_stopping_a_completed_task_ends_its_instances_and_leaves_it_completed(flow: Flow) -> None:
    task = flow.run(config("true", name="brief"), wait=True)
    task.stop()
    assert task.status is TaskStatus.COMPLETED
    assert task.provider_metadata["bid_status"] == "Terminated"
    assert [one.status for one in task.get_instances()] == [InstanceStatus.TERMINATED]
    assert task.get_instances()[0].terminated_at is not None


def test_a_task_that_wants_it_is_ended_once_it_has_completed(flow: Flow) -> None:
    task = flow.run(config("true", name="brief", terminate_on_exit=True), wait=True)
    assert (task.status, task.provider_metadata["bid_status"]) == (TaskStatus.COMPLETED, "Terminated")


def test_a_failed_task(failed: Task) -> None:
    assert failed.status is TaskStatus.FAILED
    assert failed.message is not None and "exit code 3" in failed.message
    assert failed.wait() is TaskStatus.FAILED
    with pytest.raises(TaskFailed, match="IOError: no data") as caught:
        failed.result()
    assert caught.value.traceback == ("a", "b")


def test_a_task_without_a_result(flow: Flow) -> None:
    with pytest.raises(TaskError, match="left no result"):
        flow.run(config("true", name="silent"), wait=True).result()
    broken = flow.run(config("echo '[' > /tmp/flow_result.json", name="broken"), wait=True)
    with pytest.raises(TaskError, match="not valid JSON"):
        broken.result()


def test_a_running_task(flow: Flow, running: Task) -> None:
    assert running.is_running and running.started_at is not None and running.completed_at is None
    assert running.instance_status == "STATUS_RUNNING"
    assert running.cost_per_hour == "$0.50" and running.total_cost == "$0.00"
    assert running.endpoints == {"8080": "http://localhost:8080"}
    assert running.config is not None and running.config.ports == [8080]
    (instance,) = running.get_instances()
    assert (instance.status, instance.instance_id) == (InstanceStatus.RUNNING, running.instances[0])
    user = running.get_user()
    assert user is not None and user.user_id == running.created_by == flow.user().user_id
    assert running.get_user() is user
    with pytest.raises(TaskError, match="once it has ended"):
        running.result()
    with pytest.raises(TaskTimeout):
        running.wait(timeout=0.2)
    assert running.is_running


def test_shells(
    running: Task, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    running.shell("echo hello; echo oh >&2", record=True)
    captured = capfd.readouterr()
    assert captured.out == "hello\n" and captured.err.startswith("oh\n")
    (transcript,) = tmp_path.iterdir()
    assert transcript.name in captured.err
    assert transcript.read_text() == "$ echo hello; echo oh >&2\nhello\noh\n"
    with pytest.raises(TaskError, match="exit code 5"):
        running.shell("exit 5", node=0)
    with pytest.raises(ValueError, match="no node 1"):
        running.shell("true", node=1)


def test_a_shell_for_a_person_can_be_recorded(
    running: Task, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    access = running._provider._session.access  # type: ignore[union-attr]
    enter = access.shell_argv

    async def scripted(task_id: str, node: int, command: str | None) -> list[str]:
        return await enter(task_id, node, "tty >/dev/null && echo at a terminal; exit 3")

    monkeypatch.setattr(access, "shell_argv", scripted)
    running.shell(record=True)
    captured = capfd.readouterr()
    (transcript,) = tmp_path.iterdir()
    assert "at a terminal" in captured.out and "at a terminal" in transcript.read_text()
    assert transcript.name in captured.err


def test_output_is_followed_while_it_is_written(flow: Flow) -> None:
    task = flow.run(
        config("echo first; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo second", name="slow")
    )
    lines = task.logs(follow=True)
    assert not isinstance(lines, str)
    assert next(lines) == "first"
    task.refresh()
    task.shell("touch /tmp/go")
    assert list(lines) == ["second"]
    assert task.wait() is TaskStatus.COMPLETED


def test_a_paused_task_and_one_that_is_stopped(flow: Flow, home: Path) -> None:
    task = until(flow.run(config("echo up; sleep 300", name="doomed")), TaskStatus.RUNNING)
    assert next(iter(task.logs(follow=True))) == "up"
    with_sandbox(home, lambda sandbox: pause(sandbox, task.task_id))
    task.refresh()
    assert task.status is TaskStatus.PAUSED and not task.is_terminal
    assert [one.status for one in task.get_instances()] == [InstanceStatus.STOPPED]
    with pytest.raises(TaskError):
        task.shell("true")
    task.cancel()
    assert task.status is TaskStatus.CANCELLED and task.completed_at is not None
    assert task.wait() is TaskStatus.CANCELLED
    task.stop()
    assert task.status is TaskStatus.CANCELLED
    assert task.logs() == "up\n"


def test_a_pending_task(flow: Flow) -> None:
    task = flow.run(config("true", name="huge", num_instances=17))
    assert (task.status, task.instances, task.total_cost) == (TaskStatus.PENDING, [], "$0.00")
    assert task.cost_per_hour == "$3.00", "its limit, as long as it runs nowhere"
    assert task.get_instances() == []
    with pytest.raises(TaskError, match="no instance yet"):
        task.logs()
    with pytest.raises(TaskError, match="no address"):
        task.shell("true")
    with pytest.raises(TaskTimeout):
        task.wait(timeout=0.1)
    heard: list[str] = []
    follower = threading.Thread(target=lambda: heard.append(_follow(task)))
    follower.start()
    task.stop()
    follower.join(20)
    assert heard == ["task " + task.name + " was cancelled before it ran, so it has no logs"]
    with pytest.raises(ValueError, match="no log 'nonsense'"):
        task.logs(stream="nonsense")


def _follow(task: Task) -> str:
    try:
        return "\n".join(task.logs(follow=True))
    except TaskError as error:
        return str(error)


def test_nodes_are_in_order_and_each_can_be_entered(flow: Flow, capfd: pytest.CaptureFixture[str]) -> None:
    task = until(flow.run(config("sleep 300", name="pair", num_instances=2)), TaskStatus.RUNNING)
    assert [one.instance_id for one in task.get_instances()] == task.instances
    task.shell("echo node", node=1)
    assert capfd.readouterr().out == "node\n"
    with pytest.raises(ValueError, match="no node 2"):
        task.shell("true", node=2)


def test_one_configuration_submitted_twice_makes_two_tasks_with_two_names(flow: Flow) -> None:
    twice = config("sleep 300", name="twin", num_instances=17)
    one, two = flow.run(twice), flow.run(twice)
    assert one.name != two.name and one.task_id != two.task_id
    assert two.config is not None and two.config.name == two.name
    for task in (one, two):
        task.stop()


def test_a_task_file_runs(flow: Flow, tmp_path: Path) -> None:
    path = tmp_path / "task.yaml"
    config("true", name="filed").to_yaml(path)
    assert flow.run(path, wait=True).status is TaskStatus.COMPLETED
    with pytest.raises(FlowplanError, match="cannot be read"):
        flow.run(tmp_path / "none.yaml")


def test_code_travels_to_the_task(flow: Flow, tmp_path: Path) -> None:
    (tmp_path / "main.sh").write_text("echo from the code\n")
    task = flow.run(config("sh main.sh", name="coded", upload_code=True, code_root=tmp_path), wait=True)
    assert task.logs() == "from the code\n"


def test_listed_tasks_say_the_same_as_single_ones(
    flow: Flow, completed: Task, failed: Task, running: Task
) -> None:
    listed = {task.task_id: task for task in flow.list_tasks().tasks}
    for task in (completed, failed, running):
        assert listed[task.task_id].status is task.status
    for status, task in (
        (TaskStatus.COMPLETED, completed),
        (TaskStatus.FAILED, failed),
        (TaskStatus.RUNNING, running),
    ):
        found = flow.list_tasks(ListTasksRequest(status=status))
        assert task.task_id in {one.task_id for one in found.tasks}
        assert {one.status for one in found.tasks} == {status} and found.total == len(found.tasks)


def test_a_submission_that_waits(flow: Flow) -> None:
    answer = flow.submit(SubmitTaskRequest(config=config("exit 3", name="waited"), wait=True))
    assert (
        answer.status is TaskStatus.FAILED and answer.message is not None and "exit code 3" in answer.message
    )


def test_an_unknown_task_and_an_unattached_one(flow: Flow, completed: Task) -> None:
    with pytest.raises(FlowplanError, match="no task 'bid_none'"):
        flow.get_task("bid_none")
    with pytest.raises(UnattachedTask):
        Task(**{name: getattr(completed, name) for name in ("task_id", "name", "status", "created_at")},
             instance_type="a100", num_instances=1, region="r", cost_per_hour="$1.00").refresh()  # fmt: skip


def test_a_volume_is_made_for_a_task_and_found_again(flow: Flow) -> None:
    mounted = config(
        "echo kept > /data/file",
        name="writer",
        volumes=[{"name": "shelf", "interface": "file", "mount_path": "/data"}],
    )
    assert flow.run(mounted, wait=True).status is TaskStatus.COMPLETED
    (volume,) = [one for one in flow.volumes() if one.name == "shelf"]
    again: TaskConfig = config(
        "cat /data/file", name="reader", volumes=[{"name": "shelf", "mount_path": "/data"}]
    )
    task = flow.run(again, wait=True)
    assert task.provider_metadata["volumes"] == [volume.volume_id]
    assert task.logs() == "kept\n"
