"""Reservations (provider.md 2.3)."""

from datetime import timedelta

import pytest

PATH = "/v2/reservation"


def reserve(client, start, hours=3.0, quantity=1, **more):
    return client.post(PATH, **client.reservation_body(start, hours, quantity, **more))


def listed(client, fid):
    found = client.get(PATH, project=client.project, limit=100)["data"]
    return next(item for item in found if item["fid"] == fid)


def test_it_runs_from_start_to_end(client, clock):
    made = reserve(client, clock.now + timedelta(hours=1), 3, 2)
    assert (made.status, made["status"], made["instances"]) == (201, "Pending", [])
    assert (made["unit_price"], made["total_price"]) == ("$16.00", "$96.00")
    clock.advance(3600)
    running = listed(client, made["fid"])
    assert running["status"] == "Active"
    assert len(running["instances"]) == 2
    path = "/v2/instances"
    found = client.get(path, project=client.project, reservation_fid_in=made["fid"])["data"]
    assert {one["reservation"] for one in found} == {made["fid"]}
    assert client.get(f"{path}/{found[0]['fid']}/status")["end_time"] == made["end_time"]
    clock.advance(3 * 3600)
    ended = listed(client, made["fid"])
    assert (ended["status"], ended["deactivated_at"]) == ("Ended", made["end_time"])
    assert client.patch(f"{PATH}/{made['fid']}", paused=True).status == 400


def test_one_that_starts_now_is_active_at_once(client, clock):
    assert reserve(client, clock.now.replace(second=0))["status"] == "Active"


@pytest.mark.parametrize(("start_in", "hours"), [(-7200, 3), (0, 2), (0, 337), (0, 3.5)])
def test_lengths_and_starts_that_cannot_be(client, clock, start_in, hours):
    assert reserve(client, clock.now + timedelta(seconds=start_in), hours).status == 422


def test_a_time_without_offset_is_422(client, clock):
    answer = reserve(client, clock.now, start_time="2026-12-01T00:00:00")
    assert (answer.status, answer.places) == (422, {"body.start_time"})


def test_capacity_is_shared_over_time(client, clock):
    assert reserve(client, clock.now, 3, 16).status == 201
    refused = reserve(client, clock.now + timedelta(hours=2), 3, 1)
    assert (refused.status, refused.detail) == (400, "Insufficient capacity")
    assert reserve(client, clock.now + timedelta(hours=3), 3, 16).status == 201


def test_availability_in_its_three_modes(client, clock):
    reserve(client, clock.now + timedelta(hours=10), 5, 10)
    query = {"project": client.project, "instance_type": client.h100, "region": "us-central1-b"}
    start, end = clock.now.isoformat(), (clock.now + timedelta(hours=12)).isoformat()
    path = f"{PATH}/availability"
    check = client.get(path, **query, mode="check", start_time=start, end_time=end, quantity=7)
    assert check.body == {"available": False}
    check = client.get(path, **query, mode="check", start_time=start, end_time=end, quantity=6)
    assert check.body == {"available": True}
    latest = client.get(path, **query, start_time=start, quantity=7)
    assert latest.body == {
        "latest_end_time": (clock.now + timedelta(hours=10)).isoformat(),
        "available": True,
    }
    slots = client.get(path, **query, mode="slots", earliest_start_time=start, latest_end_time=end).body
    assert [slot["quantity"] for slot in slots] == [16, 6]
    assert client.get(path, **query, mode="check").status == 422


def test_a_quote_is_what_is_charged(client, clock):
    query = {"project": client.project, "instance_type": client.h100, "region": "us-central1-b"}
    body = client.reservation_body(clock.now, 4, 3)
    times = {key: body[key] for key in ("start_time", "end_time")}
    offer = client.get(f"{PATH}/quote", **query, **times, quantity=3)["offers"][0]
    made = client.post(PATH, **body, price_specification={"max_unit_price": 1600})
    assert (offer["key"], offer["total_price"]) == ("standard", made["total_price"])
    assert client.post(PATH, **body, price_specification={"max_unit_price": 1599}).status == 400


def test_extend(client, clock):
    made = reserve(client, clock.now, 3)
    path = f"{PATH}/{made['fid']}"
    room = client.get(f"{path}/extension-availability")
    assert room.body == {
        "latest_extension_time": (clock.now + timedelta(hours=336)).isoformat(),
        "available": True,
    }
    longer = client.post(f"{path}/extend", end_time=(clock.now + timedelta(hours=5)).isoformat())
    assert (longer["total_price"], longer["unit_price"]) == ("$80.00", "$16.00")
    assert client.post(f"{path}/extend", end_time=(clock.now + timedelta(hours=4)).isoformat()).status == 422
    assert (
        client.post(f"{path}/extend", end_time=(clock.now + timedelta(hours=400)).isoformat()).status == 422
    )


def test_pause_keeps_the_machines_and_the_volumes(client, clock):
    volume = client.volume()["fid"]
    spec = {"volumes": [volume], "ssh_keys": [client.key]}
    made = reserve(client, clock.now, launch_specification=spec)
    assert client.patch(f"{PATH}/{made['fid']}", paused=True)["status"] == "Paused"
    assert client.delete(f"/v2/volumes/{volume}").status == 400
    assert client.patch(f"{PATH}/{made['fid']}", paused=False)["status"] == "Active"
    client.patch(f"{PATH}/{made['fid']}", volumes=[])
    assert client.delete(f"/v2/volumes/{volume}").status == 204


def test_a_reservation_displaces_spot_bids(client, clock):
    bid = client.bid(quantity=16)
    reserve(client, clock.now, 3, 1)
    assert client.status(bid["fid"]) == "Preempting"
    clock.advance(301)
    assert client.status(bid["fid"]) == "Open"
    clock.advance(3 * 3600)
    assert client.status(bid["fid"]) == "Allocated"
