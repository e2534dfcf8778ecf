"""Charges: what a client can add up from the histories it reads is what the sandbox says it costs, to the cent."""

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowplan.sandbox import open_sandbox
from flowplan.sandbox.desk import Desk
from flowplan.sandbox.world.charges import MONTH_H, instance_prices
from flowplan.sandbox.world.ledger import ledger

BIDS = "/v2/spot/bids"
MARKET = "h100-80gb.sxm.8x@us-central1-b"
HOUR = timedelta(hours=1)


@pytest.fixture
def desk(client):
    made = Desk(client.sandbox)
    made.freeze()
    client.sandbox.configure(boot_s=0)
    return made


def costs(sandbox):
    with sandbox.viewing() as (world, moment):
        return {charge.name: charge.cents for charge in ledger(world, moment.now)}


def half_up(exact):
    return int(exact + Fraction(1, 2))


def test_whole_and_partial_hours_at_the_least_price(client, desk):
    client.bid("job", quantity=2)
    desk.advance(HOUR)
    assert costs(client.sandbox) == {"job": 1600}
    desk.advance(timedelta(minutes=7, seconds=13))
    assert costs(client.sandbox) == {"job": half_up(Fraction(2 * 800 * 4033, 3600))}


def test_booting_pausing_and_being_preempted_cost_nothing(client, desk):
    client.sandbox.configure(boot_s=100)
    bid = client.bid("job", "$10.00")
    desk.advance(timedelta(seconds=40))
    assert costs(client.sandbox) == {}
    desk.advance(timedelta(seconds=120))  # a boot takes between half and one and a half of its mean
    client.patch(f"{BIDS}/{bid['fid']}", paused=True)
    spent = costs(client.sandbox)
    assert half_up(Fraction(800 * 10, 3600)) <= spent["job"] <= half_up(Fraction(800 * 110, 3600))
    desk.advance(timedelta(days=1))
    assert costs(client.sandbox) == spent


def test_under_notice_nobody_pays_more_than_the_limit(client, desk):
    client.bid("job", "$10.00")
    desk.advance(HOUR)
    desk.override(MARKET, price_cents=9000)
    desk.advance(HOUR)
    assert costs(client.sandbox) == {"job": half_up(800 + Fraction(1000 * 300, 3600))}


def test_a_raise_of_the_price_is_paid_from_then_on(client, desk):
    client.bid("job", "$50.00")
    desk.advance(HOUR)
    desk.override(MARKET, price_cents=2000)
    desk.advance(HOUR / 2)
    desk.clear_overrides()
    desk.advance(HOUR / 4)
    assert costs(client.sandbox) == {"job": 800 + 1000 + 200}


def test_volumes_cost_by_size_and_time_also_when_nobody_has_them(client, desk):
    volume = client.volume(size=1000)
    desk.advance(timedelta(hours=MONTH_H))
    assert costs(client.sandbox) == {"data": 8000}
    client.delete(f"/v2/volumes/{volume['fid']}")
    desk.advance(timedelta(days=30))
    assert costs(client.sandbox) == {"data": 8000}


def test_a_reservation_is_charged_when_it_is_bought(client, desk):
    order = client.post("/v2/reservation", **client.reservation_body(desk.clock().now, 3, 2))
    assert costs(client.sandbox) == {"block": 1600 * 3 * 2}
    assert order["total_price"] == "$96.00"
    desk.advance(timedelta(days=2))
    assert costs(client.sandbox) == {"block": 1600 * 3 * 2}


moves = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 20_000)),
        st.tuples(st.just("bid"), st.integers(800, 4000), st.integers(1, 8)),
        st.tuples(
            st.sampled_from(["pause", "resume", "end", "raise"]), st.integers(0, 5), st.integers(800, 5000)
        ),
        st.tuples(st.just("price"), st.integers(800, 4000), st.integers(60, 20_000)),
    ),
    min_size=3,
    max_size=14,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(moves, st.integers(0, 10**6), st.booleans())
def test_charges_add_up_to_the_cent_against_the_histories(tmp_path_factory, make_client, steps, seed, seeded):
    sandbox = open_sandbox(
        tmp_path_factory.mktemp("world"),
        lambda: datetime(2030, 1, 1, tzinfo=UTC),
        execute=False,
        boot_delay_s=30,
    )
    try:
        one, desk = make_client(sandbox), Desk(sandbox)
        desk.freeze()
        if seeded:
            desk.set_model("seeded", seed=seed)
        _play(sandbox, one, desk, steps)
        _add_up(sandbox, one, desk)
        _agrees_with_the_market(sandbox, one, desk)
    finally:
        sandbox.close()


def _play(sandbox, one, desk, steps):
    made = []
    for step in steps:
        if step[0] == "wait":
            desk.advance(timedelta(seconds=step[1]))
        elif step[0] == "bid":
            made.append(one.bid(f"bid{len(made)}", f"${step[1] / 100:.2f}", step[2])["fid"])
        elif step[0] == "price":
            desk.override(MARKET, price_cents=step[1], lasts=timedelta(seconds=step[2]))
        elif made:
            fid = made[step[1] % len(made)]
            if step[0] == "end":
                one.delete(f"{BIDS}/{fid}")
            elif step[0] == "raise":
                one.patch(f"{BIDS}/{fid}", limit_price=f"${step[2] / 100:.2f}")
            else:
                one.patch(f"{BIDS}/{fid}", paused=step[0] == "pause")
    desk.advance(timedelta(seconds=977))


def _add_up(sandbox, one, desk):
    now = desk.clock().now
    path = "/v2/instances/pricing/history"
    seen = []
    cursor = ""
    while cursor is not None:
        page = one.get(path, project=one.project, limit=100, **({"next_cursor": cursor} if cursor else {}))
        seen += page["instances"]
        cursor = page["next_cursor"]
    by_bid = {}
    for machine in seen:
        exact = Fraction(0)
        for event in machine["events"]:
            end = datetime.fromisoformat(event["end_time"]) if event["end_time"] else now
            lasted = (end - datetime.fromisoformat(event["start_time"])) // timedelta(microseconds=1)
            exact += Fraction(event["price_cents"] * lasted, 3_600_000_000)
        by_bid[machine["bid_fid"]] = by_bid.get(machine["bid_fid"], Fraction(0)) + exact
    with sandbox.viewing() as (world, _):
        found = {charge.fid: charge.cents for charge in ledger(world, now)}
        for fid, exact in by_bid.items():
            assert found.get(fid, 0) == half_up(exact), json.dumps(seen, indent=1)
        assert set(found) <= set(by_bid)
        for machine in world.instances.values():
            bid = world.bids[machine.bid]
            most = max(event.limit_cents for event in bid.history if event.limit_cents)
            assert all(cents <= most for _, _, cents in instance_prices(world, machine, now))


def _agrees_with_the_market(sandbox, one, desk):
    """Whoever ran paid what the market's history says of that time; under notice, their limit if that is less."""
    (series,) = one.get(
        "/v2/pricing/history",
        instance_types=one.h100,
        num_samples=-1,
        start_time="2029-12-31T00:00:00+00:00",
        end_time=desk.clock().now.isoformat(),
    )["series"]
    times = [datetime.fromisoformat(at) for at in series["timestamps"]]
    cents = [round(float(price[1:].replace(",", "")) * 100) for price in series["spot_prices"]]
    ends = [*times[1:], desk.clock().now]
    pages = one.get("/v2/instances/pricing/history", project=one.project, limit=100)["instances"]
    for page in pages:
        for event in page["events"]:
            start = datetime.fromisoformat(event["start_time"])
            end = datetime.fromisoformat(event["end_time"]) if event["end_time"] else desk.clock().now
            during = {
                price for price, at, stop in zip(cents, times, ends, strict=True) if at < end and stop > start
            }
            limits = {
                round(float(change["limit_price"][1:].replace(",", "")) * 100)
                for change in one.get(f"{BIDS}/{page['bid_fid']}/history")["events"]
                if change["limit_price"]
            }
            paid = event["price_cents"]
            assert during == {paid} or (paid in limits and min(during) >= paid), (event, during)
