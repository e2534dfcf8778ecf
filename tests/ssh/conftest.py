"""A sandbox served in this process: its API called directly, its instances reached over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from flowplan.client.remote import parse_destination
from flowplan.client.ssh import SshAccess
from flowplan.sandbox import open_sandbox
from flowplan.sandbox.enclosure import can_enclose

ENCLOSED = can_enclose()
REGION = "us-central1-b"


class Served:
    """The sandbox with an SSH server, and what a client of it needs to know."""

    def __init__(self, sandbox: Any) -> None:
        self.sandbox = sandbox
        self.project = self.call("GET", "/v2/projects")[0]["fid"]
        self.key = self.keys()[0]["fid"]
        names = {row["fid"]: row["name"] for row in self.call("GET", "/v2/instance-types")}
        self.type = next(
            row["instance_type"]
            for row in self.call("GET", "/v2/spot/availability")
            if row["region"] == REGION and names[row["instance_type"]] == "h100-80gb.sxm.8x"
        )

    def call(self, method: str, path: str, query: str = "", **body: Any) -> Any:
        headers = {"authorization": f"Bearer {self.sandbox.api_key}"}
        status, _, data = self.sandbox.handle(method, path, query, headers, json.dumps(body).encode())
        assert status < 300, data
        return json.loads(data) if data else None

    def keys(self) -> Any:
        return self.call("GET", "/v2/ssh-keys", f"project={self.project}")

    def bid(self, script: str | None = None, quantity: int = 1, keys: list[str] | None = None) -> str:
        launch = {"volumes": [], "ssh_keys": keys or [self.key], "startup_script": script}
        made = self.call(
            "POST",
            "/v2/spot/bids",
            project=self.project,
            region=REGION,
            instance_type=self.type,
            limit_price="$20.00",
            instance_quantity=quantity,
            name="job",
            launch_specification=launch,
        )
        return str(made["fid"])

    def end(self, bid: str) -> None:
        self.call("DELETE", f"/v2/spot/bids/{bid}")

    def instances(self, bid: str) -> list[Any]:
        order = self.call("GET", f"/v2/spot/bids/{bid}")["instances"]
        rows = self.call("GET", "/v2/instances", f"project={self.project}&bid_fid_in={bid}")["data"]
        return sorted(rows, key=lambda row: order.index(row["fid"]))

    def folder(self, bid: str, node: int = 0) -> Path:
        path: Path = self.sandbox.home / "instances" / self.instances(bid)[node]["fid"]
        return path

    async def destination(self, bid: str, node: int) -> tuple[str, int, str] | None:
        rows = self.instances(bid)
        if node >= len(rows) or rows[node]["ssh_destination"] is None:
            return None
        return parse_destination(rows[node]["ssh_destination"])

    async def up(self, bid: str) -> str:
        await until(lambda: all(row["ssh_destination"] for row in self.instances(bid)))
        return bid

    def access(self, key: Path | None = None, **options: Any) -> SshAccess:
        return SshAccess(self.destination, key or self.sandbox.ssh_key, **options)


async def until(condition: Callable[[], Any], timeout_s: float = 30) -> Any:
    """Look again and again for what another process will do; generous, so that a slow machine only waits longer."""
    async with asyncio.timeout(timeout_s):
        while not (found := condition()):
            await asyncio.sleep(0.01)
    return found


def ours(home: Path) -> list[str]:
    """The command lines of processes that name this sandbox's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(home) in line:
                found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


@asynccontextmanager
async def _serving(home: Path, enclose: bool) -> AsyncIterator[Served]:
    from flowplan.sandbox.ssh_server import SshServer

    sandbox = open_sandbox(home, boot_delay_s=0.01, enclose=enclose)
    server = SshServer(sandbox)
    try:
        yield Served(sandbox)
    finally:
        await server.close()
        sandbox.reset()
        sandbox.close()
        await until(lambda: ours(home) == [])


@pytest.fixture(
    params=[
        pytest.param(
            True,
            id="enclosed",
            marks=pytest.mark.skipif(not ENCLOSED, reason="this system does not let users make namespaces"),
        ),
        pytest.param(False, id="plain"),
    ]
)
def enclosed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def serving(tmp_path: Path, enclosed: bool) -> Callable[[], Any]:
    """Opens the served sandbox: ``async with serving() as served``. Nothing of it runs afterwards."""
    return lambda: _serving(tmp_path / "home", enclosed)
