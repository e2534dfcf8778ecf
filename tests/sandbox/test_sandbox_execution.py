"""Running commands and not running them: the clock, the limits, simulated ends."""

import asyncio
import base64
import gzip
import time
from datetime import timedelta

import pytest

from flowplan.sandbox import open_sandbox
from flowplan.sandbox.desk import Desk

BIDS = "/v2/spot/bids"
PATIENCE_S = 30


def completion(sandbox, fid):
    return asyncio.run(sandbox.access.completion(fid))


def wait(holds):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come about")


@pytest.fixture
def idle(client):
    """A client of a sandbox that only simulates, with its clock stopped."""
    client.sandbox.configure(boot_s=0, executes=False)
    Desk(client.sandbox).freeze()
    return client


def script(*lines):
    return "\n".join(["#!/bin/bash", *lines, "exit 3"])


def packed(text):
    payload = base64.b64encode(gzip.compress(text.encode())).decode()
    return f"#!/bin/bash\nflow_script=$(base64 -d <<'FLOW_SCRIPT' | gzip -dc\n{payload}\nFLOW_SCRIPT\n)\n"


@pytest.mark.parametrize("wrap", [str, packed])
@pytest.mark.parametrize(
    ("lines", "seconds", "code"),
    [
        ([], 60, 0),
        (["export FLOWPLAN_SANDBOX_DURATION=90"], 90, 0),
        (["  export FLOWPLAN_SANDBOX_DURATION='2h'", "export FLOWPLAN_SANDBOX_EXIT_CODE=7"], 7200, 7),
        (["export FLOWPLAN_SANDBOX_DURATION=soon"], 60, 0),
    ],
)
def test_a_command_that_is_not_run_ends_after_its_time(idle, wrap, lines, seconds, code):
    desk = Desk(idle.sandbox)
    bid = idle.bid(script=wrap(script(*lines)))["fid"]
    desk.advance(timedelta(seconds=seconds - 1))
    assert completion(idle.sandbox, bid) is None
    start = desk.clock().now - timedelta(seconds=seconds - 1)
    desk.advance(timedelta(seconds=100))
    found = completion(idle.sandbox, bid)
    assert (found["exit_code"], found["started_at"]) == (code, start.isoformat())
    assert found["ended_at"] == (start + timedelta(seconds=seconds)).isoformat()
    assert not (idle.sandbox.home / "instances").exists()


def test_one_that_is_stopped_before_its_time_never_ends(idle):
    desk = Desk(idle.sandbox)
    bid = idle.bid(script=script())["fid"]
    desk.advance(timedelta(seconds=30))
    idle.patch(f"{BIDS}/{bid}", paused=True)
    idle.patch(f"{BIDS}/{bid}", paused=False)
    desk.advance(timedelta(days=1))
    assert completion(idle.sandbox, bid) is None


def test_whether_commands_are_run_holds_for_every_process(idle):
    other = open_sandbox(idle.sandbox.home, idle.sandbox.real_now)
    try:
        assert other.executes is False
        idle.bid(script="#!/bin/sh\necho ran")
        other.status()
        assert not list(idle.sandbox.home.glob("instances/*/spec.json"))
    finally:
        other.close()


@pytest.mark.process
def test_a_reset_does_not_make_commands_run(tmp_path):
    sandbox = open_sandbox(tmp_path / "home")
    sandbox.configure(executes=False)
    sandbox.reset()
    assert sandbox.executes is False
    sandbox.configure(executes=True)
    sandbox.reset(seed=1)
    assert sandbox.executes is True
    sandbox.close()


def test_what_really_runs_waits_for_the_virtual_clock(tmp_path, make_client):
    sandbox = open_sandbox(tmp_path / "home", boot_delay_s=3600)
    try:
        desk = Desk(sandbox)
        desk.freeze()
        bid = make_client(sandbox).bid(script="#!/bin/bash\nulimit -n; ulimit -c; echo done\n")["fid"]
        (folder,) = (sandbox.home / "instances").iterdir()
        wait((folder / "supervisor.json").exists)
        assert completion(sandbox, bid) is None
        assert not (folder / "booted").exists()
        desk.resume()
        assert not (folder / "booted").exists()
        desk.advance(timedelta(hours=2))
        assert wait(lambda: completion(sandbox, bid))["exit_code"] == 0
        out, _ = asyncio.run(sandbox.access.log(bid, 0, "stdout", 0))
        files, core, last = out.split()
        assert (int(files) <= 65536, core, last) == (True, b"0", b"done")
    finally:
        sandbox.reset()
        sandbox.close()


HOOK = """\
#!/bin/bash
folder="${FLOW_ROOT:-}/var/lib/cloud/scripts/per-boot"
mkdir -p "$folder"
printf '#!/bin/sh\\necho again; sleep 0.3; exit 5\\n' >"$folder/mine"
chmod 755 "$folder/mine"
echo first; sleep 300
"""


@pytest.mark.process
@pytest.mark.parametrize("enclose", [True, False])
def test_later_boots_run_what_cloud_init_would(tmp_path, make_client, enclose):
    sandbox = open_sandbox(tmp_path / "home", boot_delay_s=0, enclose=enclose)
    try:
        client = make_client(sandbox)

        def out() -> bytes:
            return asyncio.run(sandbox.access.log(bid, 0, "stdout", 0))[0]

        bid = client.bid(script=HOOK)["fid"]
        wait(lambda: out() == b"first\n")
        client.patch(f"{BIDS}/{bid}", paused=True)
        assert completion(sandbox, bid) is None
        client.patch(f"{BIDS}/{bid}", paused=False)
        sandbox.status()
        # A visitor that comes first must not take the hooks' place.
        assert asyncio.run(sandbox.access.run(bid, 0, "echo in")) == (0, b"in\n", b"")
        assert wait(lambda: completion(sandbox, bid))["exit_code"] == 5
        assert out() == b"first\nagain\n"
        plain = client.bid(script="#!/bin/sh\necho once; sleep 300")["fid"]
        wait(lambda: asyncio.run(sandbox.access.log(plain, 0, "stdout", 0))[0] == b"once\n")
        for paused in (True, False):
            client.patch(f"{BIDS}/{plain}", paused=paused)
        sandbox.status()
        assert asyncio.run(sandbox.access.run(plain, 0, "echo in"))[0] == 0
        assert completion(sandbox, plain) is None, "without hooks nothing runs again"
    finally:
        sandbox.reset()
        sandbox.close()


def test_a_simulated_task_of_flowplan_goes_on_after_a_pause(idle):
    desk = Desk(idle.sandbox)
    bid = idle.bid(
        script="#!/bin/bash\nexport FLOWPLAN_SANDBOX_DURATION=60\n# /var/lib/cloud/scripts/per-boot\n"
    )["fid"]
    desk.advance(timedelta(seconds=30))
    idle.patch(f"{BIDS}/{bid}", paused=True)
    desk.advance(timedelta(days=1))
    assert completion(idle.sandbox, bid) is None
    idle.patch(f"{BIDS}/{bid}", paused=False)
    desk.advance(timedelta(seconds=45))
    assert completion(idle.sandbox, bid) is None
    desk.advance(timedelta(hours=1))
    assert (completion(idle.sandbox, bid)["exit_code"], completion(idle.sandbox, bid)["attempt"]) == (0, 2)
