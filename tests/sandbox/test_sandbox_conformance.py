"""The served sandbox against the provider's OpenAPI document: every operation, generated and in sequences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sandbox_contract import OPENAPI, Caller, operations, served
from sandbox_drafts import PUBLIC_KEY
from sandbox_generated import ask_generated
from sandbox_sequences import Sequences, start

from flowplan.sandbox import open_sandbox

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not OPENAPI.exists(), reason="the provider's OpenAPI document is not at hand"),
]

EXAMPLES = 12
SEEDS, STEPS = 6, 250


@pytest.fixture
def caller(tmp_path, clock) -> Iterator[Caller]:
    sandbox = open_sandbox(tmp_path / "home", clock, execute=False)
    with served(sandbox) as port:
        found = Caller(port, sandbox.api_key)
        yield found
        found.close()
    sandbox.close()


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_generated_requests_get_documented_answers(caller, clock, mode):
    ask_generated(caller, start(caller, clock), mode, EXAMPLES)
    assert {label for label, _ in caller.counts} == set(operations())


def test_every_operation_needs_a_key(caller):
    for label in operations():
        method, path = label.split()
        for key in ("", "fkey_wrong", f"{caller.key}x"):
            assert caller.call(method, path, key=key, label=label)[0] == 401


def test_every_body_and_parameter_is_checked(caller, clock):
    drafts = start(caller, clock)
    for label, operation in operations().items():
        path, query, _ = drafts.draw(label, Random(1), tame=True)
        method = label.split()[0]
        if "requestBody" in operation:
            for raw in (b"{", b"[1]", b'"x"', b"5", b"NaN", b"\xff", b"[" * 100_000):
                assert caller.call(method, path, query, raw=raw, label=label)[0] in (404, 422), label
        for parameter in operation.get("parameters", ()):
            name, schema = parameter["name"], parameter["schema"]
            if parameter["in"] == "query" and parameter.get("required"):
                left = {key: value for key, value in query.items() if key != name}
                status, answer = caller.call(method, path, left, label=label)
                assert status == 422, label
                assert ["query", name] in [problem["loc"] for problem in answer["detail"]]
            wrong = parameter["in"] == "query" and (
                schema.get("type") in ("integer", "boolean") or "enum" in schema or "format" in schema
            )
            if wrong:
                needed = {"project": drafts.pool["proj"][0], **query}
                status, answer = caller.call(method, path, {**needed, name: "(wrong)"}, label=label)
                if label == "GET /v2/reservation/availability" and status == 200:
                    continue  # a parameter of another mode
                assert status == 422, (label, name, answer)
                assert ["query", name] in [problem["loc"] for problem in answer["detail"]], (label, name)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_sequences_of_requests_get_documented_answers(caller, clock, seed):
    sequences = Sequences(caller, clock, seed)
    for _ in range(STEPS):
        sequences.step()


def test_every_operation_has_its_success(caller, clock):
    """A walk through the whole API, on which nothing fails."""
    ask = Walk(caller)
    project = ask("GET", "/v2/projects")[0]["fid"]
    at = {"project": project}
    ask("GET", "/v2/me")
    ask("GET", "/v2/me/teammates")
    ask("GET", "/v2/instance-types")
    ask("GET", "/v2/reservation/instance-types")
    market = ask("GET", "/v2/spot/availability")[0]
    place = {"instance_type": market["instance_type"], "region": market["region"]}
    image = ask("GET", "/v2/image-versions")[0]["image_version_fid"]
    ask("GET", "/v2/mcc-image-versions", {"region": market["region"]})
    ask("GET", "/v2/quotas", at)
    ask("GET", "/v2/pricing/current", place)
    ask("GET", "/v2/pricing/history", {"instance_types": market["instance_type"], "num_samples": -1})

    later = (clock.now + timedelta(days=30)).isoformat()
    made = ask("POST", "/v2/api-keys", body={"name": "ci", "expires_at": later})
    ask("GET", "/v2/api-keys")
    ask("DELETE", f"/v2/api-keys/{made['fid']}")

    key = ask("POST", "/v2/ssh-keys", body={**at, "name": "mine", "public_key": PUBLIC_KEY})["fid"]
    pair = ask("POST", "/v2/ssh-keys", body={**at, "name": "made"})
    assert "PRIVATE KEY" in pair["private_key"]
    ask("GET", "/v2/ssh-keys", at)
    ask("PATCH", f"/v2/ssh-keys/{pair['fid']}", body={"required": False})
    ask("DELETE", f"/v2/ssh-keys/{pair['fid']}")

    script = ask("POST", "/v2/lifecycle-scripts", body={**at, "name": "setup", "content": "true"})["fid"]
    ask("GET", "/v2/lifecycle-scripts", at)
    assert ask("GET", f"/v2/lifecycle-scripts/{script}/content") == "true"
    ask("PATCH", f"/v2/lifecycle-scripts/{script}", body={"description": "sets up"})
    ask("DELETE", f"/v2/lifecycle-scripts/{script}")

    volume = ask(
        "POST",
        "/v2/volumes",
        body={
            **at,
            "name": "data",
            "disk_interface": "Block",
            "region": market["region"],
            "size_gb": 5,
        },
    )["fid"]
    ask("PATCH", f"/v2/volumes/{volume}", body={"name": "more"})
    ask("GET", "/v2/volumes", {**at, "include_deleted": "true"})

    cluster = ask("POST", "/v2/kubernetes/clusters", body={**at, **place, "name": "k", "ssh_keys": [key]})
    clock.advance(600)
    ask("GET", "/v2/kubernetes/clusters", at)
    assert ask("GET", f"/v2/kubernetes/clusters/{cluster['fid']}")["status"] == "Available"

    launch = {"volumes": [volume], "ssh_keys": [key], "kubernetes_cluster": cluster["fid"]}
    order = {**at, **place, "name": "job", "instance_quantity": 1, "launch_specification": launch}
    bid = ask("POST", "/v2/spot/bids", body={**order, "limit_price": "$50.00"})["fid"]
    clock.advance(600)
    ask("GET", "/v2/spot/bids", at)
    ask("GET", f"/v2/spot/bids/{bid}")
    assert ask("GET", f"/v2/spot/bids/{bid}/status")["status"] == "Allocated"
    ask("GET", f"/v2/spot/bids/{bid}/history")
    ask("PATCH", f"/v2/spot/bids/{bid}", body={"limit_price": "$60.00"})
    node = ask("GET", f"/v2/kubernetes/clusters/{cluster['fid']}")["instances"][0]
    ask("GET", f"/v2/instances/{node}/status")
    ask("DELETE", f"/v2/spot/bids/{bid}")
    ask("DELETE", f"/v2/kubernetes/clusters/{cluster['fid']}")

    times = {
        "start_time": clock.now.isoformat(),
        "end_time": (clock.now + timedelta(hours=5)).isoformat(),
    }
    ask("GET", "/v2/reservation/quote", {**at, **place, **times, "quantity": 2})
    asked = {**at, **place, "start_time": times["start_time"], "quantity": 2}
    ask("GET", "/v2/reservation/availability", asked)
    ask("GET", "/v2/reservation/availability", {**asked, **times, "mode": "check"})
    span = {"earliest_start_time": times["start_time"], "latest_end_time": times["end_time"]}
    ask("GET", "/v2/reservation/availability", {**at, **place, **span, "mode": "slots"})
    order = {
        **order,
        **times,
        "instance_quantity": 2,
        "launch_specification": {"volumes": [], "ssh_keys": [key]},
    }
    res = f"/v2/reservation/{ask('POST', '/v2/reservation', body=order)['fid']}"
    clock.advance(60)
    ask("GET", "/v2/reservation", at)
    ask("GET", f"{res}/extension-availability")
    ask("POST", f"{res}/extend", body={"end_time": (clock.now + timedelta(hours=7, minutes=-1)).isoformat()})
    ask("PATCH", res, body={"paused": True})
    ask("PATCH", res, body={"paused": False})
    clock.advance(600)
    first, second = (
        row["fid"] for row in ask("GET", "/v2/instances", {**at, "status_in": "STATUS_RUNNING"})["data"]
    )
    ask("PATCH", "/v2/instances", body={"instances": [first], "status": "STATUS_PAUSED"})
    clock.advance(60)
    ask("POST", f"/v2/instances/{first}/refresh-boot-disk", body={"image_version": image})
    ask("PATCH", "/v2/instances", body={"instances": [first], "status": "STATUS_RUNNING"})
    both = {"instances": [first, second], "reduce_capacity": True}
    assert ask("POST", f"{res}/terminate-instances", body=both, status=207)["terminated_instances"] == [
        second
    ]
    clock.advance(600)
    ask("POST", f"{res}/terminate-instances", body={**both, "instances": [first]})
    ask("GET", f"{res}/history")
    ask("GET", f"{res}/usage")
    ask("GET", "/v2/instances/status/history", at)
    ask("GET", "/v2/instances/pricing/history", at)
    ask("DELETE", f"/v2/volumes/{volume}")

    succeeded = {label for label, status in caller.counts if status < 300}
    assert set(operations()) - succeeded == set(), "operations that were not covered"


class Walk:
    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def __call__(
        self, method: str, path: str, query: Any = None, body: Any = None, status: int | None = None
    ) -> Any:
        answered, answer = self.caller.call(method, path, query, body)
        assert answered == status or (status is None and answered < 300), f"{method} {path}: {answer}"
        return answer
