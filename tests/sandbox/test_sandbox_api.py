"""The wire: access, shapes, errors, lists."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.sandbox import open_sandbox
from flowplan.sandbox.world.bids import STATUSES
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.index import Index
from flowplan.sandbox.world.pages import by_facet, page, read_paging
from flowplan.sandbox.world.records import Bid, LaunchSpec
from flowplan.sandbox.world.request import Refusal
from flowplan.sandbox.world.world import Moment, World


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer fkey_wrong"}, {"Authorization": "é"}])
def test_nobody_enters_without_the_key(client, header):
    status, _, body = client.sandbox.handle("GET", "/v2/me", headers=header)
    assert status == 401
    assert "detail" in json.loads(body)


def test_the_key_is_made_once_and_only_for_its_owner(client, clock):
    path = client.sandbox.home / "api-key"
    assert path.stat().st_mode & 0o777 == 0o600
    again = open_sandbox(client.sandbox.home, clock, execute=False)
    assert again.api_key == client.sandbox.api_key
    assert again.api_key.startswith("fkey_")
    again.close()


def test_me_tells_who_and_when(client, clock):
    answer = client.get("/v2/me")
    assert answer["fid"].startswith("user_")
    assert parsedate_to_datetime(answer.headers["date"]) == clock.now


def test_every_market_has_a_type_of_its_own_id(client):
    rows = client.get("/v2/spot/availability").body
    types = {row["fid"] for row in client.get("/v2/instance-types").body}
    assert {row["instance_type"] for row in rows} == types
    assert len(types) == len(rows)
    for name in ("a100-80gb.sxm.1x", "a100-80gb.sxm.8x", "h100-80gb.sxm.1x", "h100-80gb.sxm.8x", "h200.8x"):
        assert (name, "us-central1-b") in client.types


def test_other_readings_have_their_documented_shape(client):
    for path in ("/v2/quotas", "/v2/volumes", "/v2/reservation", "/v2/instances"):
        assert client.get(path, project=client.project).status == 200
    assert client.get("/v2/image-versions").status == 200
    prices = client.get("/v2/pricing/current", instance_type=client.h100, region="us-central1-b")
    assert prices["minimum_price_cents"] == 800
    assert prices["available_capacity"] == prices["total_capacity"] == 16
    assert client.get("/v2/pricing/current", instance_type="it_none").status == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nothing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/v2/spot/bids/a-name", 404),
        ("DELETE", "/v2/volumes/vol_none", 404),
        ("GET", "/v2/reservation/res_none", 405),
        ("PUT", "/v2/volumes", 405),
    ],
)
def test_what_is_not_there_is_said_so(client, method, path, status):
    answer = client.call(method, path)
    assert answer.status == status
    assert isinstance(answer["detail"], str)


def test_a_body_that_is_no_json_is_422(client):
    headers = {"authorization": f"Bearer {client.sandbox.api_key}"}
    assert client.sandbox.handle("POST", "/v2/volumes", headers=headers, body=b"{")[0] == 422
    assert client.call("POST", "/v2/volumes", [1]).status == 422
    assert client.call("POST", "/v2/volumes").status == 422


def test_all_wrong_fields_are_named_at_once(client):
    answer = client.post("/v2/volumes", name="No!", disk_interface="Tape", region="us-central1-b", size_gb=0)
    assert answer.status == 422
    assert answer.places == {"body.name", "body.project", "body.disk_interface", "body.size_gb"}


def test_unknown_query_parameters_are_tolerated(client):
    assert client.get("/v2/spot/bids", colour="blue", project=client.project).status == 200


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"next_cursor": "rubbish"}, {"sort_by": "colour"}]
)
def test_a_list_refuses_nonsense(client, query):
    assert client.get("/v2/spot/bids", **query).status == 422


def bid(seq: int, status: str, now: datetime) -> Bid:
    launch = LaunchSpec((), ())
    return Bid(f"bid_{seq}", seq, "job", "proj", "user", now, 800, 1, "it", "r", launch, status)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(STATUSES), max_size=30),
    st.integers(1, 7),
    st.sampled_from(["created_at", "status"]),
    st.booleans(),
    st.sets(st.sampled_from(STATUSES)),
)
def test_pages_show_everything_once_in_order(statuses, limit, sort_by, ascending, wanted):
    now = datetime(2026, 11, 23, tzinfo=UTC)
    moment = Moment(now, str)
    world = World()
    for i, status in enumerate(statuses):
        world.put(bid(i, status, now))
    query = {"limit": str(limit), "sort_by": sort_by, "sort_dir": "asc" if ascending else "desc"}
    where = {"project": ("proj",), **({"status": wanted} if wanted else {})}
    sorts = {"status": lambda: by_facet(world, "bid", "status")}
    seen, cursor, added = [], "", len(statuses)
    while True:
        fields = Fields({**query, "next_cursor": cursor}, "query")
        paging = read_paging(world, fields, ("status",))
        fields.check()
        response = page(world, moment, paging, "bid", where, lambda row: json.dumps(row.seq), sorts)
        shown = json.loads(response.text)
        assert len(shown["data"]) <= limit
        seen += shown["data"]
        # What is added while someone reads neither hides nor repeats what was there.
        if added < len(statuses) + 5:
            world.put(bid(added, "Open", now))
            added += 1
        cursor = shown["next_cursor"]
        if cursor is None:
            break
    texts = [*statuses, *["Open"] * (added - len(statuses))]
    key = (lambda seq: seq) if sort_by == "created_at" else (lambda seq: (texts[seq], seq))
    old = [seq for seq in seen if seq < len(statuses)]
    assert sorted(old) == [i for i, text in enumerate(statuses) if not wanted or text in wanted]
    assert seen == sorted(seen, key=key, reverse=not ascending)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 15), st.sampled_from("abc"), st.sampled_from("xy"), st.booleans())),
    st.sets(st.sampled_from("abc")),
    st.sets(st.sampled_from("xy")),
    st.none() | st.integers(0, 16),
    st.booleans(),
)
def test_an_index_finds_what_a_scan_finds(changes, some, others, after, descending):
    index = Index({"one": lambda value: value.name, "two": lambda value: value.region})
    known: dict[int, SimpleNamespace] = {}
    for seq, one, two, stays in changes:
        value = SimpleNamespace(seq=seq, name=one, region=two) if stays else None
        if value is None and seq not in known:
            continue
        index.replace(known.get(seq), value)
        if value is None:
            del known[seq]
        else:
            known[seq] = value
    found = [value.seq for value in index.find({"one": some, "two": others}, after, descending)]
    behind = (lambda seq: True) if after is None else (lambda seq: seq < after if descending else seq > after)
    expected = [
        s for s, value in known.items() if value.name in some and value.region in others and behind(s)
    ]
    assert found == sorted(expected, reverse=descending)
    assert [value.seq for value in index.find({}, None, descending)] == sorted(known, reverse=descending)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_no_cursor_breaks_the_server(cursor):
    fields = Fields({"next_cursor": cursor}, "query")
    paging = read_paging(World(), fields)
    try:
        fields.check()
    except Refusal as refusal:
        assert refusal.response.status == 422
    else:
        page(World(), Moment(datetime.now(UTC), str), paging, "bid", {}, str)


def test_a_page_holds_20_unless_told(client):
    for number in range(25):
        client.bid(f"job{number}")
    first = client.get("/v2/spot/bids")
    assert [bid["name"] for bid in first["data"]][:2] == ["job24", "job23"]
    assert len(first["data"]) == 20
    rest = client.get("/v2/spot/bids", next_cursor=first["next_cursor"])
    assert len(rest["data"]) == 5
    assert rest["next_cursor"] is None


def test_ssh_keys_come_and_go(client):
    text = client.get("/v2/ssh-keys", project=client.project).body[0]["public_key"]
    made = client.post("/v2/ssh-keys", project=client.project, name="mine", public_key=text)
    assert made.status == 201
    assert (
        client.post("/v2/ssh-keys", project=client.project, name="bad", public_key="nonsense").status == 422
    )
    assert client.patch(f"/v2/ssh-keys/{made['fid']}", required=True)["required"] is True
    assert client.bid(ssh_keys=[client.key]).status == 400
    bid = client.bid(ssh_keys=[client.key, made["fid"]])
    assert client.delete(f"/v2/ssh-keys/{made['fid']}").status == 400
    client.delete(f"/v2/spot/bids/{bid['fid']}")
    assert client.delete(f"/v2/ssh-keys/{made['fid']}").status == 204
    assert len(client.get("/v2/ssh-keys", project=client.project).body) == 1


def test_the_asgi_app_says_what_handle_says(client):
    import anyio
    import httpx

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        transport = httpx.ASGITransport(client.sandbox.app)
        headers = {"Authorization": f"Bearer {client.sandbox.api_key}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox", headers=headers) as http:
            made = await http.post("/v2/spot/bids", json=client.bid_body())
            gone = await http.delete(f"/v2/spot/bids/{made.json()['fid']}")
            return made, gone

    made, gone = anyio.run(ask)
    assert made.status_code == 201
    assert made.json()["fid"] == client.get("/v2/spot/bids")["data"][0]["fid"]
    assert (gone.status_code, gone.content) == (204, b"")
