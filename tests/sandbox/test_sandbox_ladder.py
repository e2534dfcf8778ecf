"""What finds its way by an index finds what a look at everything would find."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.sandbox.world.bookings import Bookings
from flowplan.sandbox.world.ladder import Ladder
from flowplan.sandbox.world.market import Demand, clear
from flowplan.sandbox.world.records import LaunchSpec, Reservation

FLOOR = 10
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

changes = st.lists(
    st.tuples(st.integers(0, 14), st.integers(5, 25), st.integers(1, 6), st.booleans()), max_size=40
)
rivals = st.lists(st.tuples(st.integers(5, 25), st.integers(1, 4)), max_size=6)


@settings(max_examples=300)
@given(changes, rivals, st.integers(0, 14))
def test_the_ladder_gives_the_outcome_of_the_auction(steps, others, capacity):
    ladder, known = Ladder(), {}
    for name, limit, quantity, stays in steps:
        if stays:
            known[name] = Demand(f"bid{name}", limit, quantity, name)
            ladder.put(known[name])
        else:
            known.pop(name, None)
            ladder.remove(f"bid{name}")
    outside = [Demand(f"rival{i}", limit, quantity, i - 99) for i, (limit, quantity) in enumerate(others)]
    everybody = sorted(known.values(), key=lambda demand: (-demand.limit_cents, demand.age))
    assert len(ladder) == len(known)
    assert list(ladder) == everybody
    assert ladder.ranked(demand.fid for demand in reversed(everybody)) == everybody
    assert ladder.clear(capacity, FLOOR, outside) == clear(capacity, FLOOR, [*everybody, *outside])


def order(name: int, start: int, hours: int, quantity: int, status: str) -> Reservation:
    begins = NOON + start * HOUR
    return Reservation(
        f"res{name}",
        name,
        f"r{name}",
        f"proj{name % 2}",
        "user",
        NOON,
        quantity,
        "it",
        "region",
        LaunchSpec((), ()),
        begins,
        begins + hours * HOUR,
        100,
        100,
        status=status,
    )


orders = st.lists(
    st.tuples(
        st.integers(0, 8),
        st.integers(-300, 700),
        st.integers(3, 336),
        st.integers(1, 5),
        st.sampled_from(["live", "live", "Paused", "gone"]),
    ),
    max_size=30,
)


@settings(max_examples=300)
@given(orders, st.integers(-400, 700), st.integers(1, 500))
def test_bookings_are_found_by_time_and_counted(steps, start, hours):
    bookings, known = Bookings(), {}
    for name, begins, lasts, quantity, what in steps:
        if what == "gone":
            known.pop(name, None)
            bookings.remove(f"res{name}")
            continue
        status = "Pending" if begins > 0 else "Active" if what == "live" else "Paused"
        known[name] = order(name, begins, lasts, quantity, status)
        bookings.put(known[name])
    left, right = NOON + start * HOUR, NOON + (start + hours) * HOUR
    overlapping = {one.fid for one in known.values() if one.start_time < right and one.end_time > left}
    assert {one.fid for one in bookings.between(left, right)} == overlapping
    assert {one.fid for one in bookings.running()} == {
        one.fid for one in known.values() if one.status != "Pending"
    }
    for project in ("proj0", "proj1"):
        total = sum(
            one.instance_quantity * -(-max(timedelta(0), one.end_time - max(NOON, one.start_time)) // HOUR)
            for one in known.values()
            if one.project == project
        )
        assert bookings.hours(project, NOON) == total
