"""Markets over time, as a client sees them: rounds, other bidders, recorded prices, what is set by hand, quotas."""

import time
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from flowplan.sandbox import open_sandbox
from flowplan.sandbox.desk import Desk
from flowplan.sandbox.world.prices import price_history
from flowplan.values.diagnostic import FlowplanError

BIDS = "/v2/spot/bids"
MARKET = "h100-80gb.sxm.8x@us-central1-b"


@pytest.fixture
def desk(client):
    made = Desk(client.sandbox)
    made.freeze()
    return made


def price(client):
    row = next(r for r in client.get("/v2/spot/availability").body if r["instance_type"] == client.h100)
    return row["last_instance_price"]


def status(client, bid):
    return client.status(bid["fid"])


def history(client, hours=24):
    with client.sandbox.viewing() as (world, moment):
        return price_history(world, client.h100, moment.now - timedelta(hours=hours), moment.now)


def until_round(desk):
    desk.advance(timedelta(seconds=120))


def test_the_calm_market_allocates_at_once_at_the_least_price(client):
    bid = client.bid(quantity=16)
    assert bid["status"] == "Allocated"
    assert price(client) == "$8.00"


def test_in_rounds_a_bid_and_a_raise_wait_for_the_next(client, desk):
    desk.set_model("calm", round_s=120)
    first, second = client.bid("first", "$10.00", 16), client.bid("second", "$9.00", 16)
    assert (first["status"], second["status"]) == ("Open", "Open")
    until_round(desk)
    assert (status(client, first), status(client, second)) == ("Allocated", "Open")
    client.patch(f"{BIDS}/{second['fid']}", limit_price="$11.00")
    assert status(client, first) == "Allocated"
    until_round(desk)
    assert (status(client, first), status(client, second)) == ("Preempting", "Open")
    client.patch(f"{BIDS}/{first['fid']}", limit_price="$12.00")
    until_round(desk)
    assert status(client, first) == "Allocated", (
        "a notice is taken back when the price no longer excludes the bid"
    )
    desk.advance(timedelta(minutes=10))
    assert (status(client, first), status(client, second)) == ("Allocated", "Open")


def test_recorded_prices_decide_who_runs(client, desk):
    desk.set_model("recorded", series={MARKET: [(0, 900), (3600, 1500), (3900, 1000), (7200, 2500)]})
    bid = client.bid("job", "$12.00")
    start = desk.clock().now
    assert bid["status"] == "Open"
    until_round(desk)
    assert (status(client, bid), price(client)) == ("Allocated", "$9.00")
    desk.advance(timedelta(seconds=3540))
    assert (status(client, bid), price(client)) == ("Preempting", "$15.00")
    desk.advance(timedelta(seconds=280))
    assert (status(client, bid), price(client)) == ("Allocated", "$10.00")
    desk.advance(timedelta(hours=2))
    assert (status(client, bid), price(client)) == ("Open", "$25.00")
    kinds = [event["event_type"] for event in client.get(f"{BIDS}/{bid['fid']}/history")["events"]]
    assert kinds == ["Placed", "Allocated", "Preempted"]
    steps = [((at - start) // timedelta(seconds=1), cents) for at, cents in history(client, 4)]
    assert [cents for _, cents in steps] == [800, 900, 1500, 1000, 2500]
    assert [seconds for seconds, _ in steps[1:]] == [0, 3600, 3900, 7200]


def test_the_history_does_not_change_when_it_is_asked_again_later(client, desk):
    desk.set_model("seeded", seed=5)
    desk.advance(timedelta(days=2))
    bid = client.bid("job", "$30.00")
    desk.advance(timedelta(days=1))
    client.delete(f"{BIDS}/{bid['fid']}")
    desk.advance(timedelta(days=1))
    with client.sandbox.viewing() as (world, moment):
        start, end = moment.now - timedelta(days=5), moment.now
        first = price_history(world, client.h100, start, end)
    desk.set_model("calm")
    desk.advance(timedelta(days=3))
    with client.sandbox.viewing() as (world, moment):
        assert price_history(world, client.h100, start, end) == first
    assert len({cents for _, cents in first}) > 10
    assert all(left < right for (left, _), (right, _) in pairwise(first))


def test_what_is_set_by_hand_holds_as_long_as_it_was_said(client, desk):
    bid = client.bid("job", "$12.00")
    desk.override(MARKET, price_cents=2000, lasts=timedelta(hours=1))
    assert (status(client, bid), price(client)) == ("Preempting", "$20.00")
    desk.advance(timedelta(minutes=6))
    assert status(client, bid) == "Open"
    desk.advance(timedelta(hours=1))
    assert (status(client, bid), price(client)) == ("Allocated", "$8.00")
    desk.override("h100-80gb.sxm.8x", capacity=0)
    desk.advance(timedelta(minutes=6))
    assert status(client, bid) == "Open"
    assert desk.clear_overrides() > 0
    assert status(client, bid) == "Allocated"


def test_an_unknown_market_is_refused(client, desk):
    with pytest.raises(FlowplanError, match="no market z80"):
        desk.override("z80", price_cents=1)


def test_reservations_take_machines_out(client, desk):
    bid = client.bid("job", quantity=16)
    now = desk.clock().now
    order = client.post("/v2/reservation", **client.reservation_body(now, 3, 4))
    assert order.status == 201
    assert status(client, bid) == "Preempting"
    desk.advance(timedelta(minutes=10))
    assert status(client, bid) == "Open"
    desk.advance(timedelta(hours=3))
    assert status(client, bid) == "Allocated"


def test_a_bid_beyond_the_quota_stays_open(client, desk):
    desk.add_fault("quota", total=2, market=MARKET)
    first, second = client.bid("first", quantity=2), client.bid("second", "$30.00", 1)
    assert (status(client, first), status(client, second)) == ("Allocated", "Open")
    client.delete(f"{BIDS}/{first['fid']}")
    assert status(client, second) == "Allocated"
    desk.clear_faults()
    third = client.bid("third", quantity=15)
    assert status(client, third) == "Allocated"


def test_a_bid_beyond_the_quota_may_be_refused(client, desk):
    client.sandbox.configure(spot_refusal_status=403)
    desk.add_fault("quota", total=2, market=MARKET)
    assert client.bid("large", quantity=3).status == 403
    assert client.bid("small", quantity=2)["status"] == "Allocated"


def test_relocation_keeps_the_bid_and_its_machines(client, desk):
    bid = client.bid("job")
    desk.advance(timedelta(minutes=1))
    desk.add_fault("relocate", name="job")
    assert status(client, bid) == "Relocating"
    assert client.get(f"{BIDS}/{bid['fid']}")["status"] == "Allocated"
    one = client.get("/v2/instances", project=client.project)["data"][0]
    assert one["status"] == "STATUS_RELOCATING"
    desk.advance(timedelta(minutes=5))
    one = client.get("/v2/instances", project=client.project)["data"][0]
    assert (status(client, bid), one["status"]) == ("Allocated", "STATUS_RUNNING")


def test_the_same_seed_is_the_same_market(tmp_path, clock, make_client):
    def run(name):
        sandbox = open_sandbox(tmp_path / name, clock, execute=False)
        try:
            sandbox.reset(seed=11)
            desk = Desk(sandbox)
            desk.freeze()
            desk.set_model("seeded", seed=3)
            one = make_client(sandbox)
            fids = [one.bid(f"job{i}", f"${10 + 4 * i}.00", 3)["fid"] for i in range(4)]
            seen = []
            for _ in range(30):
                desk.advance(timedelta(hours=5))
                seen += [one.status(fid) for fid in fids]
            return fids, seen, one.get(BIDS).body, one.get("/v2/spot/availability").body
        finally:
            sandbox.close()

    first = run("a")
    assert first == run("b")
    assert set(first[1]) >= {"Open", "Allocated"}


def test_thirty_days_with_two_thousand_bids_settle_in_seconds(client, desk):
    desk.override("*", capacity=12_000)
    desk.set_model("seeded", seed=1)
    types = [
        client.types["h100-80gb.sxm.8x", region]
        for region in ("us-central1-b", "us-central2-a", "us-east1-a")
    ]
    regions = ("us-central1-b", "us-central2-a", "us-east1-a")
    for number in range(2000):
        where = number % 3
        body = client.bid_body(f"job{number}", f"${20 + number % 40}.00", 5)
        body |= {"instance_type": types[where], "region": regions[where]}
        # Not through the checking client: what counts is the work of the sandbox.
        assert _post(client, body) == 201
    until_round(desk)
    assert client.sandbox.status()["bids"] == 2000
    begin = time.process_time()
    desk.advance(timedelta(days=30))
    took = time.process_time() - begin
    assert client.sandbox.status()["bids"] == 2000
    # Generous: a clean run takes two or three; polling 21,600 rounds would take minutes.
    assert took < 30
    assert isinstance(datetime.fromisoformat(client.get(BIDS, limit=1)["data"][0]["created_at"]), datetime)


def _post(client, body):
    import json

    headers = {"Authorization": f"Bearer {client.sandbox.api_key}"}
    return client.sandbox.handle("POST", BIDS, "", headers, json.dumps(body).encode())[0]
