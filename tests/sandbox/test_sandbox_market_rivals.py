"""The seeded bidders and the line of prices: functions of what they are given, and nothing else."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.sandbox.market import rivals
from flowplan.sandbox.market.priceline import PriceLine
from flowplan.sandbox.world.market import Demand, clear

seeds = st.integers(0, 2**63)
rounds = st.integers(0, 2**31)
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


@given(seeds, rounds, st.integers(1, 64), st.integers(1, 2000))
def test_demand_is_constant_between_the_rounds_at_which_it_changes(seed, number, capacity, floor):
    until = rivals.next_change(seed, "h100@here", number)
    assert number < until <= number + 2 * rivals.SEGMENT
    first = rivals.demands(seed, "h100@here", number, capacity, floor)
    for between in range(number, until):
        assert rivals.demands(seed, "h100@here", between, capacity, floor) == first


@given(seeds, rounds)
def test_rivals_bid_at_least_the_floor_and_are_older_than_anybody(seed, number):
    found = rivals.demands(seed, "h100@here", number, 16, 800)
    assert all(rival.limit_cents >= 800 and rival.quantity >= 1 and rival.age < 0 for rival in found)
    assert len({rival.fid for rival in found}) == len(found)


@settings(max_examples=25)
@given(seeds)
def test_a_week_has_quiet_and_busy_hours_and_never_an_endless_price(seed):
    prices, number = set(), 20_000_000
    while number < 20_000_000 + 7 * 720:
        found = rivals.demands(seed, "h100@here", number, 16, 800)
        prices.add(clear(16, 800, found).price_cents)
        number = rivals.next_change(seed, "h100@here", number)
    assert len(prices) > 1
    assert max(prices) <= 800 * 10


def test_markets_and_seeds_differ():
    def day(seed, market):
        return [rivals.demands(seed, market, number, 16, 800) for number in range(0, 720, 30)]

    assert day(1, "a@x") == day(1, "a@x")
    assert day(1, "a@x") != day(2, "a@x")
    assert day(1, "a@x") != day(1, "a@y")


steps = st.lists(st.tuples(st.integers(1, 10**6), st.none() | st.integers(0, 10**6)), max_size=20)


@given(steps, st.integers(0, 10**7), st.integers(0, 10**7))
def test_an_amount_is_the_sum_of_its_stretches(given_steps, start, lasts):
    line = PriceLine()
    at = BEGIN
    for seconds, cents in given_steps:
        at += timedelta(seconds=seconds)
        line.append(at, cents)
    begin = BEGIN + timedelta(seconds=start)
    end = begin + timedelta(seconds=lasts)
    found = list(line.steps(begin, end))
    whole = sum((cents or 0) * ((stop - at) // timedelta(microseconds=1)) for at, stop, cents in found)
    assert line.amount(begin, end) == whole
    assert all(line.at(at) == cents for at, _, cents in found)
    assert [at for at, _, _ in found[1:]] == [stop for _, stop, _ in found[:-1]]


own = st.lists(st.tuples(st.integers(10, 40), st.integers(1, 6)), max_size=8)


@given(st.integers(0, 16), own, seeds, rounds)
def test_all_laws_of_the_auction_hold_among_rivals(capacity, given_bids, seed, number):
    bids = [Demand(f"bid{i}", limit, quantity, i) for i, (limit, quantity) in enumerate(given_bids)]
    others = rivals.demands(seed, "m", number, 16, 10)
    outcome = clear(capacity, 10, [*bids, *others])
    everybody = sorted([*bids, *others], key=lambda d: (-d.limit_cents, d.age))
    winners = [demand for demand in everybody if demand.fid in outcome.winners]
    assert sum(demand.quantity for demand in winners) <= capacity
    assert all(demand.limit_cents >= outcome.price_cents >= 10 for demand in winners)
    losing = [d.limit_cents for d in everybody if d not in winners]
    lowest = min((d.limit_cents for d in winners), default=0)
    fair = max([10, *(limit for limit in losing if limit <= lowest)])
    assert outcome.price_cents == (fair if winners else 10)
