"""Real commands in real processes: what a machine of the sandbox does and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sandbox_real import (
    ENCLOSED,
    FOREVER,
    completion,
    folder,
    needs_namespaces,
    output,
    sleepers,
    until,
)

from flowplan.sandbox import open_sandbox, process

pytestmark = pytest.mark.process

BIDS = "/v2/spot/bids"


def test_a_command_runs_and_its_output_and_exit_are_kept(real):
    bid = real.bid(script="echo to out; echo to err >&2; exit 3")
    record = until(lambda: completion(real, bid))
    assert record["exit_code"] == 3
    assert record["started_at"] <= record["ended_at"]
    assert output(real, bid) == "to out\n"
    assert output(real, bid, "stderr").splitlines()[-1] == "to err"
    assert set(output(real, bid, "startup").splitlines()) >= {"to out", "to err"}
    assert completion(real, {"fid": "bid_none"}) is None
    assert asyncio.run(real.sandbox.access.log(bid["fid"], 1, "stdout", 0)) is None


def test_a_log_can_be_followed_while_the_script_runs(real):
    bid = real.bid(script=f"echo first; exec {FOREVER}")
    until(lambda: output(real, bid) == "first\n")
    assert asyncio.run(real.sandbox.access.log(bid["fid"], 0, "stdout", 6)) == (b"", 6)
    assert completion(real, bid) is None


def test_a_script_of_another_language_is_run_by_its_shebang(real):
    bid = real.bid(script="#!/usr/bin/env python3\nprint(6 * 7)")
    assert until(lambda: completion(real, bid))["exit_code"] == 0
    assert output(real, bid) == "42\n"


def test_the_environment_is_the_machines_own(real, enclosed, monkeypatch):
    monkeypatch.setenv("MITHRIL_API_KEY", "fkey_secret")
    bid = real.bid(script="env", quantity=2)
    until(lambda: completion(real, bid))
    for node in (0, 1):
        lines = dict(line.split("=", 1) for line in output(real, bid, node=node).splitlines())
        assert "MITHRIL_API_KEY" not in lines
        assert (lines["NODE_RANK"], lines["NUM_NODES"]) == (str(node), "2")
        assert lines["HEAD_NODE_IP"].startswith("127.")
        assert lines["HOSTNAME"] == f"job-{node + 1}"
        assert ("FLOW_ROOT" in lines) is not enclosed


def test_a_record_left_by_the_script_counts_more_than_its_exit(real):
    record = json.dumps({"exit_code": 5, "started_at": "a", "ended_at": "b", "attempt": 2})
    path = "$FLOW_ROOT/var/log/flow/completion.json"
    bid = real.bid(script=f"echo '{record}' > {path}; exit 0")
    until(lambda: (folder(real, bid) / "exit.json").exists())
    assert completion(real, bid) == json.loads(record)


def test_the_first_node_that_failed_decides(real):
    bid = real.bid(script='test "$NODE_RANK" = 0 && exit 0; exit $((NODE_RANK + 6))', quantity=3)
    assert until(lambda: completion(real, bid))["exit_code"] == 7


def test_a_volume_keeps_its_files_for_the_next_bid(real):
    volume = real.volume()["fid"]
    mount = 'mkdir -p "$FLOW_ROOT/data"; if [ -n "$FLOW_MNT" ]; then rmdir "$FLOW_ROOT/data"; ln -s "$FLOW_MNT/data" "$FLOW_ROOT/data"; else mount --bind /mnt/data /data; fi; '
    first = real.bid("first", volumes=[volume], script=mount + 'echo kept > "$FLOW_ROOT/data/file"')
    assert until(lambda: completion(real, first))["exit_code"] == 0
    real.delete(f"{BIDS}/{first['fid']}")
    second = real.bid("second", volumes=[volume], script=mount + 'cat "$FLOW_ROOT/data/file"')
    assert until(lambda: completion(real, second))["exit_code"] == 0
    assert output(real, second) == "kept\n"
    real.delete(f"{BIDS}/{second['fid']}")
    assert (real.sandbox.home / "volumes" / volume / "file").exists()
    real.delete(f"/v2/volumes/{volume}")
    assert not (real.sandbox.home / "volumes" / volume).exists()


STUBBORN = f"""
trap '' TERM
{FOREVER} &
( setsid {FOREVER} & )
setsid sh -c 'trap "" TERM; ( {FOREVER} & ) ; echo ready; {FOREVER}; true'
"""


def test_ending_a_bid_ends_its_whole_tree_and_leaves_no_record(real):
    bid = real.bid(script=STUBBORN)
    until(lambda: "ready" in output(real, bid))
    until(lambda: len(sleepers()) == 4)
    assert real.delete(f"{BIDS}/{bid['fid']}").status == 204
    until(lambda: sleepers() == [])
    until(lambda: process.find(folder(real, bid) / "supervisor.json") is None)
    assert completion(real, bid) is None
    assert "ready" in output(real, bid)


def test_what_a_script_leaves_running_goes_on_until_the_bid_ends(real):
    bid = real.bid(script=f"{FOREVER} & exit 0")
    assert until(lambda: completion(real, bid))["exit_code"] == 0
    # It may be that the script has ended and what it started is not yet what it will be.
    assert len(until(sleepers)) == 1
    real.delete(f"{BIDS}/{bid['fid']}")
    until(lambda: sleepers() == [])
    assert completion(real, bid)["exit_code"] == 0


def test_a_bid_ended_before_its_script_began_never_runs_it(tmp_path, make_client, enclosed):
    sandbox = open_sandbox(tmp_path / "home", boot_delay_s=600, enclose=enclosed)
    client = make_client(sandbox)
    bid = client.bid(script="echo never")
    until(lambda: process.find(folder(client, bid) / "supervisor.json"))
    client.delete(f"{BIDS}/{bid['fid']}")
    until(lambda: process.find(folder(client, bid) / "supervisor.json") is None)
    assert not (folder(client, bid) / "booted").exists()
    sandbox.reset()
    sandbox.close()


def test_pause_keeps_the_disk_and_does_not_run_the_script_again(real):
    script = f'echo ran >> "$FLOW_ROOT/root/ran"; echo started; exec {FOREVER}'
    bid = real.bid(script=script)
    until(lambda: len(sleepers()) == 1)
    real.patch(f"{BIDS}/{bid['fid']}", paused=True)
    until(lambda: sleepers() == [])
    real.patch(f"{BIDS}/{bid['fid']}", paused=False)
    assert real.status(bid["fid"]) == "Allocated"
    until(lambda: real.get(f"/v2/instances/{bid['instances'][0]}/status")["status"] == "STATUS_RUNNING")
    assert (folder(real, bid) / "root/root/ran").read_text() == "ran\n"
    assert completion(real, bid) is None


def test_a_machine_paused_before_it_booted_boots_afterwards(real, enclosed):
    slow = open_sandbox(real.sandbox.home, boot_delay_s=600, enclose=enclosed)
    bid = type(real)(slow).bid(script="echo hello")
    real.patch(f"{BIDS}/{bid['fid']}", paused=True)
    real.patch(f"{BIDS}/{bid['fid']}", paused=False)
    assert real.status(bid["fid"]) == "Allocated"
    assert until(lambda: completion(real, bid))["exit_code"] == 0
    slow.close()


def test_killing_a_supervisor_leaves_no_process_and_a_record_of_loss(real):
    bid = real.bid(script=f"exec {FOREVER}")
    until(lambda: len(sleepers()) == 1)
    process.send(folder(real, bid) / "supervisor.json", signal.SIGKILL)
    until(lambda: sleepers() == [])
    assert completion(real, bid)["exit_code"] == 137


@needs_namespaces
@pytest.mark.parametrize("enclosed", [True], indirect=True)
def test_an_enclosed_machine_cannot_change_the_host(real):
    name = f"flowplan-{os.getpid()}"
    places = " ".join(f"/{place}/{name}" for place in ("usr", "etc", "opt", "root", "tmp", "var/log", "data"))
    bid = real.bid(
        script=f"for f in {places}; do mkdir -p $f && echo $f; done; ls /; hostname; grep -c job /etc/hosts; true"
    )
    until(lambda: completion(real, bid))
    for place in places.split():
        assert not Path(place).exists()
    assert f"/data/{name}" in output(real, bid)
    assert "job-1" in output(real, bid)


HELPER = """
import json, sys
from pathlib import Path
from flowplan.sandbox import open_sandbox
sandbox = open_sandbox(Path(sys.argv[1]), boot_delay_s=0.01)
headers = {"authorization": f"Bearer {sandbox.api_key}"}
for line in sys.stdin:
    method, path, body = json.loads(line)
    status, _, answer = sandbox.handle(method, path, "", headers, json.dumps(body).encode())
    print(json.dumps([status, json.loads(answer or b"null")]), flush=True)
"""


class Other:
    """Another process with the same sandbox open."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-c", HELPER, str(home)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, method, path, body=None):
        self.process.stdin.write(json.dumps([method, path, body]) + "\n")
        self.process.stdin.flush()

    def receive(self):
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize("enclosed", [ENCLOSED], indirect=True)
def test_a_machine_outlives_the_process_that_started_it(real):
    other = Other(real.sandbox.home)
    volume = real.volume()["fid"]
    gate = real.sandbox.home / "volumes" / volume / "gate"
    script = "cd ${FLOW_MNT:-/mnt}/data; echo waiting; until [ -e gate ]; do sleep 0.01; done; echo done"
    other.send("POST", BIDS, real.bid_body(volumes=[volume], script=script))
    bid = other.receive()[1]
    until(lambda: output(real, bid) == "waiting\n")
    other.end()
    gate.touch()
    assert until(lambda: completion(real, bid))["exit_code"] == 0
    assert output(real, bid) == "waiting\ndone\n"


@pytest.mark.parametrize("enclosed", [ENCLOSED], indirect=True)
def test_two_processes_that_create_at_once_lose_nothing(real):
    others = [Other(real.sandbox.home) for _ in range(2)]
    for number in range(30):
        for index, other in enumerate(others):
            other.send("POST", BIDS, real.bid_body(f"p{index}-{number}"))
    answers = [other.receive() for other in others for _ in range(30)]
    for other in others:
        other.end()
    assert {status for status, _ in answers} == {201}
    listed = real.get(BIDS, limit=100)["data"]
    assert {bid["fid"] for bid in listed} == {bid["fid"] for _, bid in answers}
    assert sum(bid["status"] == "Allocated" for bid in listed) == 16


@pytest.mark.parametrize("enclosed", [ENCLOSED], indirect=True)
def test_sigkill_loses_no_acknowledged_request(real):
    for number in range(5):
        other = Other(real.sandbox.home)
        body = {"project": real.project, "region": "us-central1-b", "disk_interface": "File", "size_gb": 1}
        acknowledged = set()
        for index in range(40):
            other.send("POST", "/v2/volumes", {**body, "name": f"v{number}-{index}"})
            if index < 5 + number * 5:
                acknowledged.add(other.receive()[1]["fid"])
        other.end()
        kept = {volume["fid"] for volume in real.get("/v2/volumes", project=real.project).body}
        assert acknowledged <= kept


@pytest.mark.parametrize("enclosed", [ENCLOSED], indirect=True)
def test_what_was_decided_but_not_started_is_started_by_the_next_process(real):
    idle = open_sandbox(real.sandbox.home, boot_delay_s=0.01)
    # As if the process had been killed between storing the bid and starting its machine.
    idle._run_effects = lambda: None
    bid = type(real)(idle).bid(script="echo late")
    assert not folder(real, bid).exists()
    again = open_sandbox(real.sandbox.home, boot_delay_s=0.01)
    assert until(lambda: completion(real, bid))["exit_code"] == 0
    idle.close()
    again.close()


SERVER = """
import sys
from pathlib import Path
from flowplan.sandbox import serve
serve(Path(sys.argv[1]), 0, lambda url, sandbox: print(url, sandbox.api_key, flush=True))
"""


def test_the_server_answers_and_stops_when_asked(tmp_path):
    import httpx

    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        url, key = server.stdout.readline().split()
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=url, headers=headers) as http:
            answer = http.get("/v2/me")
            assert answer.status_code == 200
            assert len(answer.headers.get_list("date")) == 1
            assert http.get("/v2/spot/bids", params={"name": "x"}).json() == {"data": [], "next_cursor": None}
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0


def test_a_number_reused_is_not_the_same_process(tmp_path):
    path = tmp_path / "p.json"
    process.write_atomically(path, {**process.identify(os.getpid()), "start": 1})
    assert process.find(path) is None
    assert process.send(path, signal.SIGKILL) is False
    process.write_atomically(path, process.identify(os.getpid()))
    assert process.find(path) == os.getpid()
