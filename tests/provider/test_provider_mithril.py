"""The adapter against scripted answers: what is listed, what is sent, and what each answer comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from doubles import AUCTIONS, KEY, PROJECTS, SSH_KEYS, TYPES, Policy, bid, client, reservation, volume
from scripted_server import Raw, Request, ScriptedServer, answer, raw

from flowplan.ports import Ambiguous, Done, Handle, Outcome, Refused
from flowplan.provider.mithril.provider import MithrilProvider
from flowplan.values.address import Kind
from flowplan.values.diagnostic import FlowplanError
from flowplan.values.value import Sensitive

pytestmark = pytest.mark.process
BIDS = "/v2/spot/bids"
TASK = {
    "name": "train",
    "instance_type": "8xh100",
    "region": "r-one",
    "num_instances": 2,
    "limit_price": 12.5,
    "volume_ids": ["vol_1"],
    "ssh_key_ids": ["laptop"],
    "startup_script": Sensitive("#!/bin/sh\nexport TOKEN=hunter2-hunter2\n"),
}
VOLUME = {"name": "data", "region": None, "size_gb": 100, "interface": "file", "mount_path": "/d"}
RESERVATION = {
    "name": "week",
    "instance_type": "8xh100",
    "region": "r-one",
    "quantity": 1,
    "start_time_utc": "2026-12-01T00:00:00Z",
    "end_time_utc": "2026-12-02T00:00:00Z",
}


@pytest.fixture
def api(server: ScriptedServer) -> ScriptedServer:
    server.on("GET", "/v2/projects", answer(200, PROJECTS))
    server.on("GET", "/v2/instance-types", answer(200, TYPES))
    server.on("GET", "/v2/spot/availability", answer(200, AUCTIONS))
    server.on("GET", "/v2/ssh-keys", answer(200, SSH_KEYS))
    server.on("GET", "/v2/volumes", answer(200, [volume()]))
    server.on("GET", BIDS, answer(200, {"data": [bid()], "next_cursor": None}))
    server.on("GET", "/v2/reservation", answer(200, {"data": [reservation()], "next_cursor": None}))
    return server


def run(
    api: ScriptedServer, work: Callable[[MithrilProvider], Awaitable[Any]], project: str | None = "lab"
) -> Any:
    async def inner() -> Any:
        async with MithrilProvider(
            client(api.url, retries=Policy(1), read_timeout=2), project, "r-one"
        ) as provider:
            return await work(provider)

    return asyncio.run(inner())


def create(api: ScriptedServer, kind: Kind, attributes: dict[str, Any]) -> Outcome:
    outcome: Outcome = run(api, lambda provider: provider.create(kind, attributes, "run-1"))
    assert KEY not in repr(outcome) and "hunter2" not in repr(outcome)
    return outcome


# -- projects


@pytest.mark.parametrize("wanted", [None, "lab", "Lab", "LAB", "proj_1"])
def test_the_project_by_any_name_is_asked_for_once(api: ScriptedServer, wanted: str | None) -> None:
    async def twice(provider: MithrilProvider) -> list[str]:
        return list(await asyncio.gather(provider.project(), provider.project()))

    assert run(api, twice, wanted) == ["proj_1", "proj_1"]
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("wanted", "rows", "words"),
    [
        ("lap", PROJECTS, "'lab'"),
        (None, [], "Create one"),
        (None, [*PROJECTS, {"fid": "proj_2", "name": "Ops"}], "Lab, Ops"),
        ("lab", [{"fid": "proj_2", "name": "LAB"}, {"fid": "proj_3", "name": "Lab"}], "proj_2, proj_3"),
    ],
)
def test_no_clear_project(api: ScriptedServer, wanted: str | None, rows: list[Any], words: str) -> None:
    api.on("GET", "/v2/projects", answer(200, rows))
    with pytest.raises(FlowplanError) as caught:
        run(api, lambda provider: provider.project(), wanted)
    assert words in caught.value.diagnostics[0].suggestion


# -- observing


def test_an_observation(api: ScriptedServer) -> None:
    seen = run(api, lambda provider: provider.observe([], Kind))
    assert seen.project == "proj_1" and seen.kinds == frozenset(Kind) and len(seen.offers) == len(AUCTIONS)
    task = seen.find(Kind.TASK, "bid_1")
    assert task.exists and task.name == "train" and task.created_at.year == 2026
    assert task.attributes["instance_type"] == "8xh100" and task.attributes["limit_price"] == 12.5
    assert (
        task.attributes["status"] == "running"
        and task.attributes["created_at"] == "2026-11-01T10:00:00.250000Z"
    )
    assert seen.find(Kind.VOLUME, "vol_1").attributes["interface"] == "file"
    assert seen.find(Kind.RESERVATION, "res_1").attributes["price_total_usd"] == 1200.0


def test_only_the_kinds_asked_for_are_listed(api: ScriptedServer) -> None:
    run(api, lambda provider: provider.observe([], [Kind.VOLUME]))
    assert not api.seen("GET", BIDS) and not api.seen("GET", "/v2/reservation")


def _pages(api: ScriptedServer, size: int, pages: int) -> None:
    def reply(request: Request) -> Raw:
        page = int(request.query.get("next_cursor", "0"))
        rows = [bid(f"bid_{page * size + row}") for row in range(size)]
        return answer(200, {"data": rows, "next_cursor": str(page + 1) if page + 1 < pages else None})

    api.on("GET", BIDS, reply)


def test_pages_are_followed_to_the_end_for_what_is_missing(api: ScriptedServer) -> None:
    _pages(api, 3, 4)
    seen = run(api, lambda provider: provider.observe([(Kind.TASK, "bid_gone")], [Kind.TASK]))
    assert len(seen.objects) == 12 and seen.find(Kind.TASK, "bid_gone") is None
    queries = [request.query for request in api.seen("GET", BIDS)]
    assert [query.get("next_cursor") for query in queries] == [None, "1", "2", "3"]
    for query in queries:
        assert query["limit"] == "100" and query["sort_by"] == "created_at" and query["sort_dir"] == "desc"
        assert query["project"] == "proj_1"


def test_listing_stops_once_all_wanted_were_seen(api: ScriptedServer) -> None:
    _pages(api, 3, 4)
    seen = run(
        api, lambda provider: provider.observe([(Kind.TASK, "bid_1"), (Kind.TASK, "bid_4")], [Kind.TASK])
    )
    assert len(seen.objects) == 6 and len(api.seen("GET", BIDS)) == 2


def test_a_list_that_repeats_its_cursor_is_an_error(api: ScriptedServer) -> None:
    api.on("GET", BIDS, answer(200, {"data": [bid()], "next_cursor": "again"}))
    with pytest.raises(FlowplanError, match="does not end"):
        run(api, lambda provider: provider.observe([(Kind.TASK, "x")], [Kind.TASK]))


def test_without_the_sort_where_it_is_not_accepted(api: ScriptedServer) -> None:
    def reply(request: Request) -> Raw:
        if "sort_by" in request.query:
            return answer(422, {"detail": [{"loc": ["query", "sort_by"], "msg": "no", "type": "t"}]})
        return answer(200, {"data": [bid()], "next_cursor": None})

    api.on("GET", BIDS, reply)

    async def twice(provider: MithrilProvider) -> Any:
        await provider.observe([], [Kind.TASK])
        return await provider.observe([], [Kind.TASK])

    assert run(api, twice).find(Kind.TASK, "bid_1")
    assert [("sort_by" in r.query, r.query["limit"]) for r in api.seen("GET", BIDS)] == [
        (True, "100"),
        (False, "100"),
        (False, "100"),
    ]


@pytest.mark.parametrize(
    "page",
    [
        [],
        {"data": None},
        {"data": [{}]},
        {"data": [bid(), bid(fid="")]},
        {"data": [bid(limit_price="cheap")]},
        "x",
    ],
)
def test_a_list_of_the_wrong_shape_is_an_error_and_never_an_absence(api: ScriptedServer, page: Any) -> None:
    api.on("GET", BIDS, answer(200, page))
    with pytest.raises(FlowplanError) as caught:
        run(api, lambda provider: provider.observe([(Kind.TASK, "bid_1")], [Kind.TASK]))
    assert "bids" in caught.value.diagnostics[0].detail or "tasks" in caught.value.diagnostics[0].detail
    assert "cheap" not in repr(caught.value.diagnostics)


def test_several_failed_reads_are_reported_once(api: ScriptedServer) -> None:
    for path in ("/v2/instance-types", BIDS, "/v2/volumes", "/v2/reservation"):
        api.on("GET", path, answer(401, {"detail": "no"}))
    with pytest.raises(FlowplanError) as caught:
        run(api, lambda provider: provider.observe([], Kind))
    assert len(caught.value.diagnostics) == 1


def test_finding_by_name_oldest_first(api: ScriptedServer) -> None:
    rows = [
        bid("bid_3", created_at="2026-11-03T00:00:00Z", status="Terminated"),
        bid("bid_2", created_at="2026-11-02T00:00:00Z"),
        bid("bid_x", name="other"),
        bid("bid_1", created_at="2026-11-01T00:00:00+02:00"),
    ]
    api.on("GET", BIDS, answer(200, {"data": rows, "next_cursor": None}))
    found = run(api, lambda provider: provider.find(Handle(Kind.TASK, "train")))
    assert [(one.id, one.exists) for one in found] == [("bid_1", True), ("bid_2", True), ("bid_3", False)]
    assert api.seen("GET", BIDS)[0].query["name"] == "train"


def test_finding_volumes_and_reservations(api: ScriptedServer) -> None:
    api.on("GET", "/v2/volumes", answer(200, [volume(), volume("vol_0", deleted_at="2026-01-01T00:00:00Z")]))
    found = run(api, lambda provider: provider.find(Handle(Kind.VOLUME, "data")))
    assert {(one.id, one.exists) for one in found} == {("vol_1", True), ("vol_0", False)}
    assert [one.id for one in run(api, lambda p: p.find(Handle(Kind.RESERVATION, "week")))] == ["res_1"]


# -- creating


def test_what_a_task_is_created_with(api: ScriptedServer) -> None:
    api.on("POST", BIDS, answer(201, bid("bid_9")))
    outcome = create(api, Kind.TASK, TASK)
    assert isinstance(outcome, Done) and outcome.observed is not None and outcome.observed.id == "bid_9"
    (request,) = api.seen("POST")
    assert request.headers["idempotency-key"] == "run-1"
    assert request.json() == {
        "project": "proj_1",
        "name": "train",
        "instance_type": "it_h8",
        "region": "r-one",
        "instance_quantity": 2,
        "limit_price": "$12.50",
        "launch_specification": {
            "volumes": ["vol_1"],
            "ssh_keys": ["sshkey_b", "sshkey_a"],
            "startup_script": "#!/bin/sh\nexport TOKEN=hunter2-hunter2\n",
        },
    }


def test_what_a_volume_and_a_reservation_are_created_with(api: ScriptedServer) -> None:
    api.on("POST", "/v2/volumes", answer(201, volume()))
    api.on("POST", "/v2/reservation", answer(201, reservation()))
    assert isinstance(create(api, Kind.VOLUME, VOLUME), Done)
    assert isinstance(create(api, Kind.RESERVATION, RESERVATION), Done)
    bodies = [request.json() for request in api.seen("POST")]
    assert bodies[0] == {
        "project": "proj_1",
        "name": "data",
        "region": "r-one",
        "size_gb": 100,
        "disk_interface": "File",
    }
    assert bodies[1]["launch_specification"] == {"volumes": [], "ssh_keys": ["sshkey_b"]}
    assert bodies[1]["start_time"] == "2026-12-01T00:00:00Z" and bodies[1]["instance_quantity"] == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"instance_type": "8xa100"}, "r-two"),
        ({"region": "r-oen"}, "r-one"),
        ({"ssh_key_ids": ["labtop"]}, "laptop"),
        ({"limit_price": None}, "limit_price"),
        ({"limit_price": "much"}, "12.50"),
    ],
)
def test_what_cannot_be_said_on_the_wire_is_refused_unsent(
    api: ScriptedServer, changes: dict[str, Any], words: str
) -> None:
    outcome = create(api, Kind.TASK, {**TASK, **changes})
    assert isinstance(outcome, Refused) and not outcome.transient
    assert words in outcome.diagnostic.summary + outcome.diagnostic.suggestion
    assert not api.seen("POST")


def test_the_keys_of_a_project_are_asked_for_again_after_a_refusal_only(api: ScriptedServer) -> None:
    api.on(
        "POST",
        BIDS,
        answer(201, bid("bid_9")),
        answer(422, {"detail": "no such key"}),
        answer(201, bid("bid_8")),
    )

    async def asked(provider: MithrilProvider) -> list[int]:
        counts = []
        for _ in range(3):
            await provider.create(Kind.TASK, TASK, "")
            counts.append(sum(request.path == "/v2/ssh-keys" for request in api.seen("GET")))
        return counts

    assert run(api, asked) == [1, 1, 2]


def test_a_read_that_fails_before_a_create_is_a_refusal(api: ScriptedServer) -> None:
    api.on("GET", "/v2/ssh-keys", answer(500))
    outcome = create(api, Kind.TASK, TASK)
    assert isinstance(outcome, Refused) and outcome.transient and not api.seen("POST")


@pytest.mark.parametrize(
    "reply",
    [
        answer(500),
        answer(502),
        answer(503, retry_after="1"),
        answer(504, {"detail": "late"}),
        answer(302, location="/x"),
        answer(201),
        answer(201, {}),
        answer(201, bid(fid="")),
        answer(201, bid(limit_price="?")),
        raw(201, b"<html>ok</html>", **{"content-type": "text/html"}),
        raw(201, b'{"fid": ', **{"content-type": "application/json"}),
        Raw(reset=True),
        Raw(),
        Raw(b"HTTP/1.1 201 X\r\ncontent-length: 999\r\n\r\n{"),
    ],
)
def test_an_outcome_no_one_can_tell_is_ambiguous_and_sent_once(api: ScriptedServer, reply: Raw) -> None:
    api.on("POST", BIDS, reply)
    outcome = create(api, Kind.TASK, TASK)
    assert isinstance(outcome, Ambiguous) and outcome.reason
    assert len(api.seen("POST")) == 1


@pytest.mark.parametrize(
    ("status", "detail", "words"),
    [
        (400, "Limit price below minimum of $8.00", "max_price_per_hour"),
        (400, "name already used", "another name"),
        (400, "At least one SSH key is required", "console"),
        (400, "Quota exceeded", "quota"),
        (400, "Invalid name", "lower-case"),
        (401, "expired", "MITHRIL_API_KEY"),
        (402, "pay", "console"),
        (403, "not enabled", "member"),
        (404, "volume not found", "ids"),
        (409, "conflict", "conflicts"),
        (
            422,
            [{"loc": ["body", "instance_quantity"], "msg": "too many", "input": "hunter2"}],
            "num_instances",
        ),
        (
            422,
            [{"loc": ["body", "launch_specification", "volumes", 0], "msg": "bad"}],
            "launch_specification",
        ),
    ],
)
def test_a_refused_create_says_what_to_do(api: ScriptedServer, status: int, detail: Any, words: str) -> None:
    api.on("POST", BIDS, answer(status, {"detail": detail}))
    outcome = create(api, Kind.TASK, TASK)
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.transient, outcome.gone) == (status, False, False)
    found = outcome.diagnostic
    assert words in f"{found.summary} {found.detail} {found.suggestion}"
    if isinstance(detail, str):
        assert detail in found.detail


def test_too_many_requests_is_transient(api: ScriptedServer) -> None:
    api.on("POST", BIDS, answer(429))
    outcome = create(api, Kind.TASK, TASK)
    assert isinstance(outcome, Refused) and outcome.transient and outcome.status == 429
    assert len(api.seen("POST")) == 2  # the policy's one repetition


def test_held_for_approval_is_not_created(api: ScriptedServer) -> None:
    api.on("POST", BIDS, answer(202, {"held": {"proposal_id": "p"}}))
    assert isinstance(create(api, Kind.TASK, TASK), Refused)


def test_a_server_that_quotes_the_script_is_not_quoted(api: ScriptedServer) -> None:
    api.on("POST", BIDS, answer(400, {"detail": "bad line: export TOKEN=hunter2-hunter2 \x1b[31m"}))
    outcome = create(api, Kind.TASK, TASK)
    assert isinstance(outcome, Refused)
    assert "bad line" in outcome.diagnostic.detail and "\x1b" not in outcome.diagnostic.detail


# -- changing and deleting


def test_a_task_is_changed_in_one_request(api: ScriptedServer) -> None:
    api.on("PATCH", f"{BIDS}/bid_1", answer(200, bid(status="Paused", limit_price="$9.99")))
    changes = {"limit_price": 9.99, "volume_ids": [], "paused": True}
    outcome = run(api, lambda provider: provider.update(Kind.TASK, "bid_1", changes, "k"))
    assert outcome.observed.attributes["status"] == "paused"
    assert [r.json() for r in api.seen("PATCH")] == [{"limit_price": "$9.99", "volumes": [], "paused": True}]


def test_a_reservation_is_extended_by_its_own_request(api: ScriptedServer) -> None:
    api.on("POST", "/v2/reservation/res_1/extend", answer(200, reservation()))
    changes = {"end_time_utc": "2026-12-03T00:00:00+00:00"}
    assert isinstance(run(api, lambda p: p.update(Kind.RESERVATION, "res_1", changes, "k")), Done)
    assert api.seen("POST")[0].json() == {"end_time": "2026-12-03T00:00:00Z"}


@pytest.mark.parametrize(
    "changes", [{}, {"name": "x"}, {"limit_price": None}, {"num_instances": 3, "limit_price": 1.0}]
)
def test_what_cannot_change_in_place_is_refused_unsent(api: ScriptedServer, changes: dict[str, Any]) -> None:
    outcome = run(api, lambda provider: provider.update(Kind.TASK, "bid_1", changes, "k"))
    assert isinstance(outcome, Refused) and not api.seen("PATCH")


def test_changing_what_is_gone(api: ScriptedServer) -> None:
    outcome = run(api, lambda provider: provider.update(Kind.TASK, "bid_1", {"paused": True}, "k"))
    assert isinstance(outcome, Refused) and outcome.gone and outcome.status == 404


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answer(204), Done),
        (answer(200), Done),
        (answer(200, {"ok": True}), Done),
        (answer(404, {"detail": "Not Found"}), Done),
        (raw(404, b"<html>", **{"content-type": "text/html"}), Ambiguous),
        (raw(200, b"<html>log in", **{"content-type": "text/html"}), Ambiguous),
        (answer(500), Ambiguous),
        (Raw(reset=True), Ambiguous),
        (answer(403, {"detail": "no"}), Refused),
    ],
)
@pytest.mark.parametrize(("kind", "path"), [(Kind.TASK, f"{BIDS}/x"), (Kind.VOLUME, "/v2/volumes/x")])
def test_what_a_deletion_comes_to(
    api: ScriptedServer, reply: Raw, expected: type[Outcome], kind: Kind, path: str
) -> None:
    api.on("DELETE", path, reply)
    outcome = run(api, lambda provider: provider.delete(kind, "x", "k"))
    assert isinstance(outcome, expected)
    assert len(api.seen("DELETE")) == 1


@pytest.mark.parametrize("status", [400, 409])
def test_terminating_what_has_ended_is_done_if_a_look_agrees(api: ScriptedServer, status: int) -> None:
    api.on("DELETE", f"{BIDS}/bid_1", answer(status, {"detail": "already terminated"}))
    looks = [
        (answer(200, bid(status="Terminated")), Done),
        (answer(404, {"detail": "Not Found"}), Done),
        (answer(200, bid(status="Open")), Refused),
        (answer(500), Ambiguous),
    ]
    for look, expected in looks:
        api.on("GET", f"{BIDS}/bid_1", look)
        assert isinstance(run(api, lambda provider: provider.delete(Kind.TASK, "bid_1", "k")), expected)


@pytest.mark.parametrize("status", [400, 409])
def test_a_volume_in_use_may_be_deleted_later(api: ScriptedServer, status: int) -> None:
    api.on("DELETE", "/v2/volumes/vol_1", answer(status, {"detail": "Volume is in use"}))
    outcome = run(api, lambda provider: provider.delete(Kind.VOLUME, "vol_1", "k"))
    assert (
        isinstance(outcome, Refused) and outcome.transient and "Volume is in use" in outcome.diagnostic.detail
    )


def test_a_reservation_cannot_be_cancelled(api: ScriptedServer) -> None:
    outcome = run(api, lambda provider: provider.delete(Kind.RESERVATION, "res_1", "k"))
    assert isinstance(outcome, Refused) and "cannot be cancelled" in outcome.diagnostic.summary
    assert not api.requests


def test_many_creations_at_once_read_catalogue_and_keys_once(api: ScriptedServer) -> None:
    api.on("POST", BIDS, answer(201, bid()))

    async def many(provider: MithrilProvider) -> list[Outcome]:
        return list(await asyncio.gather(*(provider.create(Kind.TASK, TASK, f"k-{n}") for n in range(5))))

    assert all(isinstance(outcome, Done) for outcome in run(api, many))
    paths = [request.path for request in api.seen("GET")]
    assert sorted(paths) == sorted({*paths}) and len(api.seen("POST")) == 5
