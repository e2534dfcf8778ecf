"""The auction as clients of the API see it, whatever was bid, raised, paused and ended before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowplan.sandbox import open_sandbox
from flowplan.sandbox.desk import Desk

BIDS = "/v2/spot/bids"
MARKET = "h100-80gb.sxm.8x@us-central1-b"
FLOOR = 800

moves = st.lists(
    st.one_of(
        st.tuples(st.just("bid"), st.integers(8, 16), st.integers(1, 5)),
        st.tuples(st.just("bid"), st.integers(8, 16), st.integers(1, 5)),
        st.tuples(
            st.sampled_from(["raise", "pause", "resume", "end"]), st.integers(8, 20), st.integers(0, 9)
        ),
        st.tuples(st.just("capacity"), st.integers(0, 12), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 400), st.just(0)),
    ),
    min_size=2,
    max_size=16,
)


def expected(bids, capacity):
    """Who has machines when all has settled, and at what price: said again, apart from the simulator.

    ``bids`` are (limit in cents, quantity, age, id).
    """
    free, winners, losers = capacity, [], []
    for bid in sorted(bids, key=lambda one: (-one[0], one[2])):
        if bid[1] <= free:
            free -= bid[1]
            winners.append(bid)
        else:
            losers.append(bid)
    lowest = min((limit for limit, *_ in winners), default=0)
    # One that was passed over for its size must not make a smaller winner pay more than its limit.
    price = max([FLOOR, *(limit for limit, *_ in losers if limit <= lowest)])
    return {fid for *_, fid in winners}, price if winners else FLOOR


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(moves)
def test_the_highest_limits_that_fit_run_and_all_pay_the_highest_that_lost(
    tmp_path_factory, make_client, clock, steps
):
    sandbox = open_sandbox(tmp_path_factory.mktemp("world"), clock, execute=False)
    try:
        client, desk = make_client(sandbox), Desk(sandbox)
        desk.freeze()
        sandbox.configure(boot_s=0)
        capacity, made = 12, []
        desk.override(MARKET, capacity=capacity)
        for what, first, second in steps:
            if what == "bid":
                made.append(client.bid(f"b{len(made)}", f"${first}.00", second)["fid"])
            elif what == "capacity":
                capacity = first
                desk.override(MARKET, capacity=capacity)
            elif what == "wait":
                desk.advance(timedelta(seconds=first + 1))
            elif made:
                path = f"{BIDS}/{made[second % len(made)]}"
                if what == "end":
                    client.delete(path)
                else:
                    change = (
                        {"limit_price": f"${first}.00"} if what == "raise" else {"paused": what == "pause"}
                    )
                    client.patch(path, **change)
        # Notices of five minutes may follow one another: whoever loses its machines makes room for the next.
        desk.advance(timedelta(hours=1))
        rows = client.get(BIDS, project=client.project, limit=100, sort_dir="asc")["data"]
        taking_part = [
            (round(float(row["limit_price"][1:]) * 100), row["instance_quantity"], age, row["fid"])
            for age, row in enumerate(rows)
            if row["status"] not in ("Paused", "Terminated")
        ]
        winners, price = expected(taking_part, capacity)
        assert {row["fid"] for row in rows if row["status"] == "Allocated"} == winners
        assert all(
            row["status"] in ("Allocated", "Open")
            for row in rows
            if row["fid"] in {t[3] for t in taking_part}
        )
        now = client.get("/v2/pricing/current", instance_type=client.h100)
        assert now["spot_price_cents"] == price
        held = sum(row["instance_quantity"] for row in rows if row["fid"] in winners)
        assert now["available_capacity"] == capacity - held
        paid = client.get("/v2/instances/pricing/history", project=client.project, limit=100)["instances"]
        for machine in paid:
            running = [event for event in machine["events"] if event["end_time"] is None]
            assert [event["price_cents"] for event in running] == [price] * (machine["bid_fid"] in winners)
    finally:
        sandbox.close()


@pytest.mark.parametrize(("age", "runs"), [(0, "first"), (1, "second")])
def test_of_two_equal_limits_the_older_runs(client, age, runs):
    desk = Desk(client.sandbox)
    desk.freeze()
    desk.override(MARKET, capacity=0)
    bids = {name: client.bid(name, "$10.00", 2)["fid"] for name in ("first", "second")}
    if age:
        client.patch(f"{BIDS}/{bids['first']}", paused=True)
    desk.override(MARKET, capacity=3)
    assert [name for name, fid in bids.items() if client.status(fid) == "Allocated"] == [runs]
