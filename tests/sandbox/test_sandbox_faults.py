"""Faults on demand: what they do to requests and to the world; the same seed gives the same run."""

import asyncio
import json
import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.sandbox import open_sandbox
from flowplan.sandbox.desk import Desk
from flowplan.sandbox.faults.kinds import KINDS, read_fault, read_scenario
from flowplan.sandbox.faults.strikes import Broken
from flowplan.values.diagnostic import FlowplanError

BIDS = "/v2/spot/bids"


@pytest.fixture
def desk(client):
    made = Desk(client.sandbox)
    made.freeze()
    return made


def bids(client):
    return client.get(BIDS)["data"]


def raw(sandbox, method, path, body=None):
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    content = b"" if body is None else json.dumps(body).encode()
    return sandbox.handle(method, path, "", headers, content)


def test_a_throttled_request_is_refused_and_told_when_to_come_again(client, desk):
    desk.add_fault("throttle", method="POST", path=BIDS, nth=1, retry_after=7)
    status, headers, _ = raw(client.sandbox, "POST", BIDS, client.bid_body())
    assert (status, headers["retry-after"]) == (429, "7")
    assert bids(client) == []
    assert client.bid().status == 201


@pytest.mark.parametrize(("effect", "left"), [("before", 0), ("after", 1)])
def test_an_error_before_or_after_the_effect(client, desk, effect, left):
    desk.add_fault("error", method="POST", path=BIDS, status=503, effect=effect, times=1)
    status, _, content = raw(client.sandbox, "POST", BIDS, client.bid_body())
    assert status == 503
    assert "detail" in json.loads(content)
    assert len(bids(client)) == left


@pytest.mark.parametrize(
    ("kind", "settings", "left"), [("lost", {}, 1), ("lost", {"effect": "before"}, 0), ("truncated", {}, 1)]
)
def test_answers_that_do_not_come_or_come_in_half(client, desk, kind, settings, left):
    desk.add_fault(kind, method="POST", path=BIDS, times=1, **settings)
    with pytest.raises(Broken) as broken:
        raw(client.sandbox, "POST", BIDS, client.bid_body())
    assert len(bids(client)) == left
    if kind == "truncated":
        status, headers, partial = broken.value.partial
        assert status == 201
        assert 0 < len(partial) < int(headers["content-length"])


def test_the_embedded_transport_tells_it_as_a_socket_would(client, desk):
    import httpx

    from flowplan.provider.embedded import EmbeddedTransport

    desk.add_fault("lost", path="/v2/projects", nth=1)
    desk.add_fault("truncated", path="/v2/projects", nth=2)

    async def ask():
        headers = {"Authorization": f"Bearer {client.sandbox.api_key}"}
        transport = EmbeddedTransport(client.sandbox)
        async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as http:
            with pytest.raises(httpx.ReadError):
                await http.get("/v2/projects")
            with pytest.raises(httpx.RemoteProtocolError):
                await http.get("/v2/projects")
            assert (await http.get("/v2/projects")).status_code == 200

    asyncio.run(ask())


def test_late_answers_do_not_hold_up_each_other(client, desk):
    desk.add_fault("latency", path="/v2/projects", seconds=[0.15, 0.2])
    headers = {"Authorization": f"Bearer {client.sandbox.api_key}"}

    async def ask():
        return await asyncio.gather(
            *(client.sandbox.respond("GET", "/v2/projects", "", headers) for _ in range(8))
        )

    begin = time.monotonic()
    answers = asyncio.run(ask())
    assert [status for status, _, _ in answers] == [200] * 8
    assert time.monotonic() - begin >= 0.15


def test_a_fault_strikes_only_what_it_matches(client, desk):
    desk.add_fault("error", method="GET", path="/v2/volumes*")
    assert raw(client.sandbox, "GET", "/v2/projects")[0] == 200
    assert raw(client.sandbox, "GET", "/v2/volumes")[0] == 500
    assert client.volume().status == 201
    desk.clear_faults()
    assert raw(client.sandbox, "GET", "/v2/volumes")[0] == 422


def strikes(sandbox, count):
    return [raw(sandbox, "GET", "/v2/projects")[0] for _ in range(count)]


def test_chance_comes_from_the_seed_and_goes_on_in_the_next_process(tmp_path, clock):
    def run(name, seed, pieces):
        seen = []
        for number, count in enumerate(pieces):
            sandbox = open_sandbox(tmp_path / name, clock, execute=False)
            if number == 0:
                sandbox.reset(seed)
                Desk(sandbox).add_fault("error", probability=0.5)
            seen += strikes(sandbox, count)
            sandbox.close()
        return seen

    once = run("once", 5, [40])
    assert once == run("pieces", 5, [1, 13, 26])
    assert once != run("other", 6, [40])
    assert 5 < once.count(500) < 35


def test_the_same_seed_gives_the_same_run_to_the_byte(tmp_path, clock, make_client):
    def run(name):
        sandbox = open_sandbox(tmp_path / name, clock, execute=False)
        try:
            sandbox.reset(seed=9)
            desk = Desk(sandbox)
            desk.freeze()
            desk.set_model("seeded", seed=2)
            one = make_client(sandbox)
            desk.add_fault("error", method="POST", probability=0.3, effect="after")
            answers = []
            for number in range(10):
                answers.append(raw(sandbox, "POST", BIDS, one.bid_body(f"job{number}", "$15.00")))
                answers.append(raw(sandbox, "GET", BIDS))
                desk.advance(timedelta(minutes=45))
            return [(status, content) for status, _, content in answers]
        finally:
            sandbox.close()

    first = run("a")
    assert first == run("b")
    assert {status for status, _ in first} == {200, 201, 500}


def test_lists_lag_for_a_while(client, desk):
    desk.add_fault("lag", seconds=30, **{"for": 3600})
    bid = client.bid()
    assert bids(client) == []
    assert client.get(f"{BIDS}/{bid['fid']}").status == 200
    desk.advance(timedelta(seconds=31))
    assert len(bids(client)) == 1
    desk.advance(timedelta(hours=2))
    client.bid("other")
    assert len(bids(client)) == 2
    assert desk.faults() == []


def test_refused_capacity_leaves_running_bids_alone(client, desk):
    first = client.bid("first")
    desk.add_fault("no_capacity", **{"for": 600})
    second = client.bid("second", "$50.00")
    assert (client.status(first["fid"]), client.status(second["fid"])) == ("Allocated", "Open")
    desk.advance(timedelta(minutes=11))
    assert client.status(second["fid"]) == "Allocated"


def test_a_spike_and_a_storm_come_when_it_was_said(client, desk):
    bid = client.bid("job", "$10.00")
    desk.add_fault("spike", price="$40", at="10m", **{"for": "10m"})
    desk.add_fault("storm", at="2h")
    seen = []
    for _ in range(14):
        desk.advance(timedelta(minutes=10))
        seen.append(client.status(bid["fid"]))
    assert seen[:3] == ["Preempting", "Allocated", "Allocated"]
    assert seen[11:] == ["Preempting", "Open", "Allocated"]


def test_a_full_storage_quota(client, desk):
    desk.add_fault("quota", product="Storage", total=5)
    assert client.volume(size=10).status == 403
    desk.clear_faults()
    assert client.volume(size=10).status == 201


def test_a_quota_is_afterwards_what_it_was(client, desk):
    from flowplan.sandbox.members import set_quota

    def totals():
        rows = client.get("/v2/quotas", project=client.project).body
        return {(row["product_type"], row["instance_type"]): row["total_quantity"] for row in rows}

    usual = totals()
    set_quota(client.sandbox, "Spot", 5, client.h100)
    before = totals()
    assert before == {**usual, ("Spot", client.h100): 5}
    desk.add_fault("quota", total=1, **{"for": 600.0})
    desk.add_fault("quota", product="Storage", total=3)
    assert totals()["Spot", client.h100] == 1
    assert totals()["Storage", None] == 3
    desk.advance(timedelta(minutes=11))
    desk.clear_faults()
    assert totals() == before
    desk.override("*", capacity=99)
    # What was never set follows the market again.
    assert totals()["Spot", client.types["a100-80gb.sxm.1x", "us-central1-b"]] == 99


def test_things_vanish_behind_our_back(client, desk):
    bid, volume = client.bid("job"), client.volume("data")
    desk.add_fault("vanish", object="bid", name="job", at=60)
    desk.add_fault("vanish", object="volume", name="data", at=60)
    assert client.status(bid["fid"]) == "Allocated"
    desk.advance(timedelta(seconds=61))
    assert client.status(bid["fid"]) == "Terminated"
    assert client.get("/v2/volumes", project=client.project).body == []
    assert client.delete(f"/v2/volumes/{volume['fid']}").status == 404


def test_a_scenario_says_all_at_once(client):
    scenario, problems = read_scenario(
        {
            "seed": 3,
            "rules": {"preemption_s": "1m", "boot_s": 0},
            "market": {"prices": {"*": {"0s": "$9.00", "1h": 30}}},
            "faults": [{"kind": "throttle", "nth": [2]}],
        }
    )
    assert problems == []
    desk = Desk(client.sandbox)
    assert desk.load(scenario) == ["fault-1"]
    with client.sandbox.viewing() as (world, _):
        assert (world.rules.seed, world.rules.preemption_s, world.rules.boot_s) == (3, 60.0, 0.0)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ([], [()]),
        ({"fautls": []}, [("fautls",)]),
        ({"faults": [{"kind": "latnecy"}, {"path": "x"}]}, [("faults", 0, "kind"), ("faults", 1)]),
        (
            {"faults": [{"kind": "latency", "seconds": "soon", "nth": 0}]},
            [("faults", 0, "seconds"), ("faults", 0, "nth")],
        ),
        ({"faults": [{"kind": "spike"}]}, [("faults", 0)]),
        ({"rules": {"colour": 1}, "market": {"model": "wild"}}, [("rules", "colour"), ("market", "model")]),
        ({"market": {"prices": {"*": {"soon": "$1"}}}}, [("market", "prices", "*", "soon")]),
    ],
)
def test_every_mistake_of_a_scenario_is_found_where_it_is(text, places):
    _, problems = read_scenario(text)
    assert [problem.place for problem in problems] == places
    assert all(problem.summary for problem in problems)


def test_a_wrong_fault_is_refused(client, desk):
    with pytest.raises(FlowplanError, match="throttle fault has no"):
        desk.add_fault("throttle", colour="red")
    with pytest.raises(FlowplanError, match="no fault fault-9"):
        desk.clear_faults(["fault-9"])


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = sorted({name for readers, _, _ in KINDS.values() for name in readers})


@given(st.sampled_from(sorted(KINDS)), st.dictionaries(st.sampled_from(names), junk, max_size=4))
def test_no_settings_are_an_accident(kind, given_settings):
    fault, problems = read_fault({"kind": kind, **given_settings})
    assert problems or fault is not None


@given(st.dictionaries(st.sampled_from(["seed", "rules", "market", "faults"]), junk, max_size=4))
def test_no_scenario_is_an_accident(text):
    read_scenario(text)
