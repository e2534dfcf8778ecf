"""Many processes that want to write one stack: one at a time, in some order, and none after it has lost its turn."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flowplan_program import Project, Proxy, Served, finish, reach, wait_until

from flowplan.backend.sqlite import SqliteBackend
from flowplan.ports import LockInfo

pytestmark = pytest.mark.process

STACK = """\
stack: many
provider: {region: us-central1-b}
variables: {who: {type: number}}
locals: {odd: "{{ var.who % 2 }}"}
tasks:
  a: &task
    instance_type: a100
    max_price_per_hour: "{{ 3 + var.who }}"
    upload_code: false
    command: sleep 600
  b: *task
  even: {when: "{{ local.odd == 0 }}", instance_type: a100, upload_code: false, max_price_per_hour: 2, command: sleep 600}
  odd: {when: "{{ local.odd == 1 }}", instance_type: a100, upload_code: false, max_price_per_hour: 2, command: sleep 600}
"""
OTHERS = range(2, 9)


def lock(project: Project) -> LockInfo | None:
    with closing(SqliteBackend(project.state)) as backend:
        return backend.lock("many")


def token(project: Project) -> int:
    found = lock(project)
    return found.token if found else 0


def journal(project: Project) -> list[Any]:
    with closing(sqlite3.connect(project.state / "flowplan.db")) as db:
        return db.execute("SELECT token, run, status FROM operations ORDER BY number").fetchall()


@contextmanager
def mid_apply(project: Project, served: Served, proxy: Proxy) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """An apply that has the lock and waits for the answer to a request that the server has taken."""
    project.write(STACK)
    project.apply("--var", "who=0")
    bid = next(bid for bid in served.live_bids() if bid["limit_price"] == "$3.00")
    gate = proxy.gate("PATCH", f"/v2/spot/bids/{bid['fid']}", "after")
    process = project.start("apply", "--auto-approve", "--var", "who=1", "--parallelism", "1")
    reach(gate, process)
    try:
        yield process, gate
    finally:
        gate.open()


def test_eight_writers_of_which_one_is_suspended_past_its_lease(
    project: Project, served: Served, proxy: Proxy
) -> None:
    project.env["FLOWPLAN_LEASE"] = "3s"
    with mid_apply(project, served, proxy) as (suspended, gate):
        mine = token(project)
        others = {
            who: project.start("apply", "--auto-approve", "--lock-timeout", "10m", "--var", f"who={who}")
            for who in OTHERS
        }
        suspended.send_signal(signal.SIGSTOP)
        wait_until(lambda: token(project) > mine, "another owner of the lock")
        before = len(proxy.keys)
        gate.open()
        suspended.send_signal(signal.SIGCONT)
        ended = finish(suspended)
        assert ended.code == 7, ended
        assert "was lost" in ended.text and "without sending anything more" in ended.text
        left = len(proxy.keys)
    codes = {who: finish(process).code for who, process in others.items()}
    assert set(codes.values()) <= {0, 7}, codes
    winners = {who for who, code in codes.items() if code == 0}
    assert winners
    # The stopped one sent nothing after it had lost the lock; the others went on.
    rows = journal(project)
    runs = {run for number, run, _ in rows if number == mine}
    assert runs and not any(key.startswith(tuple(runs)) for key in proxy.keys[before:]), left
    # One at a time: what one owner began stands together, and comes after what the one before it began.
    tokens = [number for number, _, _ in rows]
    assert tokens == sorted(tokens)
    assert {status for _, _, status in rows} <= {"done", "failed"}, (
        "each owner settled what the one before it left"
    )
    # What is there is what one of them alone would have made: the last.
    prices = {bid["limit_price"] for bid in served.live_bids()} - {"$2.00"}
    assert len(served.live_bids()) == 3 and len(prices) == 1
    last = int(float(prices.pop().strip("$"))) - 3
    assert last in winners
    assert "No changes." in project.run("plan", "--detailed-exitcode", "--var", f"who={last}", code=0).out
    with closing(SqliteBackend(project.state)) as backend:
        assert sorted(id for _, id in backend.snapshot("many").ids()) == served.live_ids()


def test_a_second_writer_is_told_all_about_the_first(project: Project, served: Served, proxy: Proxy) -> None:
    with mid_apply(project, served, proxy) as (process, _):
        ended = project.run("apply", "--auto-approve", "--var", "who=2", code=7)
        for word in (
            f"process {process.pid} on ",
            "Operation: apply",
            "Token:",
            "Expires:",
            "ago)",
            "--lock-timeout",
        ):
            assert word in ended.err, ended.err
        assert " of 4 steps done" in ended.err, ended.err
        shown = project.run("plan", "--var", "who=2", code=0).out
        assert "task.a" in shown, "planning needs no lock, and sees what is under way"
        assert f"process {process.pid}" in project.run("state", "operations", code=0).out
    assert finish(process).code == 0


def test_a_lease_is_kept_alive_however_long_an_answer_takes(
    project: Project, served: Served, proxy: Proxy
) -> None:
    project.env["FLOWPLAN_LEASE"] = "2s"
    with mid_apply(project, served, proxy) as (process, gate):
        first = lock(project)
        assert first is not None
        waiting = project.start("apply", "--auto-approve", "--lock-timeout", "10m", "--var", "who=2")
        wait_until(
            lambda: (
                (now := lock(project)) is not None
                and now.expires_at > first.expires_at + timedelta(seconds=5)
            ),
            "several heartbeats",
        )
        assert token(project) == first.token and waiting.poll() is None
        gate.open()
        assert finish(process).code == 0
        assert finish(waiting).code == 0


def test_an_unlocked_writer_stops_before_its_next_request(
    project: Project, served: Served, proxy: Proxy
) -> None:
    with mid_apply(project, served, proxy) as (process, gate):
        assert "Unlocked" in project.run("state", "unlock", "--auto-approve", code=0).out
        before = len(proxy.keys)
        gate.open()
        ended = finish(process)
        assert ended.code == 7 and "someone released it" in ended.text
        assert len(proxy.keys) == before
    assert "task." in project.run("state", "operations", code=0).out
    project.apply("--var", "who=1")
    assert "No changes." in project.run("plan", "--detailed-exitcode", "--var", "who=1", code=0).out
