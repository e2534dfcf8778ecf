"""What machines go through, with real processes: notices, preemption, other nodes, limits, one writer, new disks."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

import pytest
from sandbox_real import (
    FOREVER,
    completion,
    folder,
    output,
    sleepers,
    until,
)

from flowplan.sandbox.desk import Desk

pytestmark = pytest.mark.process

BIDS = "/v2/spot/bids"
MARKET = "h100-80gb.sxm.8x@us-central1-b"
NOTICED = f"""
signal="$FLOW_ROOT/opt/mithril/MITHRIL_SIGNAL.yml"
echo ran >> "$FLOW_ROOT/root/ran"
until [ -e "$signal" ]; do sleep 0.01; done
head -n 1 "$signal"
while [ -e "$signal" ]; do sleep 0.01; done
echo rescinded
setsid {FOREVER} &
exec {FOREVER}
"""


def test_a_preemption_is_noticed_taken_back_and_at_last_carried_out(real):
    desk = Desk(real.sandbox)
    bid = real.bid(script=NOTICED)
    until(lambda: (folder(real, bid) / "root/root/ran").exists())
    desk.override(MARKET, price_cents=5000)
    assert real.status(bid["fid"]) == "Preempting"
    until(lambda: "signal: PREEMPTING" in output(real, bid))
    desk.clear_overrides()
    assert real.status(bid["fid"]) == "Allocated"
    until(lambda: "rescinded" in output(real, bid))
    until(lambda: len(sleepers()) == 2)

    real.sandbox.configure(preemption_s=0.2)
    desk.override(MARKET, price_cents=5000)
    until(lambda: real.status(bid["fid"]) == "Open")
    # The whole tree, and what it had started apart from itself.
    until(lambda: sleepers() == [])
    desk.clear_overrides()
    assert real.status(bid["fid"]) == "Allocated"
    machine = f"/v2/instances/{bid['instances'][0]}/status"
    until(lambda: real.get(machine)["status"] == "STATUS_RUNNING")
    assert (folder(real, bid) / "root/root/ran").read_text() == "ran\n"
    assert not (folder(real, bid) / "signals/MITHRIL_SIGNAL.yml").exists()


# Addresses of instances are this machine's, so a port is needed that no other run of the tests uses.
PORT = 20_000 + os.getpid() % 12_000
MEETING = f"""
exec python3 - <<'END'
import os, socket, time
place = (os.environ["HEAD_NODE_IP"], {PORT})
if os.environ["NODE_RANK"] == "0":
    with socket.create_server(place) as server:
        for _ in range(int(os.environ["NUM_NODES"]) - 1):
            peer, _ = server.accept()
            print(peer.recv(64).decode(), flush=True)
            peer.close()
else:
    while True:
        try:
            with socket.create_connection(place) as head:
                head.sendall(b"node " + os.environ["NODE_RANK"].encode())
            break
        except ConnectionRefusedError:
            time.sleep(0.02)
END
"""


def test_the_nodes_of_a_bid_find_each_other(real):
    bid = real.bid(script=MEETING, quantity=3)
    assert until(lambda: completion(real, bid))["exit_code"] == 0
    assert sorted(output(real, bid).splitlines()) == ["node 1", "node 2"]


def test_a_block_volume_has_one_writer_even_while_the_old_one_is_ending(real):
    volume = real.volume(interface="Block")["fid"]
    log = real.sandbox.home / "volumes" / volume / "log"
    where = "cd ${FLOW_MNT:-/mnt}/data; "
    stubborn = where + "trap '' TERM; while :; do echo old >> log; sleep 0.01; done"
    first = real.bid("first", volumes=[volume], script=stubborn)
    until(lambda: log.exists())
    assert real.bid("early", volumes=[volume]).status == 400
    real.delete(f"{BIDS}/{first['fid']}")
    second = real.bid("second", volumes=[volume], script=where + "echo new >> log; sleep 0.3; tail -n 1 log")
    assert until(lambda: completion(real, second))["exit_code"] == 0
    assert output(real, second) == "new\n"
    real.delete(f"{BIDS}/{second['fid']}")
    assert real.delete(f"/v2/volumes/{volume}").status == 204
    assert list((real.sandbox.home / "volumes").iterdir()) == []


def test_a_machine_stopped_while_it_waits_for_its_volume_never_runs(real):
    volume = real.volume(interface="Block")["fid"]
    stubborn = f"trap '' TERM; echo up; {FOREVER}; {FOREVER}"
    first = real.bid("first", volumes=[volume], script=stubborn)
    until(lambda: output(real, first) == "up\n")
    real.delete(f"{BIDS}/{first['fid']}")
    second = real.bid("second", volumes=[volume], script="echo never")
    until(lambda: (folder(real, second) / "supervisor.json").exists())
    real.delete(f"{BIDS}/{second['fid']}")
    until(lambda: sleepers() == [])
    assert output(real, second) == ""
    assert completion(real, second) is None


def test_a_machine_keeps_within_its_limits(real):
    real.sandbox.configure(memory_gb=0.5, open_files=64)
    script = """
    ulimit -n; ulimit -c
    python3 -c 'bytearray(1 << 30)' 2>/dev/null && echo too much
    python3 -c 'bytearray(1 << 20); print("enough")'
    """
    bid = real.bid(script=script)
    assert until(lambda: completion(real, bid))["exit_code"] == 0
    assert output(real, bid).split() == ["64", "0", "enough"]


def test_a_reboot_keeps_the_boot_disk_and_a_refresh_does_not(real):
    desk = Desk(real.sandbox)
    desk.freeze()
    now = datetime.fromisoformat(desk.clock().now.isoformat())
    body = real.reservation_body(now, 3)
    body["launch_specification"]["startup_script"] = (
        f'echo ran >> "$FLOW_ROOT/root/ran"; cat "$FLOW_ROOT/root/ran"; exec {FOREVER}'
    )
    order = real.post("/v2/reservation", **body)
    fid = order["instances"][0]
    disk = folder(real, order) / "root/root/ran"

    def run_again():
        desk.advance(timedelta(minutes=1))
        assert real.get(f"/v2/instances/{fid}/status")["status"] == "STATUS_RUNNING"

    run_again()
    until(lambda: len(sleepers()) == 1)
    # Not in the document that answers are held against.
    bearer = {"authorization": f"Bearer {real.sandbox.api_key}"}
    assert real.sandbox.handle("POST", f"/v2/instances/{fid}/restart", "", bearer)[0] == 202
    until(lambda: sleepers() == [])
    run_again()
    assert disk.read_text() == "ran\n"

    assert real.patch("/v2/instances", instances=[fid], status="STATUS_PAUSED").status == 200
    desk.advance(timedelta(minutes=1))
    disk.write_text("changed\n")
    assert real.post(f"/v2/instances/{fid}/refresh-boot-disk").status == 200
    assert not disk.exists()
    assert real.patch("/v2/instances", instances=[fid], status="STATUS_RUNNING").status == 200
    run_again()
    # A new disk is booted for the first time.
    until(lambda: disk.exists() and disk.read_text() == "ran\n")
    until(lambda: len(sleepers()) == 1)
