"""Cost: a list page costs what it shows, however much else there is."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

import pytest

from flowplan.sandbox.world.records import Bid, Instance, InstanceEvent, LaunchSpec

SCRIPT = "#!/bin/sh\n" + "echo line\n" * 900
STATES = ("TERMINATED", "RUNNING", "PAUSED", "PREEMPTED")


def fill(client: Any, bids: int, per_bid: int) -> None:
    """Bids and instances of all states, as a long history leaves them behind."""
    types = sorted(client.types.values())
    with client.sandbox.changing() as (world, moment):
        for number in range(bids):
            at = moment.now - timedelta(days=1) + timedelta(seconds=number)
            fid, type_fid = f"bid_{number:016}", types[number % len(types)]
            fids = tuple(f"inst_{number:08}{node:08}" for node in range(per_bid))
            world.put(
                Bid(
                    fid,
                    world.take_seq(),
                    f"job-{number}",
                    client.project,
                    world.identity.user,
                    at,
                    2000,
                    per_bid,
                    type_fid,
                    "us-central1-b",
                    LaunchSpec((), (client.key,), world.texts.keep(SCRIPT)),
                    status="Terminated",
                    instances=fids,
                    deactivated_at=at,
                )
            )
            for node, instance in enumerate(fids):
                state = STATES[(number + node) % len(STATES)]
                world.put(
                    Instance(
                        instance,
                        world.take_seq(),
                        f"job-{number}-{node}",
                        client.project,
                        world.identity.user,
                        at,
                        type_fid,
                        "us-central1-b",
                        "127.0.0.1",
                        bid=fid,
                        state=state,
                        running_at=at,
                        events=(InstanceEvent(at, state),),
                    )
                )


def calls(client: Any, path: str, **query: Any) -> tuple[int, int]:
    """How many functions a request calls, and how many rows it shows: a cost that does not depend on the machine."""
    from urllib.parse import urlencode

    headers = {"Authorization": f"Bearer {client.sandbox.api_key}"}
    words = urlencode(query)
    client.sandbox.handle("GET", path, words, headers)
    count = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        status, _, body = client.sandbox.handle("GET", path, words, headers)
    finally:
        sys.setprofile(None)
    assert status == 200
    found = json.loads(body)
    return count, len(found.get("data", found.get("instances")))


QUERIES: list[tuple[str, dict[str, Any]]] = [
    ("/v2/spot/bids", {"limit": 20}),
    ("/v2/spot/bids", {"limit": 20, "sort_by": "status", "sort_dir": "asc"}),
    ("/v2/spot/bids", {"limit": 20, "name": "job-30"}),
    ("/v2/instances", {"limit": 20}),
    ("/v2/instances", {"limit": 20, "sort_by": "instance_status"}),
    ("/v2/instances", {"limit": 20, "sort_by": "instance_type_fid", "sort_dir": "asc"}),
    ("/v2/instances", {"limit": 20, "status_in": "STATUS_RUNNING,STATUS_PAUSED"}),
    ("/v2/instances", {"limit": 20, "status_in": "STATUS_STARTING"}),
    ("/v2/instances", {"limit": 20, "bid_fid_in": f"bid_{30:016},bid_{31:016}"}),
    ("/v2/instances/status/history", {"limit": 20}),
    ("/v2/instances/pricing/history", {"limit": 20, "bid_fid": f"bid_{30:016}"}),
]


def test_a_page_costs_the_same_among_many(client, make_client, clock, tmp_path):
    from flowplan.sandbox import open_sandbox

    large = make_client(open_sandbox(tmp_path / "large", clock, execute=False))
    fill(client, 40, 5)
    fill(large, 2000, 5)
    for path, query in QUERIES:
        small_cost, small_rows = calls(client, path, project=client.project, **query)
        cost, rows = calls(large, path, project=large.project, **query)
        assert rows == small_rows, (path, query)
        assert cost <= small_cost * 1.5 + 100, (path, query, small_cost, cost)
    large.sandbox.close()


def test_every_page_of_many_instances_costs_the_same(client):
    fill(client, 400, 5)
    costs, cursor = [], None
    for _ in range(20):
        query = {"project": client.project, "limit": 100, **({"next_cursor": cursor} if cursor else {})}
        costs.append(calls(client, "/v2/instances", **query)[0])
        cursor = client.get("/v2/instances", **query)["next_cursor"]
    assert cursor is None
    assert max(costs) <= min(costs) * 1.1


def test_a_list_of_bids_carries_every_script(client):
    fill(client, 30, 1)
    for _ in range(2):
        rows = client.get("/v2/spot/bids", project=client.project, limit=100)["data"]
        assert {row["launch_specification"]["startup_script"] for row in rows} == {SCRIPT}
    fid = client.bid(script="one")["fid"]
    client.delete(f"/v2/spot/bids/{fid}")
    newest = client.get("/v2/spot/bids", project=client.project, limit=1)["data"][0]
    assert (newest["fid"], newest["status"]) == (fid, "Terminated")
    assert newest == client.get(f"/v2/spot/bids/{fid}").body


@pytest.mark.parametrize("size", [1, 1 << 24])
def test_rendered_objects_are_kept_within_bounds(client, size):
    from flowplan.sandbox.world import world as world_module
    from flowplan.sandbox.world.records import Auction
    from flowplan.sandbox.world.world import World

    world, made = World(), []
    for number in range(8):
        value = Auction(f"it_{number}", number, 1)
        text = world.rendered(value, lambda value: made.append(value.fid) or "x" * size)
        assert world.rendered(value, lambda value: "never") == text
    assert len(made) == 8
    assert sum(len(text) for _, text in world._rendered.values()) <= world_module._MOST_RENDERED
