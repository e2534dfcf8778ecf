"""Laws of the store: several processes' views agree, and nothing half done is kept."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from flowplan.sandbox import open_sandbox
from flowplan.sandbox.store import Store
from flowplan.values.diagnostic import FlowplanError

LIMITS = st.sampled_from(["$8.00", "$9.00", "$12.50", "$20.00", "$30.00"])


class TwoViews(RuleBasedStateMachine):
    """Two sandboxes on one folder take turns; each must see all that the other did."""

    make_client = None
    make_clock = None

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = type(self).make_clock()
        home = Path(self.folder.name)
        self.clients = [
            type(self).make_client(open_sandbox(home, self.clock, execute=False)) for _ in range(2)
        ]
        self.bids: list[str] = []

    def teardown(self) -> None:
        for client in self.clients:
            client.sandbox.close()
        self.folder.cleanup()

    def pick(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self.bids or ["bid_none"]))

    @rule(who=st.integers(0, 1), limit=LIMITS, quantity=st.integers(1, 10))
    def place(self, who, limit, quantity):
        self.bids.append(self.clients[who].bid(limit=limit, quantity=quantity)["fid"])

    @rule(who=st.integers(0, 1), data=st.data(), limit=LIMITS)
    def change_limit(self, who, data, limit):
        self.clients[who].patch(f"/v2/spot/bids/{self.pick(data)}", limit_price=limit)

    @rule(who=st.integers(0, 1), data=st.data(), paused=st.booleans())
    def pause(self, who, data, paused):
        self.clients[who].patch(f"/v2/spot/bids/{self.pick(data)}", paused=paused)

    @rule(who=st.integers(0, 1), data=st.data())
    def cancel(self, who, data):
        self.clients[who].delete(f"/v2/spot/bids/{self.pick(data)}")

    @rule(who=st.integers(0, 1), hours=st.integers(0, 5), quantity=st.integers(1, 9))
    def reserve(self, who, hours, quantity):
        from datetime import timedelta

        start = self.clock.now + timedelta(hours=hours)
        client = self.clients[who]
        client.post("/v2/reservation", **client.reservation_body(start, 3, quantity))

    @rule(seconds=st.sampled_from([1, 200, 301, 4000]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @invariant()
    def both_see_the_same(self):
        for path in ("/v2/spot/bids", "/v2/instances", "/v2/reservation", "/v2/volumes", "/v2/quotas"):
            one, two = (client.get(path, project=client.project, limit=100).body for client in self.clients)
            assert one == two

    @invariant()
    def machines_are_sold_once_and_to_those_who_pay_enough(self):
        client = self.clients[0]
        bids = client.get("/v2/spot/bids", limit=100)["data"]
        row = next(r for r in client.get("/v2/spot/availability").body if r["instance_type"] == client.h100)
        held = [bid for bid in bids if bid["status"] == "Allocated"]
        assert sum(bid["instance_quantity"] for bid in held) + row["capacity"] <= 16
        price = float(row["last_instance_price"][1:])
        assert all(float(bid["limit_price"][1:]) >= price for bid in held)
        for bid in bids:
            assert len(bid["instances"]) in (0, bid["instance_quantity"])


def test_two_views_of_one_world(make_client, clock):
    from hypothesis.stateful import run_state_machine_as_test

    TwoViews.make_client, TwoViews.make_clock = make_client, type(clock)
    run_state_machine_as_test(
        TwoViews, settings=settings(max_examples=25, stateful_step_count=20, deadline=None)
    )


def test_a_change_that_fails_is_undone(tmp_path):
    from flowplan.sandbox.world.records import Auction

    store = Store(tmp_path / "w.db")
    with pytest.raises(ValueError), store.changing() as world:
        world.put(Auction("it_1", world.take_seq(), 5))
        raise ValueError
    with store.reading() as world:
        assert not world.auctions
    with store.changing() as world:
        world.put(Auction("it_1", world.take_seq(), 7))
    other = Store(tmp_path / "w.db")
    with other.reading() as world:
        assert world.auctions["it_1"].price_cents == 7
    store.close()
    other.close()


def test_reset_is_seen_by_all_and_keeps_the_key(client, make_client, clock):
    other = make_client(open_sandbox(client.sandbox.home, clock, execute=False))
    client.bid()
    key = client.sandbox.api_key
    other.sandbox.reset()
    assert client.get("/v2/spot/bids")["data"] == []
    assert client.sandbox.status() == {"bids": 0, "instances": 0, "volumes": 0, "reservations": 0}
    assert client.get("/v2/projects").body[0]["fid"] != client.project
    assert client.sandbox.api_key == key
    other.sandbox.close()


def test_status_counts_what_lives(client, clock):
    client.bid(quantity=3)
    client.volume()
    clock.advance(1)
    assert client.sandbox.status() == {"bids": 1, "instances": 3, "volumes": 1, "reservations": 0}


def test_a_file_that_is_no_database_is_told_not_thrown(tmp_path):
    (tmp_path / "sandbox.db").write_text("not a database at all, but long enough to be read as one" * 20)
    with pytest.raises(FlowplanError, match=r"sandbox\.db cannot be used"):
        open_sandbox(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FlowplanError, match="cannot be used"):
        open_sandbox(tmp_path / "file" / "home")


def test_a_newer_file_is_refused(tmp_path):
    import sqlite3

    db = sqlite3.connect(tmp_path / "sandbox.db")
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(FlowplanError, match="newer flowplan"):
        open_sandbox(tmp_path)


def test_scripts_stay_in_the_file_until_they_are_asked_for(client, clock, make_client):
    scripts = [f"echo {number}\n" * 50 for number in range(3)]
    bids = [client.bid(f"job{number}", script=script) for number, script in enumerate(scripts)]
    again = make_client(open_sandbox(client.sandbox.home, clock, execute=False))
    with again.sandbox.viewing() as (world, _):
        assert world.texts._known == {}
    rows = again.get("/v2/spot/bids", project=client.project)["data"]
    assert [row["launch_specification"]["startup_script"] for row in rows] == scripts[::-1]
    for bid, script in zip(bids, scripts, strict=True):
        one = again.get(f"/v2/spot/bids/{bid['fid']}").body
        assert one["launch_specification"]["startup_script"] == script
        assert one in rows
    again.sandbox.close()


def test_a_refused_request_leaves_no_script_behind(client, make_client):
    import sqlite3

    client.bid("ok", script="kept")
    assert client.bid("refused", ssh_keys=["sshkey_none"], script="dropped").status == 404
    client.bid("again", script="kept")
    with sqlite3.connect(client.sandbox.home / "sandbox.db") as file:
        assert file.execute("SELECT text FROM texts").fetchall() == [('"kept"',)]
    file.close()


def test_texts_are_kept_within_bounds(monkeypatch):
    from flowplan.sandbox.world import texts as module
    from flowplan.sandbox.world.texts import Texts

    monkeypatch.setattr(module, "_MOST_KEPT", 100)
    stored: dict[str, str] = {}
    asked = []

    def fetch(keys):
        asked.extend(keys)
        return {key: stored[key] for key in keys if key in stored}

    texts = Texts(fetch)
    keys = [texts.keep(f"{number}" * 30) for number in range(9)]
    stored.update(texts.fresh)
    texts.stored()
    assert [texts.read(key) for key in keys] == [f"{number}" * 30 for number in range(9)]
    assert sum(map(len, texts._known.values())) <= 100
    assert texts.read("never kept") == ""
    assert len(set(asked)) >= 6


def test_a_file_of_the_first_version_keeps_its_scripts(client, clock, make_client):
    import json
    import sqlite3

    bid = client.bid("job", script="echo old").body
    home = client.sandbox.home
    client.sandbox.close()
    file = sqlite3.connect(home / "sandbox.db")
    (doc,) = file.execute("SELECT doc FROM objects WHERE kind = 'bid'").fetchone()
    old = json.loads(doc)
    old["launch"]["startup_script"] = json.loads(file.execute("SELECT text FROM texts").fetchone()[0])
    del old["launch"]["script"]
    file.execute("UPDATE objects SET doc = ? WHERE kind = 'bid'", (json.dumps(old),))
    file.execute("DROP TABLE texts")
    file.execute("PRAGMA user_version = 1")
    file.commit()
    file.close()
    again = make_client(open_sandbox(home, clock, execute=False))
    assert again.get(f"/v2/spot/bids/{bid['fid']}").body == bid
    assert again.get("/v2/spot/bids")["data"] == [bid]
    again.sandbox.close()
