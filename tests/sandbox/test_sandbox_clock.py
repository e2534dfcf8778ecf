"""The virtual clock: it is kept, shared, never goes back, and everything due happens at its own time."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.sandbox import open_sandbox
from flowplan.sandbox.desk import Desk
from flowplan.values.diagnostic import FlowplanError

BIDS = "/v2/spot/bids"


def events(client, fid):
    found = client.get(f"{BIDS}/{fid}/history")["events"]
    return [(event["event_type"], event["timestamp"]) for event in found]


def test_it_is_the_real_clock_until_it_is_moved(client, clock):
    desk = Desk(client.sandbox)
    assert desk.clock().now == clock.now
    start = clock.now
    assert desk.advance(timedelta(hours=3)).now == start + timedelta(hours=3)
    clock.advance(60)
    assert desk.clock().now == start + timedelta(hours=3, seconds=60)


def test_it_stands_still_and_goes_on_from_there(client, clock):
    desk = Desk(client.sandbox)
    stood = desk.freeze().now
    clock.advance(500)
    assert desk.clock() == desk.freeze()
    assert desk.clock().now == stood
    assert desk.advance(timedelta(minutes=1)).now == stood + timedelta(minutes=1)
    assert desk.resume().now == stood + timedelta(minutes=1)
    clock.advance(10)
    assert desk.clock().now == stood + timedelta(minutes=1, seconds=10)
    assert desk.clock().is_frozen is False


def test_every_process_sees_the_same_time_and_the_next_one_too(client, clock, make_client):
    Desk(client.sandbox).advance(timedelta(days=2))
    other = open_sandbox(client.sandbox.home, clock, execute=False)
    try:
        assert Desk(other).clock() == Desk(client.sandbox).clock()
        # One that had the file open all the while sees the move at its next request.
        Desk(other).freeze()
        bid = make_client(other).bid()
        assert client.get(f"{BIDS}/{bid['fid']}")["created_at"] == bid["created_at"]
        assert Desk(client.sandbox).clock().is_frozen
    finally:
        other.close()


@pytest.mark.parametrize("by", [timedelta(), timedelta(seconds=-1), timedelta(days=4000)])
def test_it_is_not_moved_back_nor_out_of_sight(client, by):
    before = Desk(client.sandbox).clock()
    with pytest.raises(FlowplanError, match="only goes forward"):
        Desk(client.sandbox).advance(by)
    assert Desk(client.sandbox).clock() == before


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.one_of(st.sampled_from(["freeze", "resume"]), st.integers(1, 10**6), st.floats(0.0, 100.0)),
        max_size=12,
    )
)
def test_no_sequence_of_moves_turns_it_back(steps):
    real = [datetime(2030, 1, 1, tzinfo=UTC)]
    with tempfile.TemporaryDirectory() as folder:
        sandbox = open_sandbox(Path(folder), lambda: real[0], execute=False)
        try:
            desk = Desk(sandbox)
            now = desk.clock().now
            for step in steps:
                if isinstance(step, float):
                    real[0] += timedelta(seconds=step)
                    found = desk.clock()
                elif isinstance(step, int):
                    found = desk.advance(timedelta(seconds=step))
                    assert found.now >= now + timedelta(seconds=step)
                else:
                    found = desk.freeze() if step == "freeze" else desk.resume()
                assert found.now >= now
                now = found.now
        finally:
            sandbox.close()


def test_what_falls_into_a_jump_happens_at_its_own_time(client, clock):
    desk = Desk(client.sandbox)
    start = desk.freeze().now
    low = client.bid("low", "$10.00", 16)
    client.bid("high", "$20.00", 16)
    desk.advance(timedelta(hours=1))
    assert events(client, low["fid"])[-1] == ("Preempted", (start + timedelta(seconds=300)).isoformat())
    high = client.get(BIDS, name="high")["data"][0]
    assert events(client, high["fid"])[-1] == ("Allocated", (start + timedelta(seconds=300)).isoformat())


def test_a_machine_boots_by_the_virtual_clock(client):
    desk = Desk(client.sandbox)
    client.sandbox.configure(boot_s=600)
    desk.freeze()
    bid = client.bid()

    def state():
        return client.get("/v2/instances", project=client.project, bid_fid_in=bid["fid"])["data"][0]["status"]

    assert state() == "STATUS_STARTING"
    desk.advance(timedelta(seconds=299))
    assert state() == "STATUS_STARTING"
    desk.advance(timedelta(seconds=602))
    assert state() == "STATUS_RUNNING"
