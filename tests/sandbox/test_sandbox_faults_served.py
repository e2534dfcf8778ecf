"""Faults as a client meets them on a socket."""

import json
from collections.abc import Iterator
from http.client import BadStatusLine, IncompleteRead
from pathlib import Path

import pytest
from sandbox_served import Served

from flowplan.sandbox.desk import Desk

pytestmark = pytest.mark.process


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "home")
    yield made
    made.close()


def test_connections_break_as_they_do_in_life(served):
    desk = Desk(served.sandbox)
    bearer = {"Authorization": f"Bearer {served.sandbox.api_key}"}
    desk.add_fault("lost", path="/v2/projects", nth=1)
    desk.add_fault("truncated", path="/v2/projects", nth=2)
    desk.add_fault("throttle", path="/v2/projects", nth=3, retry_after=5)
    desk.add_fault("latency", path="/v2/me", mean=0.01)
    with pytest.raises((BadStatusLine, ConnectionError)):
        served.get("/v2/projects", **bearer)
    with pytest.raises(IncompleteRead) as partial:
        served.get("/v2/projects", **bearer)
    assert partial.value.partial.startswith(b"[{")
    status, headers, _ = served.get("/v2/projects", **bearer)
    assert (status, headers["retry-after"]) == (429, "5")
    status, _, body = served.get("/v2/projects", **bearer)
    assert status == 200
    assert json.loads(body)[0]["name"] == "sandbox"
    assert served.get("/v2/me", **bearer)[0] == 200
    assert (served.sandbox.home / "served.log").read_bytes() == b""
