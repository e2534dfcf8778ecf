"""Bids, their auction, their volumes (provider.md 2.1, 2.4, section 7)."""

import pytest

BIDS = "/v2/spot/bids"


def instances(client, bid):
    return client.get("/v2/instances", project=client.project, bid_fid_in=bid["fid"])["data"]


def events(client, bid):
    return [event["event_type"] for event in client.get(f"{BIDS}/{bid['fid']}/history")["events"]]


def test_a_bid_that_fits_is_allocated_at_once(client, clock):
    bid = client.bid(quantity=2)
    assert (bid.status, bid["status"]) == (201, "Allocated")
    found = instances(client, bid)
    assert {one["name"] for one in found} == {"job-1", "job-2"}
    assert {one["fid"] for one in found} == set(bid["instances"])
    assert {one["status"] for one in found} == {"STATUS_STARTING"}
    assert all(one["ssh_destination"] is None and one["private_ip"].startswith("127.") for one in found)
    clock.advance(1)
    assert {one["status"] for one in instances(client, bid)} == {"STATUS_RUNNING"}
    assert client.get(f"/v2/instances/{bid['instances'][0]}/status")["status"] == "STATUS_RUNNING"
    assert events(client, bid) == ["Placed", "Allocated"]


@pytest.mark.parametrize(
    ("given", "shown"), [("20", "$20.00"), ("20.5", "$20.50"), ("$1,000.00", "$1000.00")]
)
def test_limits_are_answered_in_the_usual_form(client, given, shown):
    assert client.bid(limit=given)["limit_price"] == shown


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"limit": "$7.99"}, 400),
        ({"limit": "cheap"}, 422),
        ({"quantity": 0}, 422),
        ({"quantity": 257}, 422),
        ({"name": "inst_x"}, 400),
        ({"name": "no spaces"}, 400),
        ({"region": "us-central1-a"}, 422),
        ({"instance_type": "it_none"}, 422),
        ({"project": "proj_other"}, 403),
        ({"ssh_keys": []}, 400),
        ({"ssh_keys": ["sshkey_none"]}, 404),
        ({"volumes": ["vol_none"]}, 404),
        ({"script": "x" * 10_001}, 422),
    ],
)
def test_a_refused_bid_leaves_nothing(client, change, status):
    answer = client.bid(**change)
    assert answer.status == status
    assert client.get(BIDS)["data"] == []


def test_the_minimum_is_named(client):
    assert client.bid(limit="$1.00").detail == "Limit price below minimum of $8.00"


def test_a_list_filters(client):
    one, two = client.bid("one"), client.bid("two")
    client.delete(f"{BIDS}/{one['fid']}")
    assert [bid["fid"] for bid in client.get(BIDS, name="two")["data"]] == [two["fid"]]
    assert [bid["fid"] for bid in client.get(BIDS, status="Terminated")["data"]] == [one["fid"]]
    assert len(client.get(BIDS, project=client.project)["data"]) == 2
    assert client.get(BIDS, region="us-central1-a")["data"] == []
    assert client.get(BIDS, status="Running").status == 422


def test_instances_filter_by_comma_lists(client):
    one, two, three = (client.bid(name) for name in ("one", "two", "three"))
    client.delete(f"{BIDS}/{three['fid']}")
    both = f"{one['fid']},{two['fid']}"
    found = client.get("/v2/instances", project=client.project, bid_fid_in=both)["data"]
    assert {item["bid"] for item in found} == {one["fid"], two["fid"]}
    statuses = "STATUS_TERMINATED,STATUS_ERROR"
    found = client.get("/v2/instances", project=client.project, status_in=statuses)["data"]
    assert [item["bid"] for item in found] == [three["fid"]]
    assert client.get("/v2/instances", project=client.project, order_type_in="Reservation")["data"] == []
    assert client.get("/v2/instances", project=client.project, status_in="STATUS_ODD").status == 422


def test_a_full_market_keeps_the_lower_bid_open_and_sets_the_price(client):
    first = client.bid("first", "$20.00", 16)
    second = client.bid("second", "$15.00", 1)
    assert (first["status"], second["status"]) == ("Allocated", "Open")
    row = next(r for r in client.get("/v2/spot/availability").body if r["instance_type"] == client.h100)
    assert (row["capacity"], row["last_instance_price"], row["lowest_allocated_price"]) == (
        0,
        "$15.00",
        "$20.00",
    )
    client.delete(f"{BIDS}/{first['fid']}")
    assert client.status(second["fid"]) == "Allocated"


def test_an_outbid_bid_gets_notice_and_comes_back(client, clock):
    low = client.bid("low", "$10.00", 16)
    high = client.bid("high", "$20.00", 16)
    assert (client.status(low["fid"]), client.status(high["fid"])) == ("Preempting", "Open")
    assert instances(client, low)[0]["status"] == "STATUS_PREEMPTING"
    clock.advance(301)
    assert (client.status(low["fid"]), client.status(high["fid"])) == ("Open", "Allocated")
    assert instances(client, low)[0]["status"] == "STATUS_PREEMPTED"
    client.delete(f"{BIDS}/{high['fid']}")
    assert client.status(low["fid"]) == "Allocated"
    assert set(client.get(f"{BIDS}/{low['fid']}")["instances"]) == set(low["instances"])
    assert events(client, low) == ["Placed", "Allocated", "Preempted", "Allocated"]


def test_raising_the_limit_during_notice_keeps_the_machines(client, clock):
    low = client.bid("low", "$10.00", 16)
    client.bid("high", "$20.00", 16)
    client.patch(f"{BIDS}/{low['fid']}", limit_price="$30.00")
    assert client.status(low["fid"]) == "Allocated"
    clock.advance(301)
    assert client.status(low["fid"]) == "Allocated"


def test_pause_and_unpause(client):
    bid = client.bid()
    assert client.patch(f"{BIDS}/{bid['fid']}", paused=True)["status"] == "Paused"
    assert client.patch(f"{BIDS}/{bid['fid']}", paused=True)["status"] == "Paused"
    assert instances(client, bid)[0]["status"] == "STATUS_PAUSED"
    assert client.patch(f"{BIDS}/{bid['fid']}", paused=False)["status"] == "Open"
    assert client.status(bid["fid"]) == "Allocated"
    assert [one["fid"] for one in instances(client, bid)] == bid["instances"]
    assert events(client, bid) == ["Placed", "Allocated", "Paused", "Resumed", "Allocated"]


def test_changing_a_bid(client):
    bid = client.bid()
    path = f"{BIDS}/{bid['fid']}"
    assert client.patch(path)["limit_price"] == "$20.00"
    assert client.patch(path, limit_price="25")["limit_price"] == "$25.00"
    assert client.patch(path, limit_price="$1.00").status == 400
    assert client.patch(path, paused="yes").status == 422
    assert client.patch(f"{BIDS}/bid_none", paused=True).status == 404


def test_termination_is_final_and_readable(client, clock):
    bid = client.bid()
    path = f"{BIDS}/{bid['fid']}"
    assert client.delete(path).status == 204
    gone = client.get(path)
    assert (gone["status"], gone["deactivated_at"]) == ("Terminated", clock.now.isoformat())
    assert instances(client, bid)[0]["status"] == "STATUS_TERMINATED"
    assert client.delete(path).status == 409
    assert client.patch(path, paused=True).status == 409
    client.sandbox.configure(delete_again_status=204)
    assert client.delete(path).status == 204


def test_a_volume_is_in_use_until_no_live_order_lists_it(client):
    volume = client.volume()
    bid = client.bid(volumes=[volume["fid"]])
    assert client.get("/v2/volumes", project=client.project).body[0]["bids"] == [bid["fid"]]
    refused = client.delete(f"/v2/volumes/{volume['fid']}")
    assert (refused.status, refused.detail) == (400, "Volume is in use")
    client.patch(f"{BIDS}/{bid['fid']}", paused=True)
    assert client.delete(f"/v2/volumes/{volume['fid']}").status == 400
    client.delete(f"{BIDS}/{bid['fid']}")
    assert client.delete(f"/v2/volumes/{volume['fid']}").status == 204
    assert client.delete(f"/v2/volumes/{volume['fid']}").status == 404
    assert client.get("/v2/volumes", project=client.project).body == []
    kept = client.get("/v2/volumes", project=client.project, include_deleted="true").body
    assert kept[0]["deleted_at"] is not None


def test_volume_names_are_unique_among_the_living(client):
    volume = client.volume("data")
    assert client.volume("data").status == 409
    other = client.volume("other")
    assert client.patch(f"/v2/volumes/{other['fid']}", name="data").status == 409
    assert client.patch(f"/v2/volumes/{other['fid']}", name="third")["name"] == "third"
    client.delete(f"/v2/volumes/{volume['fid']}")
    assert client.volume("data").status == 201


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"region": "us-central1-a"}, 403),
        ({"region": "mars"}, 422),
        ({"size": 20_000}, 422),
        ({"size": 40_000}, 422),
        ({"name": "Data"}, 422),
        ({"name": "x" * 65}, 422),
    ],
)
def test_a_refused_volume_leaves_nothing(client, change, status):
    assert client.volume(**change).status == status
    assert client.get("/v2/volumes", project=client.project).body == []


def test_block_volumes_belong_to_one_machine(client):
    block = client.volume(interface="Block")["fid"]
    assert client.bid(quantity=2, volumes=[block]).status == 400
    assert client.bid("first", volumes=[block]).status == 201
    assert client.bid("second", volumes=[block]).status == 400


def test_a_volume_elsewhere_is_refused(client):
    away = client.volume(region="us-central2-a")["fid"]
    assert client.bid(volumes=[away]).status == 400


def test_volumes_change_while_paused(client):
    volume = client.volume()["fid"]
    bid = client.bid()
    path = f"{BIDS}/{bid['fid']}"
    assert client.patch(path, volumes=[volume]).status == 400
    client.patch(path, paused=True)
    assert client.patch(path, volumes=[volume])["launch_specification"]["volumes"] == [volume]
    client.patch(path, paused=False)
    assert client.get("/v2/volumes", project=client.project).body[0]["bids"] == [bid["fid"]]
    assert events(client, bid)[2:] == ["Paused", "Volumes Attached", "Resumed", "Allocated"]
    client.sandbox.configure(volumes_need_pause=False)
    assert client.patch(path, volumes=[]).status == 200


def test_a_repeated_post_makes_two_bids_unless_the_key_is_honoured(client):
    def post(key):
        return client.call("POST", BIDS, client.bid_body(), headers={"Idempotency-Key": key})

    assert post("k1")["fid"] != post("k1")["fid"]
    client.sandbox.configure(honour_idempotency_key=True)
    first = post("k2")
    again = post("k2")
    assert (again.status, again.body) == (201, first.body)
    assert post("k3")["fid"] != first["fid"]
    other = client.call("POST", BIDS, client.bid_body("other"), headers={"Idempotency-Key": "k2"})
    assert other.status == 422


def test_bid_names_may_be_made_unique(client):
    assert client.bid("same").status == client.bid("same").status == 201
    client.sandbox.configure(unique_bid_names=True)
    refused = client.bid("same")
    assert (refused.status, refused.detail) == (400, "name already used")


def test_lists_may_lag(client, clock):
    client.sandbox.configure(list_lag_s=5)
    bid, _ = client.bid(), client.volume()
    assert client.get(BIDS, name="job")["data"] == []
    assert client.get("/v2/volumes", project=client.project).body == []
    assert client.get(f"{BIDS}/{bid['fid']}").status == 200
    clock.advance(5)
    assert len(client.get(BIDS, name="job")["data"]) == 1


def test_release_may_lag(client, clock):
    client.sandbox.configure(release_lag_s=30)
    volume = client.volume()["fid"]
    bid = client.bid(volumes=[volume])
    client.delete(f"{BIDS}/{bid['fid']}")
    assert client.delete(f"/v2/volumes/{volume}").status == 400
    clock.advance(31)
    assert client.delete(f"/v2/volumes/{volume}").status == 204


def test_an_unknown_switch_is_an_error(client):
    with pytest.raises(TypeError):
        client.sandbox.configure(colour="blue")
