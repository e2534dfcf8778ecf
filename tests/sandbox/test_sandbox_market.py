"""Laws of the auction."""

from hypothesis import given
from hypothesis import strategies as st

from flowplan.sandbox.world.market import Demand, clear

FLOOR = 10
limits_and_quantities = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 6)), max_size=12)


def demands(given: list[tuple[int, int]]) -> list[Demand]:
    return [Demand(f"bid{i}", limit, quantity, i) for i, (limit, quantity) in enumerate(given)]


@given(st.integers(0, 12), limits_and_quantities)
def test_nobody_pays_more_than_their_limit_or_less_than_the_floor(capacity, given_bids):
    bids = demands(given_bids)
    outcome = clear(capacity, FLOOR, bids)
    assert outcome.price_cents >= FLOOR
    assert all(bid.limit_cents >= outcome.price_cents for bid in bids if bid.fid in outcome.winners)


@given(st.integers(0, 12), limits_and_quantities)
def test_winners_fit_and_every_loser_had_no_room_among_those_before_it(capacity, given_bids):
    bids = sorted(demands(given_bids), key=lambda d: (-d.limit_cents, d.age))
    winners = set(clear(capacity, FLOOR, bids).winners)
    used = 0
    for bid in bids:
        if bid.fid in winners:
            used += bid.quantity
        else:
            assert bid.limit_cents < FLOOR or used + bid.quantity > capacity
    assert used <= capacity


@given(st.integers(0, 12), st.lists(st.integers(FLOOR, 40), max_size=12))
def test_single_machines_go_to_the_highest_limits_at_the_highest_losing_one(capacity, limits):
    bids = demands([(limit, 1) for limit in limits])
    outcome = clear(capacity, FLOOR, bids)
    ranked = sorted(limits, reverse=True)
    limit_of = {bid.fid: bid.limit_cents for bid in bids}
    assert sorted((limit_of[fid] for fid in outcome.winners), reverse=True) == ranked[:capacity]
    if outcome.winners:
        assert outcome.price_cents == max([FLOOR, *ranked[capacity:]])


@given(st.integers(0, 12), limits_and_quantities, st.randoms())
def test_the_outcome_does_not_depend_on_the_order_of_the_list(capacity, given_bids, random):
    bids = demands(given_bids)
    shuffled = list(bids)
    random.shuffle(shuffled)
    assert clear(capacity, FLOOR, shuffled) == clear(capacity, FLOOR, bids)


def test_equal_limits_are_served_by_age():
    assert clear(1, FLOOR, demands([(20, 1), (20, 1)])).winners == ("bid0",)


def test_six_bids_for_three_machines():
    assert clear(3, 8, demands([(n, 1) for n in (23, 21, 16, 13, 12, 8)])).price_cents == 13


def test_a_bid_passed_over_for_its_size_sets_no_price():
    outcome = clear(2, FLOOR, demands([(30, 3), (20, 1)]))
    assert outcome.winners == ("bid1",)
    assert outcome.price_cents == FLOOR
