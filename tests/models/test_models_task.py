"""A task as data, and as a handle on a provider."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest

from flowplan.models import Task, TaskError, TaskFailed, TaskStatus, TaskTimeout, UnattachedTask, User
from flowplan.values.diagnostic import Diagnostic, FlowplanError


def make(**more):
    fields = {
        "task_id": "t1",
        "name": "n",
        "status": TaskStatus.RUNNING,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "instance_type": "a100",
        "num_instances": 1,
        "region": "r",
        "cost_per_hour": "$1.00",
    }
    return Task(**{**fields, **more})


class Provider:
    """Answers from fields, and keeps what it was asked."""

    def __init__(self, task, result=None):
        self.task, self.result, self.asked = task, result, []

    def get_task(self, task_id):
        return self.task

    def stop_task(self, task_id):
        self.asked.append(("stop", task_id))
        return self.task

    def wait_for_task(self, task_id, timeout):
        self.asked.append(("wait", timeout))
        if timeout is not None:
            raise TaskTimeout("still running")
        return self.task

    def get_task_instances(self, task_id):
        return []

    def get_task_logs(self, task_id, tail, log_type):
        return f"{tail} {log_type}"

    def stream_task_logs(self, task_id, log_type):
        yield log_type

    def get_user(self, user_id):
        self.asked.append(("user", user_id))
        if user_id == "gone":
            raise FlowplanError(Diagnostic.error("no such user"))
        return User(user_id=user_id, username="u", email="e")

    def get_task_result(self, task_id):
        return self.result

    def open_shell(self, task, command, node, progress_context, record):
        self.asked.append(("shell", command, node, record))


@pytest.mark.parametrize(
    "ask",
    [Task.refresh, Task.stop, Task.cancel, Task.wait, Task.logs, Task.get_instances, Task.result, Task.shell],
)
def test_an_unattached_task_says_so(ask):
    with pytest.raises(UnattachedTask, match="attached to no provider"):
        ask(make())
    assert issubclass(UnattachedTask, RuntimeError)
    assert make(created_by="u").get_user() is None


def test_states():
    for status in TaskStatus:
        terminal = status in (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED)
        assert make(status=status).is_terminal == terminal
    assert make(ssh_host="h", shell_command="ssh h").has_ssh_access
    assert not make(ssh_host="h").has_ssh_access
    assert make(ssh_host="1.2.3.4").public_ip == "1.2.3.4"
    assert make(ssh_host="host.example").public_ip is None
    assert make(provider_metadata={"instance_status": "STATUS_RUNNING"}).instance_status == "STATUS_RUNNING"


def test_refresh_takes_over_every_field_and_keeps_the_provider():
    fresh = make(status=TaskStatus.COMPLETED, message="done", instances=["i1"])
    task = make().attach(Provider(fresh))
    task.refresh()
    assert task == fresh
    task.refresh()


def test_stop_reports_what_the_provider_says():
    task = make().attach(Provider(make(status=TaskStatus.COMPLETED)))
    task.cancel()
    assert task.status is TaskStatus.COMPLETED


def test_wait_gives_the_final_state_or_a_typed_timeout():
    task = make().attach(Provider(make(status=TaskStatus.FAILED)))
    with pytest.raises(TaskTimeout):
        task.wait(5)
    with pytest.raises(TimeoutError):
        task.wait(timeout=1)
    assert task.wait(0) is TaskStatus.FAILED
    assert task.wait(5) is TaskStatus.FAILED
    assert [asked for asked in task._provider.asked if asked[0] == "wait"] == [
        ("wait", 5),
        ("wait", 1),
        ("wait", None),
    ]


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, "stdout"),
        ({"stderr": True}, "stderr"),
        ({"stream": "stderr"}, "stderr"),
        ({"stream": "combined"}, "both"),
        ({"source": "both"}, "both"),
        ({"source": "all"}, "both"),
        ({"source": "startup", "stderr": True}, "startup"),
        ({"source": "HOST"}, "host"),
        ({"source": "container"}, "stdout"),
    ],
)
def test_which_log_is_meant(options, kind):
    task = make().attach(Provider(make()))
    assert task.logs(**options) == f"100 {kind}"
    assert list(task.logs(follow=True, **options)) == ["all" if kind == "both" else kind]


def test_the_user_is_asked_for_once():
    task = make(created_by="u1").attach(Provider(make()))
    assert task.get_user() is task.get_user()
    assert task._provider.asked == [("user", "u1")]
    assert make(created_by="gone").attach(Provider(make())).get_user() is None
    assert make().attach(Provider(make())).get_user() is None


def test_results():
    with pytest.raises(TaskError, match="wait"):
        make().attach(Provider(make(), {"success": True})).result()

    def result_of(document):
        return make(status=TaskStatus.COMPLETED).attach(Provider(make(), document)).result()

    assert result_of({"success": True, "result": [1]}) == [1]
    assert result_of({"success": True, "result": 1, "error": None}) == 1
    with pytest.raises(TaskError, match="left no result"):
        result_of(None)
    trace = "\n".join(f"line {n}" for n in range(9))
    with pytest.raises(TaskFailed) as caught:
        result_of({"success": False, "error": "bad", "error_type": "ValueError", "traceback": trace})
    assert caught.value.error_type == "ValueError"
    assert caught.value.traceback == tuple(f"line {n}" for n in range(4, 9))
    for document in ({"error": None}, {"success": False}, {"error": "x"}):
        with pytest.raises(TaskFailed):
            result_of(document)


def test_shells():
    provider = Provider(make())
    task = make(ssh_host="h", instances=["i1", "i2"]).attach(provider)
    task.shell("ls", node=1)
    task.shell(node=-1, record=True)
    assert provider.asked == [("shell", "ls", 1, False), ("shell", None, None, True)]
    with pytest.raises(ValueError, match="no node 2"):
        task.shell(node=2)
    with pytest.raises(TaskError, match="no address"):
        make().attach(provider).shell()


def test_the_provider_is_no_part_of_the_data():
    task = make().attach(Provider(make()))
    assert task == make()
    assert attrs.evolve(task, message="x").message == "x"
    assert "_provider" not in repr(task)
