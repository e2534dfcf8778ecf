"""Every kind of object: nothing acknowledged is lost when the process is killed, and two processes agree."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sandbox_killing import Killing

from flowplan.sandbox import open_sandbox

pytestmark = pytest.mark.process

PROGRAM = """
import json, sys
from pathlib import Path
from flowplan.sandbox import open_sandbox
sandbox = open_sandbox(Path(sys.argv[1]), execute=False)
headers = {"Authorization": f"Bearer {sandbox.api_key}"}
for line in sys.stdin:
    method, path, body = json.loads(line)
    status, _, data = sandbox.handle(method, path, "", headers, json.dumps(body).encode())
    print(json.dumps([status, json.loads(data or b"null")]), flush=True)
"""
LISTS = {
    "/v2/api-keys": "",
    "/v2/ssh-keys": "",
    "/v2/lifecycle-scripts": "data",
    "/v2/kubernetes/clusters": "",
    "/v2/volumes": "",
    "/v2/spot/bids": "data",
    "/v2/reservation": "data",
}
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA somebody"


class Other:
    """A sandbox in a process of its own."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-c", PROGRAM, str(home)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, method: str, path: str, body: Any = None) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([method, path, body]) + "\n")
        self.process.stdin.flush()

    def receive(self) -> tuple[int, Any]:
        assert self.process.stdout is not None
        status, body = json.loads(self.process.stdout.readline())
        return status, body

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def live(tmp_path, make_client):
    client = make_client(open_sandbox(tmp_path / "home", execute=False))
    yield client
    client.sandbox.close()


def bodies(client: Any, name: str) -> dict[str, dict[str, Any]]:
    now = datetime.now(UTC)
    place = {"project": client.project, "region": "us-central1-b", "instance_type": client.h100}
    start = now + timedelta(hours=1)
    return {
        "/v2/api-keys": {"name": name, "expires_at": (now + timedelta(days=1)).isoformat()},
        "/v2/ssh-keys": {"project": client.project, "name": name, "public_key": _KEY},
        "/v2/lifecycle-scripts": {"project": client.project, "name": name, "content": name},
        "/v2/kubernetes/clusters": {**place, "name": name, "ssh_keys": [client.key]},
        "/v2/volumes": {
            "project": client.project,
            "name": name,
            "disk_interface": "File",
            "region": "us-central1-b",
            "size_gb": 1,
        },
        "/v2/spot/bids": client.bid_body(name),
        "/v2/reservation": {**client.reservation_body(start, 3), "name": name},
    }


def listed(client: Any, path: str) -> dict[str, Any]:
    answer = client.get(path, project=client.project, limit=100)
    rows = answer[LISTS[path]] if LISTS[path] else answer.body
    return {row["fid"]: row for row in rows}


def test_sigkill_loses_nothing_acknowledged(live):
    kept: dict[str, dict[str, Any]] = {path: {} for path in LISTS}
    gone: set[str] = set()
    for round_number in range(3):
        other = Other(live.sandbox.home)
        sent = []
        for number in range(3):
            for path, body in bodies(live, f"k{round_number}-{number}").items():
                other.send("POST", path, body)
                sent.append(path)
        # Killed with requests still in the pipe: what was answered until then must stand.
        for path in sent[: 7 + 5 * round_number]:
            status, made = other.receive()
            assert status == 201, made
            kept[path][made["fid"]] = made
        if round_number:
            for path in ("/v2/lifecycle-scripts", "/v2/ssh-keys"):
                fid = next(fid for fid in kept[path] if fid not in gone)
                other.send("DELETE", f"{path}/{fid}")
                gone.add(fid)
            waiting = len(sent) - (7 + 5 * round_number) + 2
            answers = [other.receive() for _ in range(waiting)]
            assert [status for status, _ in answers[-2:]] == [204, 204]
        other.kill()
    again = type(live)(open_sandbox(live.sandbox.home, execute=False))
    for client in (live, again):
        for path, made in kept.items():
            rows = listed(client, path)
            for fid, row in made.items():
                if fid in gone:
                    assert fid not in rows
                else:
                    assert rows[fid]["name"] == row["name"]
    again.sandbox.close()


def test_servers_killed_amid_writers_lose_nothing_acknowledged(tmp_path):
    killing = Killing(tmp_path / "home", seed=1)
    for _ in range(2):
        killing.round()
    assert killing.acknowledged >= 4


def test_two_processes_share_every_kind(live):
    others = [Other(live.sandbox.home) for _ in range(2)]
    for number in range(5):
        for index, other in enumerate(others):
            for path, body in bodies(live, f"p{index}-{number}").items():
                other.send("POST", path, body)
    made = [(path, other.receive()) for other in others for _ in range(5) for path in LISTS]
    assert {status for _, (status, _) in made} == {201}
    for path in LISTS:
        assert {row["fid"] for at, (_, row) in made if at == path} <= set(listed(live, path)), path
    for other in others:
        other.kill()
