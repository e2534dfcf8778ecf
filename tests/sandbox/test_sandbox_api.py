"""The wire: access, shapes, errors, lists."""

import json
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.sandbox import open_sandbox
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.pages import page
from flowplan.sandbox.world.records import Auction
from flowplan.sandbox.world.request import Refusal


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


class Row:
    def __init__(self, seq: int, text: str) -> None:
        self.seq, self.text = seq, text


@given(
    st.lists(st.sampled_from("abc"), max_size=30),
    st.integers(1, 7),
    st.sampled_from(["created_at", "status"]),
    st.booleans(),
)
def test_pages_show_everything_once_in_order(texts, limit, sort_by, ascending):
    rows = [Row(i, text) for i, text in enumerate(texts)]
    query = {"limit": str(limit), "sort_by": sort_by, "sort_dir": "asc" if ascending else "desc"}
    seen, cursor = [], ""
    while True:
        fields = Fields({**query, "next_cursor": cursor}, "query")
        shown = page(rows, fields, ("created_at", "status"), lambda row: row.text, lambda row: row)
        seen += shown["data"]
        # What is added while someone reads neither hides nor repeats what was there.
        if len(rows) < len(texts) + 5:
            rows.append(Row(len(rows), "b"))
        cursor = shown["next_cursor"]
        if cursor is None:
            break
    old = [row for row in seen if row.seq < len(texts)]
    key = (lambda row: row.seq) if sort_by == "created_at" else (lambda row: (row.text, row.seq))
    assert sorted(row.seq for row in old) == list(range(len(texts)))
    assert seen == sorted(seen, key=key, reverse=not ascending)


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_no_cursor_breaks_the_server(cursor):
    fields = Fields({"next_cursor": cursor}, "query")
    try:
        page([Auction("it_1", 1, 5)], fields, ("created_at",), str, lambda row: row.fid)
    except Refusal as refusal:
        assert refusal.response.status == 422


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
