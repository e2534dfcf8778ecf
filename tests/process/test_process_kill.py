"""A process that is killed at any instant leaves nothing orphaned, nothing doubled, nothing forgotten (apply-protocol.md)."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from flowplan_program import HELLO, PATIENCE_S, Ended, Project, Proxy, Served, finish, reach, wait_until

pytestmark = pytest.mark.process

TASK_ONLY = """\
stack: one
provider: {region: us-central1-b}
tasks:
  hello: {instance_type: a100, max_price_per_hour: 3.0, upload_code: false, command: echo hello}
"""
VOLUME_ONLY = """\
stack: one
provider: {region: us-central1-b}
volumes:
  notes: {size_gb: 1, interface: file}
"""
KINDS = {
    "task": (TASK_ONLY, "/v2/spot/bids", "task.hello", Served.live_bids),
    "volume": (VOLUME_ONLY, "/v2/volumes", "volume.notes", Served.live_volumes),
}


def recorded(project: Project) -> list[str]:
    """The ids in the state, sorted."""
    return sorted(row["id"] for row in project.run("state", "list", "--json", code=0).json()["resources"])


def database(project: Project) -> list[str]:
    """All that the state's database says; its bytes may differ, for SQLite tidies up after a process that died."""
    with closing(sqlite3.connect(project.state / "flowplan.db")) as db:
        return list(db.iterdump())


def settled(project: Project, served: Served) -> None:
    """What lives is what is recorded, and there is nothing left to do."""
    assert recorded(project) == served.live_ids()
    plan = project.run("plan", "--detailed-exitcode", code=0)
    assert "No changes." in plan.out and "interrupted" not in plan.out


def kill_at(proxy: Proxy, project: Project, path: str, when: str) -> None:
    """SIGKILL an apply while its POST is held at ``when``."""
    gate = proxy.gate("POST", path, when)
    process = project.start("apply", "--auto-approve")
    reach(gate, process)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    gate.open(drop=True)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_between_the_servers_answer_and_its_arrival(
    project: Project, served: Served, proxy: Proxy, kind: str
) -> None:
    text, path, address, live = KINDS[kind]
    project.write(text)
    kill_at(proxy, project, path, "after")
    (made,) = live(served)
    before = database(project)
    plan = project.run("plan", code=0).out
    assert f"{address}: interrupted create found at the provider as {made['fid']}, will be adopted" in plan
    assert "Plan:" not in plan, "there is nothing else to do"
    assert database(project) == before, "plan settles nothing itself"
    assert project.run("plan", "--json", code=0).json()["interrupted"][0]["address"] == address
    project.apply()
    assert recorded(project) == [made["fid"]] == [row["fid"] for row in live(served)]
    settled(project, served)
    # Before its first task the user's SSH key is made known to the project: that, too, once.
    key = [("POST", "/v2/ssh-keys")] if kind == "task" else []
    assert proxy.mutations() == [*key, ("POST", path)], "what was made is adopted, not made again"


def test_killed_before_the_requests_reached_the_server(
    project: Project, served: Served, proxy: Proxy
) -> None:
    project.write(VOLUME_ONLY + TASK_ONLY.partition("b}\n")[2])
    gates = [proxy.gate("POST", path, "before") for _, path, _, _ in KINDS.values()]
    process = project.start("apply", "--auto-approve")
    for gate in gates:
        reach(gate, process)
    process.kill()
    process.wait(PATIENCE_S)
    for gate in gates:
        gate.open(drop=True)
    assert served.live_ids() == []
    plan = project.run("plan", code=0).out
    assert plan.count("interrupted create not found at the provider") == 2 and "2 to add" in plan
    # It may still be on its way: the next apply looks for as long as a new object may stay unseen, then makes it.
    project.apply()
    assert (len(served.live_bids()), len(served.live_volumes())) == (1, 1)
    settled(project, served)


def test_stopping_at_once_while_looking_for_what_was_interrupted(
    project: Project, served: Served, proxy: Proxy
) -> None:
    project.write(TASK_ONLY)
    kill_at(proxy, project, "/v2/spot/bids", "before")
    process = project.start("apply", "--auto-approve")
    assert process.stderr is not None
    wait_until(
        lambda: any("leases" in line and f",{process.pid}," in line for line in database(project)),
        "the lease",
    )
    for phrase in ("Interrupted", "at once"):
        process.send_signal(signal.SIGINT)
        assert any(phrase in line for line in iter(process.stderr.readline, "")), phrase
    ended = finish(process)
    assert ended.code == 130
    assert served.live_ids() == []
    assert "interrupted create" in project.run("plan", code=0).out, "it is still remembered"


def test_killed_in_the_midst_of_a_deletion(project: Project, served: Served, proxy: Proxy) -> None:
    project.write(TASK_ONLY)
    project.apply()
    (bid,) = served.live_bids()
    gate = proxy.gate("DELETE", f"/v2/spot/bids/{bid['fid']}", "after")
    process = project.start("destroy", "--auto-approve")
    reach(gate, process)
    process.kill()
    process.wait(PATIENCE_S)
    gate.open(drop=True)
    assert f"interrupted delete of {bid['fid']}" in project.run("plan", "--destroy", code=0).out
    project.run("destroy", "--auto-approve", code=0)
    assert served.live_ids() == [] and recorded(project) == []


def test_killed_in_the_midst_of_an_update(project: Project, served: Served, proxy: Proxy) -> None:
    lasting = TASK_ONLY.replace("echo hello", "sleep 600")  # one that has ended is not updated any more
    project.write(lasting)
    project.apply()
    (bid,) = served.live_bids()
    project.write(lasting.replace("3.0", "4.0"))
    gate = proxy.gate("PATCH", f"/v2/spot/bids/{bid['fid']}", "before")
    process = project.start("apply", "--auto-approve")
    reach(gate, process)
    process.kill()
    process.wait(PATIENCE_S)
    gate.open(drop=True)
    assert served.live_bids()[0]["limit_price"] == "$3.00"
    project.apply()
    assert [(b["fid"], b["limit_price"]) for b in served.live_bids()] == [(bid["fid"], "$4.00")]
    settled(project, served)


# -- signals


def interrupted_apply(
    project: Project, proxy: Proxy, *numbers: signal.Signals, release: bool = True
) -> Ended:
    """Send ``numbers``, one after the other is noticed, while the creation of the volume is held."""
    gate = proxy.gate("POST", "/v2/volumes", "after")
    process = project.start("apply", "--auto-approve")
    reach(gate, process)
    assert process.stderr is not None
    noticed = ""
    for number in numbers:
        process.send_signal(number)
        lines = [process.stderr.readline(), process.stderr.readline()]
        noticed += "".join(lines)
    if release:
        gate.open()
    ended = finish(process)
    gate.open(drop=True)
    return Ended(ended.code, ended.out, noticed + ended.err)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_an_apply_in_good_order(
    project: Project, served: Served, proxy: Proxy, number: signal.Signals, code: int
) -> None:
    project.write(HELLO)
    ended = interrupted_apply(project, proxy, number)
    assert ended.code == code
    assert "starting nothing new, finishing what is in flight" in ended.err
    assert "volume.notes: Creation complete" in ended.out
    assert "Apply interrupted. Resources: 1 added" in ended.out
    assert "Not started:\n    task.hello (create)" in ended.out and "To go on: flowplan apply" in ended.out
    assert project.run("state", "list", code=0).out == "volume.notes\n"
    assert len(served.live_volumes()) == 1 and served.live_bids() == []
    assert "1 added, 0 changed" in project.apply().out
    settled(project, served)


def test_a_second_interrupt_ends_it_at_once(project: Project, served: Served, proxy: Proxy) -> None:
    project.write(HELLO)
    ended = interrupted_apply(project, proxy, signal.SIGINT, signal.SIGINT, release=False)
    assert ended.code == 130
    assert "Stopping at once" in ended.err
    assert "In flight when it was stopped (the journal knows):\n    volume.notes (create)" in ended.out
    assert "interrupted create found at the provider" in project.run("plan", code=0).out
    project.apply()
    assert len(served.live_volumes()) == 1
    settled(project, served)


def test_an_interrupt_ends_a_wait_at_once(project: Project) -> None:
    text = HELLO.replace("command: echo", "command: sleep 600; echo")
    project.write(text.replace("outputs:", "  after: {instance_type: a100, max_price_per_hour: 3.0, command: hi, "
                               "upload_code: false, depends_on: {task.hello: completed}}\noutputs:"))  # fmt: skip
    process = project.start("apply", "--auto-approve")
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    assert any("task.hello: Waiting" in line for line in lines)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 130 and "task.after (create)" in ended.out
    assert project.run("state", "list", code=0).out == "volume.notes\ntask.hello\n"
    project.run("destroy", "--auto-approve", code=0)


def test_an_interrupt_before_anything_began(project: Project, served: Served, proxy: Proxy) -> None:
    project.write(HELLO)
    for command in (("plan",), ("apply", "--auto-approve")):
        gate = proxy.gate("GET", "/v2/projects", "before")
        process = project.start(*command)
        reach(gate, process)
        process.send_signal(signal.SIGINT)
        ended = finish(process)
        gate.open(drop=True)
        assert ended.code == 130 and "nothing more was done" in ended.err
    assert proxy.mutations() == [] and not (project.state / "flowplan.db").exists()


def test_a_reader_that_goes_away_stops_no_apply(project: Project) -> None:
    project.write(HELLO)
    process = project.start("apply", "--auto-approve")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    finish(process)
    assert project.run("state", "list", code=0).out == "volume.notes\ntask.hello\n"
    assert "No changes." in project.run("plan", "--detailed-exitcode", code=0).out


# -- one writer


@pytest.fixture
def holder(project: Project, served: Served, proxy: Proxy) -> Callable[[], Ended]:
    """An apply that holds the lock until the result is called, which lets it finish."""
    project.write(HELLO)
    gate = proxy.gate("POST", "/v2/volumes", "after")
    process = project.start("apply", "--auto-approve")
    reach(gate, process)

    def let_go() -> Ended:
        gate.open()
        return finish(process)

    return let_go


def test_of_two_applies_one_is_told_who_holds_the_lock(project: Project, holder: Callable[[], Ended]) -> None:
    pid = project.started[-1].pid
    ended = project.run("apply", "--auto-approve", code=7)
    assert "lock" in ended.err and str(pid) in ended.err and "--lock-timeout" in ended.err, ended.err
    assert project.run("plan", code=0).out, "planning needs no lock"
    assert holder().code == 0
    assert "No changes" in project.run("plan", "--detailed-exitcode", code=0).out


def test_an_apply_waits_for_the_lock_if_asked(
    project: Project, served: Served, holder: Callable[[], Ended]
) -> None:
    waiting = project.start("apply", "--auto-approve", "--lock-timeout", "60s")
    assert waiting.stdout is not None
    assert any("Plan:" in line for line in iter(waiting.stdout.readline, ""))
    assert holder().code == 0
    assert finish(waiting).code == 0
    assert len(served.live_ids()) == 2
    settled(project, served)


def test_waiting_for_the_lock_can_be_interrupted(project: Project, holder: Callable[[], Ended]) -> None:
    waiting = project.start("apply", "--auto-approve", "--lock-timeout", "10m")
    assert waiting.stdout is not None
    assert any("Plan:" in line for line in iter(waiting.stdout.readline, ""))
    waiting.send_signal(signal.SIGINT)
    wait_until(lambda: waiting.poll() is not None, "the end of the waiting apply")
    assert finish(waiting).code == 130
    assert holder().code == 0
