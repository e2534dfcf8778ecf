"""The same API over a real socket: a sandbox served by another process, its instances reached in its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from client_world import config, pause, with_sandbox

import flowplan
from flowplan import Flow, FlowConfig, FlowplanError, TaskStatus, TaskTimeout

pytestmark = pytest.mark.process


def test_every_state_over_a_socket(served: Flow) -> None:
    good = served.run(
        config("echo hello; echo '{\"result\": 7}' > /tmp/flow_result.json", name="good"), wait=True
    )
    assert (good.status, good.logs(), good.result()) == (TaskStatus.COMPLETED, "hello\n", 7)
    bad = served.run(config("exit 3", name="bad"), wait=True)
    assert bad.status is TaskStatus.FAILED and bad.message is not None and "exit code 3" in bad.message
    long = served.run(config("echo up; sleep 300", name="long"))
    lines = iter(long.logs(follow=True))
    assert next(lines) == "up"
    long.refresh()
    assert long.status is TaskStatus.RUNNING
    with pytest.raises(TaskTimeout):
        long.wait(timeout=0.1)
    with_sandbox(Path("state/sandbox"), lambda sandbox: pause(sandbox, long.task_id))
    long.refresh()
    assert long.status is TaskStatus.PAUSED
    long.stop()
    assert long.status is TaskStatus.CANCELLED
    assert list(lines) == []
    huge = served.run(config(name="huge", num_instances=17))
    assert huge.status is TaskStatus.PENDING
    assert {task.name: task.status for task in served.list_tasks().tasks} == {
        task.name: task.status for task in (good, bad, long, huge)
    }


def test_the_same_server_from_elsewhere(
    served: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """From another folder its instances are reached over SSH, with the key that the environment names."""
    pytest.importorskip("asyncssh")
    folder = Path("state/sandbox").absolute()
    key, url = (folder / "api-key").read_text().strip(), served._session.provider.client.base_url  # type: ignore[attr-defined]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    config_of = FlowConfig(api_key=key, project="Sandbox", api_url=url)
    with flowplan.connect(config_of, environ={"MITHRIL_SSH_KEY": str(folder / "ssh" / "id_ed25519")}) as flow:
        assert flow.validate().is_valid
        good = flow.run(
            config("echo hello; echo '{\"result\": 7}' > /tmp/flow_result.json; exit 3", name="far"),
            wait=True,
        )
        assert (good.status, good.logs(), good.result()) == (TaskStatus.FAILED, "hello\n", 7)
        assert good.has_ssh_access and good.public_ip is not None
        good.shell("echo over ssh")
        assert capfd.readouterr().out == "over ssh\n"
        live = flow.run(
            config("echo one; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo two", name="live")
        )
        lines = iter(live.logs(follow=True))
        assert next(lines) == "one"
        live.refresh()
        live.shell("touch /tmp/go")
        assert list(lines) == ["two"]
    with flowplan.connect(config_of, environ={}) as flow:
        # Where no key is named, one of flowplan's own is made and added to the project.
        own = flow.run(config("echo mine", name="own"), wait=True)
        assert (own.status, own.logs()) == (TaskStatus.COMPLETED, "mine\n")
        made = tmp_path / ".local" / "share" / "flowplan" / "ssh" / "id_ed25519"
        assert made.stat().st_mode & 0o777 == 0o600
        locked = flow.run(config("sleep 300", name="locked", ssh_keys=["sandbox-default"]))
        with pytest.raises(FlowplanError, match="No one can see when"):
            locked.wait(timeout=30)
        with pytest.raises(FlowplanError, match="no private key"):
            locked.logs()
        locked.stop()
        assert locked.status is TaskStatus.CANCELLED


def test_settings_that_do_not_fit_the_server(served: Flow) -> None:
    key = Path("state/sandbox/api-key").read_text().strip()
    url = served._session.provider.client.base_url  # type: ignore[attr-defined]
    with flowplan.connect(FlowConfig(api_key=key, project="other", api_url=url)) as flow:
        result = flow.validate()
        assert not result.is_valid and "other" in str(result.error_message)
    with flowplan.connect(FlowConfig(api_key="fkey_wrong", project="Sandbox", api_url=url)) as flow:
        assert "refused the API key" in str(flow.validate().error_message)
