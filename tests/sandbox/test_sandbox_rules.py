"""The switches for what the provider does not document (provider.md 7): each changes what a client sees, and only that."""

from __future__ import annotations

import json
from datetime import timedelta

from flowplan.sandbox.desk import Desk
from flowplan.sandbox.faults.kinds import read_scenario

BIDS = "/v2/spot/bids"


def names(client, **query):
    return [row["name"] for row in client.get(BIDS, **query)["data"]]


def test_the_length_and_order_of_a_page_that_says_nothing(client):
    for number in range(6):
        client.bid(f"job{number}")
    assert names(client) == [f"job{number}" for number in reversed(range(6))]
    client.sandbox.configure(page_size=4, newest_first=False)
    assert names(client) == ["job0", "job1", "job2", "job3"]
    assert names(client, sort_dir="desc", limit=2) == ["job5", "job4"]
    cursor = client.get(BIDS)["next_cursor"]
    assert names(client, next_cursor=cursor) == ["job4", "job5"]


def test_too_many_requests_a_second_are_told_when_to_come_again(client, clock):
    def ask():
        headers = {"authorization": f"Bearer {client.sandbox.api_key}"}
        status, answered, _ = client.sandbox.handle("GET", "/v2/me", "", headers)
        return status, answered.get("retry-after")

    client.sandbox.configure(requests_per_s=2)
    assert [ask()[0] for _ in range(4)] == [200, 200, 429, 429]
    assert ask() == (429, "1")
    clock.advance(1)
    assert [ask()[0] for _ in range(3)] == [200, 200, 429]
    client.sandbox.configure(requests_per_s=0.1)
    assert ask() == (429, "10")
    clock.advance(10)
    assert ask() == (200, None)
    client.sandbox.configure(requests_per_s=None)
    assert [ask()[0] for _ in range(9)] == [200] * 9


def test_a_pause_may_take_its_time(client):
    desk = Desk(client.sandbox)
    desk.freeze()
    client.sandbox.configure(pause_s=30)
    volume = client.volume()["fid"]
    bid = client.bid()["fid"]
    path = f"{BIDS}/{bid}"
    assert client.patch(path, paused=True)["status"] == "Allocated"
    assert client.patch(path, volumes=[volume], paused=True).status == 400
    desk.advance(timedelta(seconds=29))
    assert client.status(bid) == "Allocated"
    desk.advance(timedelta(seconds=1))
    assert client.status(bid) == "Paused"
    assert client.patch(path, volumes=[volume]).status == 200
    client.patch(path, paused=False)
    assert client.status(bid) == "Allocated"
    # One that is taken back, and one that the end of the bid overtakes.
    client.patch(path, paused=True)
    client.patch(path, paused=False)
    desk.advance(timedelta(minutes=1))
    assert client.status(bid) == "Allocated"
    client.patch(path, paused=True)
    client.delete(path)
    desk.advance(timedelta(minutes=1))
    assert client.status(bid) == "Terminated"
    kinds = [event["event_type"] for event in client.get(f"{path}/history")["events"]]
    assert kinds[-2:] == ["Allocated", "Terminated"]
    assert kinds.count("Paused") == 1


def test_a_pause_overtakes_a_notice_of_preemption(client):
    desk = Desk(client.sandbox)
    desk.freeze()
    client.sandbox.configure(pause_s=30)
    bid = client.bid("job", "$10.00")["fid"]
    desk.override("*", price_cents=5000)
    client.patch(f"{BIDS}/{bid}", paused=True)
    assert client.status(bid) == "Preempting"
    desk.advance(timedelta(minutes=10))
    assert client.status(bid) == "Paused"


def test_a_reservation_that_the_provider_cancels(client):
    desk = Desk(client.sandbox)
    desk.freeze()
    order = client.post("/v2/reservation", **client.reservation_body(desk.clock().now, 5, 2))
    desk.advance(timedelta(hours=1))
    desk.add_fault("vanish", object="reservation", name="block")
    (row,) = client.get("/v2/reservation", project=client.project, status="Canceled")["data"]
    assert (row["fid"], row["deactivated_at"]) == (order["fid"], desk.clock().now.isoformat())
    states = {one["status"] for one in client.get("/v2/instances", project=client.project)["data"]}
    assert states == {"STATUS_TERMINATED"}
    path = f"/v2/reservation/{order['fid']}"
    assert client.get(f"{path}/history")["events"][-1]["event_type"] == "Canceled"
    assert client.get(f"{path}/usage")["reservation"]["status"] == "Terminated"
    assert client.patch(path, paused=True).status == 400
    desk.advance(timedelta(hours=9))
    assert client.get("/v2/reservation", project=client.project)["data"][0]["status"] == "Canceled"


def test_every_rule_can_be_said_in_a_scenario_and_is_told_of():
    from pathlib import Path

    from attrs import fields

    from flowplan.sandbox.world.records import Rules

    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
    table = page[page.index("| rule |") :]
    for rule in fields(Rules):
        if rule.name in ("fid", "seq", "seed"):
            continue
        default = rule.default
        value = 5 if default is None else f"{default:g}s" if isinstance(default, float) else default
        scenario, problems = read_scenario(json.loads(json.dumps({"rules": {rule.name: value}})))
        assert not problems, problems
        assert rule.name in scenario.rules
        assert f"`{rule.name}`" in table, f"docs/sandbox.md does not tell of {rule.name}"
