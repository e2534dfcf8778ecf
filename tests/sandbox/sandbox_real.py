"""A sandbox that really runs commands, and what tests ask of its machines."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from flowplan.sandbox import open_sandbox
from flowplan.sandbox.enclosure import can_enclose

ENCLOSED = can_enclose()
needs_namespaces = pytest.mark.skipif(not ENCLOSED, reason="this system does not let users make namespaces")
# A mark of its own in each test process' command lines, so that its processes can be told from all others.
FOREVER = f"sleep {40_000_000 + os.getpid()}"


@pytest.fixture(
    params=[pytest.param(True, marks=needs_namespaces, id="enclosed"), pytest.param(False, id="plain")]
)
def enclosed(request):
    return request.param


@pytest.fixture
def real(tmp_path, make_client, enclosed):
    """A client of a sandbox that runs commands, with nothing left of it afterwards."""
    sandbox = open_sandbox(tmp_path / "home", boot_delay_s=0.01, enclose=enclosed)
    yield make_client(sandbox)
    sandbox.reset()
    sandbox.close()
    assert sleepers() == []


def until(condition, timeout_s=30):
    """Poll for what another process will do; generous, so that a slow machine only waits longer."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


def completion(client, bid):
    return asyncio.run(client.sandbox.access.completion(bid["fid"]))


def output(client, bid, stream="stdout", node=0):
    return asyncio.run(client.sandbox.access.log(bid["fid"], node, stream, 0))[0].decode()


def sleepers():
    """The processes that tests started to run for ever."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue
            if line == FOREVER:
                found.append(int(entry.name))
    return found


def folder(client, bid, node=0):
    return client.sandbox.home / "instances" / bid["instances"][node]
