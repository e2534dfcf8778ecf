"""Scripts, clusters, single instances, reservations in detail, prices (provider.md 2.2, 2.3, 2.6, 2.7, section 4)."""

import json
import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

SCRIPTS, CLUSTERS, RESERVATIONS = "/v2/lifecycle-scripts", "/v2/kubernetes/clusters", "/v2/reservation"


def script(client, name="setup", **more):
    return client.post(SCRIPTS, **{"project": client.project, "name": name, "content": "echo ü\n", **more})


def cluster(client, **more):
    place = {"project": client.project, "region": "us-central1-b", "instance_type": client.h100}
    return client.post(CLUSTERS, **{**place, "name": "k", "ssh_keys": [client.key], **more})


def reserve(client, clock, hours=4, quantity=2, **more):
    return client.post(RESERVATIONS, **client.reservation_body(clock.now, hours, quantity, **more))


def statuses(client, fid):
    found = client.get("/v2/instances/status/history", project=client.project, instance_fid=fid)
    return [event["status"].removeprefix("STATUS_") for event in found["instances"][0]["events"]]


# scripts


def test_a_script_lives_and_is_deleted(client, clock):
    made = script(client)
    assert (made["description"], made["scope"]) == ("", "PROJECT")
    assert client.get(f"{SCRIPTS}/{made['fid']}/content").body == "echo ü\n"
    assert made["content_url"].endswith(f"{SCRIPTS}/{made['fid']}/content")
    clock.advance(5)
    changed = client.patch(f"{SCRIPTS}/{made['fid']}", description="why", name="other")
    assert (changed["name"], changed["created_at"]) == ("other", made["created_at"])
    assert changed["last_modified_at"] > made["last_modified_at"]
    assert client.patch(f"{SCRIPTS}/{made['fid']}").body == changed.body
    assert client.delete(f"{SCRIPTS}/{made['fid']}").status == 204
    assert client.get(f"{SCRIPTS}/{made['fid']}/content").status == 404
    assert client.get(SCRIPTS, project=client.project)["data"] == []


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"content": ""}, {"scope": "PLATFORM"}, {"name": 3}, {"content": "x" * 1_000_001}],
)
def test_a_script_that_cannot_be(client, change):
    answer = script(client, **change)
    assert (answer.status, answer.places) == (422, {f"body.{next(iter(change))}"})


def test_scripts_sort_by_change(client, clock):
    fids = []
    for name in "abc":
        clock.advance(1)
        fids.append(script(client, name)["fid"])
    clock.advance(1)
    client.patch(f"{SCRIPTS}/{fids[0]}", description="newest")
    query = {"project": client.project, "sort_by": "last_modified_at"}
    listed = client.get(SCRIPTS, **query, limit=2)
    rest = client.get(SCRIPTS, **query, next_cursor=listed["next_cursor"])
    assert [row["fid"] for row in listed["data"] + rest["data"]] == [fids[0], fids[2], fids[1]]


def test_the_script_of_the_organization_is_seen_in_all_projects(client):
    from flowplan.sandbox import members

    made = script(client, scope="ORGANIZATION")
    project = members.add_project(client.sandbox, "other")
    user = members.add_user(client.sandbox, "ann", [project])
    headers = {"Authorization": f"Bearer {members.add_key(client.sandbox, user)}"}
    seen = client.call("GET", SCRIPTS, query={"project": project}, headers=headers)["data"]
    assert [row["fid"] for row in seen] == [made["fid"]]
    path = f"{SCRIPTS}/{made['fid']}"
    assert client.call("GET", f"{path}/content", headers=headers).status == 200
    assert client.call("PATCH", path, {"name": "x"}, headers=headers).status == 403
    assert client.call("DELETE", path, headers=headers).status == 403


# clusters


def test_a_cluster_comes_up_and_ends(client, clock):
    made = cluster(client)
    path = f"{CLUSTERS}/{made['fid']}"
    assert (made.status, made["status"], made["join_command"], made["k8s_version"]) == (
        201,
        "Pending",
        None,
        "1.34",
    )
    spec = {"volumes": [], "ssh_keys": [client.key], "kubernetes_cluster": made["fid"]}
    assert client.bid(launch_specification=spec).status == 400
    clock.advance(600)
    up = client.get(path)
    assert up["status"] == "Available" and up["kube_host"] and up["join_command"]
    bid = client.bid(quantity=2, launch_specification=spec)
    assert client.get(path)["instances"] == bid["instances"]
    assert client.delete(path).status == 409
    client.delete(f"/v2/spot/bids/{bid['fid']}")
    assert client.delete(path).status == 204
    gone = client.get(path)
    assert (gone["status"], gone["instances"], gone["join_command"]) == ("Terminated", [], None)
    assert gone["deleted_at"] is not None
    assert client.delete(path).status == 404
    assert client.bid(launch_specification=spec).status == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"ssh_keys": []}, 422),
        ({"ssh_keys": ["sshkey_none"]}, 404),
        ({"k8s_version": "1.0"}, 422),
        ({"region": "us-central1-a"}, 422),
        ({"instance_type": "it_none"}, 422),
        ({"name": "no spaces"}, 400),
        ({"image_version": "imgver_none"}, 404),
        ({"project": "proj_none"}, 403),
    ],
)
def test_a_cluster_that_cannot_be(client, change, status):
    assert cluster(client, **change).status == status
    assert client.get(CLUSTERS, project=client.project).body == []


def test_control_planes_have_images_of_their_own(client):
    image = client.get("/v2/mcc-image-versions", region="us-central1-b").body[0]["image_version_fid"]
    assert cluster(client, image_version=image).status == 201
    assert image not in {row["image_version_fid"] for row in client.get("/v2/image-versions").body}
    assert client.get("/v2/mcc-image-versions", region="nowhere").body == []


def test_images_that_are_over_cannot_be_chosen(client):
    spec = {"volumes": [], "ssh_keys": [client.key]}
    for row in client.get("/v2/image-versions").body:
        fid = row["image_version_fid"]
        answer = client.bid(launch_specification={**spec, "image_version": fid})
        assert answer.status == (201 if row["deactivated_at"] is None else 404)


# instances


def test_a_reserved_instance_is_paused_and_started(client, clock):
    made = reserve(client, clock)
    one, two = made["instances"]
    change = {"instances": [one], "status": "STATUS_PAUSED"}
    assert client.patch("/v2/instances", **change).status == 409
    clock.advance(60)
    assert client.patch("/v2/instances", **change).body == {"instances": {one: "STATUS_STOPPING"}}
    assert client.get(f"/v2/instances/{one}/status")["status"] == "STATUS_STOPPING"
    assert client.patch("/v2/instances", **change).status == 409
    clock.advance(60)
    assert client.get(f"/v2/instances/{one}/status")["status"] == "STATUS_PAUSED"
    assert client.patch("/v2/instances", **change).body == {"instances": {one: "STATUS_PAUSED"}}
    both = {"instances": [one, two], "status": "STATUS_RUNNING"}
    assert client.patch("/v2/instances", **both).body == {
        "instances": {one: "STATUS_CONFIRMED", two: "STATUS_RUNNING"}
    }
    clock.advance(60)
    assert statuses(client, one) == [
        *("NEW", "CONFIRMED", "INITIALIZING", "STARTING", "RUNNING", "STOPPING", "PAUSED"),
        *("CONFIRMED", "INITIALIZING", "STARTING", "RUNNING"),
    ]
    assert client.patch("/v2/instances", instances=[one, "inst_none"], status="STATUS_PAUSED").status == 404
    assert client.patch("/v2/instances", instances=[one, one], status="STATUS_PAUSED").status == 422
    assert client.patch("/v2/instances", instances=[], status="STATUS_PAUSED").body == {"instances": {}}
    spot = client.bid()["instances"]
    assert client.patch("/v2/instances", instances=[one, *spot], status="STATUS_PAUSED").status == 501
    assert client.get(f"/v2/instances/{one}/status")["status"] == "STATUS_RUNNING"


def test_starting_one_machine_wakes_a_paused_reservation(client, clock):
    made = reserve(client, clock)
    clock.advance(60)
    client.patch(f"{RESERVATIONS}/{made['fid']}", paused=True)
    client.patch("/v2/instances", instances=made["instances"][:1], status="STATUS_RUNNING")
    listed = client.get(RESERVATIONS, project=client.project)["data"][0]
    assert listed["status"] == "Active"


def test_a_boot_disk_is_refreshed_while_the_machine_is_paused(client, clock):
    one = reserve(client, clock)["instances"][0]
    path = f"/v2/instances/{one}/refresh-boot-disk"
    clock.advance(60)
    running = client.post(path)
    assert (running.status, running["reason"]) == (422, "INSTANCE_RUNNING")
    client.patch("/v2/instances", instances=[one], status="STATUS_PAUSED")
    clock.advance(60)
    wrong = client.post(path, image_version="imgver_none")
    assert (wrong.status, wrong["reason"]) == (422, "INVALID_IMAGE_VERSION")
    assert client.call("POST", path).body == {"fid": one, "image_version": None, "status": "REFRESHED"}
    image = client.get("/v2/image-versions").body[1]["image_version_fid"]
    assert client.post(path, image_version=image)["image_version"] == image
    assert client.post(path)["image_version"] == image
    assert client.post(path, image_version=3).status == 422
    assert client.post("/v2/instances/inst_none/refresh-boot-disk").status == 404
    spot = client.bid()["instances"][0]
    assert client.post(f"/v2/instances/{spot}/refresh-boot-disk").status == 501
    clock.advance(5 * 3600)
    assert client.post(path).status == 409


def test_a_restart_boots_again(client, clock):
    one = client.bid()["instances"][0]
    headers = {"Authorization": f"Bearer {client.sandbox.api_key}"}

    def restart():
        status, _, body = client.sandbox.handle("POST", f"/v2/instances/{one}/restart", headers=headers)
        return status, json.loads(body)

    assert restart()[0] == 409
    clock.advance(60)
    assert restart() == (202, {"fid": one, "status": "STATUS_CONFIRMED"})
    assert client.get(f"/v2/instances/{one}/status")["status"] == "STATUS_STARTING"
    clock.advance(60)
    assert client.get(f"/v2/instances/{one}/status")["status"] == "STATUS_RUNNING"


def test_instances_sort_by_status_and_type(client, clock):
    client.bid("a", quantity=2)
    clock.advance(60)
    gone = client.bid("b")
    client.delete(f"/v2/spot/bids/{gone['fid']}")
    client.bid("c")
    query = {"project": client.project, "sort_by": "instance_status", "sort_dir": "asc", "limit": 1}
    seen, cursor = [], None
    while cursor or not seen:
        found = client.get("/v2/instances", **query, **({"next_cursor": cursor} if cursor else {}))
        seen += [row["status"].removeprefix("STATUS_") for row in found["data"]]
        cursor = found["next_cursor"]
    assert seen == ["RUNNING", "RUNNING", "STARTING", "TERMINATED"]
    for wanted, count in (("STARTING", 1), ("RUNNING", 2), ("STARTING,RUNNING", 3), ("PAUSED", 0)):
        words = ",".join(f"STATUS_{word}" for word in wanted.split(","))
        assert len(client.get("/v2/instances", project=client.project, status_in=words)["data"]) == count
    by_type = client.get("/v2/instances", project=client.project, sort_by="instance_type_fid")["data"]
    assert len(by_type) == 4


def test_histories_tell_of_what_was_asked_for(client, clock):
    bid = client.bid(quantity=2)
    res = reserve(client, clock, quantity=1)
    clock.advance(60)
    path = "/v2/instances/status/history"
    assert len(client.get(path, project=client.project)["instances"]) == 3
    of_bid = client.get(path, project=client.project, bid_fid=bid["fid"])["instances"]
    assert {row["instance_fid"] for row in of_bid} == set(bid["instances"])
    assert {row["bid_fid"] for row in of_bid} == {bid["fid"]}
    both = client.get(path, project=client.project, bid_fid=bid["fid"], reservation_fid=res["fid"])
    assert both["instances"] == []
    first = client.get(path, project=client.project, limit=2)
    rest = client.get(path, project=client.project, limit=2, next_cursor=first["next_cursor"])
    assert len(first["instances"]) == 2 and len(rest["instances"]) == 1
    late = (clock.now + timedelta(hours=1)).isoformat()
    assert client.get(path, project=client.project, start_time=late)["instances"][0]["events"] == []
    early = clock.now.isoformat()
    assert client.get(path, project=client.project, start_time=late, end_time=early).status == 422
    assert client.get(path, project=client.project, instance_fid="inst_none").status == 404
    prices = client.get("/v2/instances/pricing/history", project=client.project, reservation_fid=res["fid"])
    events = prices["instances"][0]["events"]
    assert [(event["price_cents"], event["end_time"]) for event in events] == [(1600, None)]


# reservations


def test_the_flexible_offer_costs_more_and_credits_more(client, clock):
    body = client.reservation_body(clock.now, 4, 2)
    query = {key: body[key] for key in ("project", "instance_type", "region", "start_time", "end_time")}
    standard, flexible = client.get(f"{RESERVATIONS}/quote", **query, quantity=2)["offers"]
    assert (standard["unit_price"], flexible["unit_price"]) == ("$16.00", "$19.20")
    assert (standard["option_premium"], flexible["option_premium"]) == ("$0.00", "$25.60")
    made = reserve(client, clock, price_specification={"offer_key": "flexible"})
    assert (made["unit_price"], made["total_price"]) == ("$19.20", flexible["total_price"])
    assert reserve(client, clock, price_specification={"offer_key": "cheap"}).status == 422


def test_returned_capacity_is_credited_and_sold_again(client, clock):
    made = reserve(client, clock, hours=4, quantity=16)
    fids, path = made["instances"], f"{RESERVATIONS}/{made['fid']}"
    bid = client.bid()
    assert bid["status"] == "Open"
    clock.advance(3600)
    answer = client.post(f"{path}/terminate-instances", instances=fids[:2], reduce_capacity=True)
    assert answer.body == {"terminated_instances": fids[:2]}
    assert client.status(bid["fid"]) == "Allocated"
    left = client.get(RESERVATIONS, project=client.project)["data"][0]
    assert (left["instance_quantity"], left["instances"], left["status"]) == (14, fids[2:], "Active")
    summary = client.get(f"{path}/usage")["summary"]
    assert summary["early_termination_credits_cents"] == 2 * 3 * 800
    assert summary["net_cost_cents"] == 4 * 16 * 1600 - 2 * 3 * 800
    assert client.get(f"/v2/instances/{fids[0]}/status")["status"] == "STATUS_TERMINATED"
    again = client.post(f"{path}/terminate-instances", instances=fids[:1], reduce_capacity=True)
    assert again.status == 404


def test_returning_everything_ends_the_reservation(client, clock):
    made = reserve(client, clock)
    path = f"{RESERVATIONS}/{made['fid']}"
    assert (
        client.post(f"{path}/terminate-instances", instances=made["instances"], reduce_capacity=True).status
        == 502
    )
    clock.advance(60)
    client.patch("/v2/instances", instances=made["instances"][:1], status="STATUS_PAUSED")
    part = client.post(f"{path}/terminate-instances", instances=made["instances"], reduce_capacity=True)
    assert (part.status, part["terminated_instances"]) == (207, made["instances"][1:])
    clock.advance(60)
    rest = client.post(f"{path}/terminate-instances", instances=made["instances"][:1], reduce_capacity=True)
    assert rest.status == 200
    assert client.get(RESERVATIONS, project=client.project)["data"][0]["status"] == "Ended"
    over = client.post(f"{path}/terminate-instances", instances=made["instances"], reduce_capacity=True)
    assert over.status == 400
    events = [event["event_type"] for event in client.get(f"{path}/history")["events"]]
    assert events == ["Placed", "Terms Set", "Active", "Terms Changed", "Terms Changed", "Ended"]


@pytest.mark.parametrize(
    "body",
    [{}, {"instances": []}, {"instances": ["a", "a"]}, {"instances": ["a"], "reduce_capacity": False}],
)
def test_a_return_that_cannot_be(client, clock, body):
    path = f"{RESERVATIONS}/{reserve(client, clock)['fid']}/terminate-instances"
    assert client.call("POST", path, body).status == 422


def test_history_and_usage_tell_the_whole_story(client, clock):
    made = reserve(client, clock, hours=5, quantity=2)
    path = f"{RESERVATIONS}/{made['fid']}"
    clock.advance(3600)
    client.patch(path, paused=True)
    clock.advance(2 * 3600)
    client.patch(path, paused=False)
    clock.advance(1800)
    client.post(f"{path}/extend", end_time=(clock.now + timedelta(hours=4, minutes=30)).isoformat())
    clock.advance(10 * 3600)
    history = client.get(f"{path}/history")["events"]
    assert [event["event_type"] for event in history] == [
        *("Placed", "Terms Set", "Active", "Paused", "Resumed", "Terms Changed", "Ended")
    ]
    assert history[1]["unit_price_cents"] == 1600 and history[2]["user_id"] is None
    usage = client.get(f"{path}/usage")
    assert usage["reservation"]["status"] == "Terminated"
    assert [grant["quantity"] for grant in usage["grants"]] == [2, 2]
    summary = usage["summary"]
    assert summary["committed_cost_cents"] == 2 * 8 * 1600
    assert summary["flex_use_credits_cents"] == 2 * 2 * 400
    assert summary["reserved_instance_hours"] == "PT16H"
    hours = {name: _hours(summary[f"{name}_instance_hours"]) for name in ("reserved", "active", "idle")}
    assert hours["active"] == pytest.approx(12, abs=0.01)
    assert hours["active"] + hours["idle"] == pytest.approx(hours["reserved"], abs=0.01)
    assert [event["event_type"] for event in usage["reservation_events"]] == ["Started", "Paused", "Extended"]
    assert len({event["id"] for event in usage["pricing_events"]}) == len(usage["pricing_events"])


def test_a_short_pause_brings_no_credit(client, clock):
    made = reserve(client, clock)
    path = f"{RESERVATIONS}/{made['fid']}"
    clock.advance(60)
    client.patch(path, paused=True)
    clock.advance(3599)
    assert client.get(f"{path}/usage")["summary"]["flex_use_credits_cents"] == 0
    clock.advance(1)
    assert client.get(f"{path}/usage")["summary"]["flex_use_credits_cents"] == 2 * 400


@given(st.integers(0, 10**9))
def test_durations_are_whole_seconds(seconds):
    from flowplan.sandbox.world.usage import _duration

    match = re.fullmatch(r"PT(\d+)H(?:(\d+)M(\d+)S)?", _duration(timedelta(seconds=seconds)))
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    assert hours * 3600 + minutes * 60 + rest == seconds


def _hours(text):
    hours, minutes, seconds = (
        int(part or 0) for part in re.fullmatch(r"PT(\d+)H(?:(\d+)M(\d+)S)?", text).groups()
    )
    return hours + minutes / 60 + seconds / 3600


# prices


def test_price_history_is_sampled_or_whole(client, clock):
    client.bid("first", "$20.00", 16)
    clock.advance(3600)
    client.bid("second", "$15.00", 1)
    clock.advance(3600)
    path = "/v2/pricing/history"
    query = {"instance_types": client.h100, "start_time": (clock.now - timedelta(hours=3)).isoformat()}
    whole = client.get(path, **query, num_samples=-1)["series"][0]
    assert whole["spot_prices"] == ["$8.00", "$15.00"]
    assert datetime.fromisoformat(whole["timestamps"][1]) == clock.now - timedelta(hours=1)
    sampled = client.get(path, **query, num_samples=4)["series"][0]
    assert sampled["spot_prices"] == ["$8.00", "$8.00", "$15.00", "$15.00"]
    assert datetime.fromisoformat(sampled["timestamps"][-1]) == clock.now
    assert sampled["reserved_prices"] == ["$16.00"] * 4
    assert client.get(path, **query, num_samples=0)["series"][0]["timestamps"] == []
    assert len(client.get(path)["series"][0]["timestamps"]) == 100
    assert client.get(path, region="nowhere")["series"] == []
    assert client.get(path, num_samples=1001).status == 422
    assert client.get(path, start_time=(clock.now + timedelta(hours=1)).isoformat()).status == 422
    two = client.get(path, instance_types=f"{client.h100},{client.types['h200.8x', 'us-central1-b']},it_none")
    assert len(two["series"]) == 2
