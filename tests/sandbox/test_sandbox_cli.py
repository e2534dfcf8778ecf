"""``flowplan sandbox …`` as its user types it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowplan.cli.main import run
from flowplan.sandbox import open_sandbox

Type = Callable[..., str]


@pytest.fixture
def type_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Type:
    """Run a command in an empty project; what it printed. ``code`` is the exit code it must have."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLOWPLAN_DATA_DIR", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")

    def type_in(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert run(["sandbox", *words]) == code
        found = capsys.readouterr()
        return found.err if code else found.out

    return type_in


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sandbox"


def post_bid(home: Path, make_client: Any, name: str = "job", **more: Any) -> str:
    sandbox = open_sandbox(home, execute=False)
    try:
        return make_client(sandbox).bid(name, **more)["fid"]
    finally:
        sandbox.close()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_clock(type_in):
    assert type_in("clock").startswith("The sandbox's clock is at ")
    assert type_in("clock", "advance", "3h").rstrip().endswith(", 3h00m ahead.")
    assert "stands still" in type_in("clock", "freeze")
    before = json.loads(type_in("clock", "show", "--json"))
    assert before["is_frozen"] is True
    type_in("clock", "advance", "30m")
    assert json.loads(type_in("clock", "show", "--json"))["ahead_s"] > before["ahead_s"]
    assert "stands still" not in type_in("clock", "resume")
    assert "only goes forward" in type_in("clock", "advance", "0s", code=1)
    assert type_in("clock", "advance", "yesterday", code=64)


def test_the_status_counts_first_and_says_what_it_cost(type_in, home, make_client):
    type_in("clock", "freeze")
    post_bid(home, make_client, "job", quantity=2)
    type_in("clock", "advance", "1h")
    counts, _, rest = type_in("status").partition("\n\n")
    assert counts.splitlines() == ["bids: 1", "instances: 2", "volumes: 0", "reservations: 0"]
    assert "h100-80gb.sxm.8x@us-central1-b" in rest
    assert "now $16.00 an hour" in rest
    found = json.loads(type_in("status", "--json"))
    assert found["counts"]["instances"] == 2
    assert 1590 <= found["spent_cents"] <= 1600
    assert found["url"] is None


def test_hostile_names_are_shown_without_their_escapes(type_in, home, make_client):
    from attrs import evolve

    fid = post_bid(home, make_client)
    sandbox = open_sandbox(home, execute=False)
    with sandbox.changing() as (world, _):
        world.put(evolve(world.bids[fid], name="\x1b]0;owned\x07\nbids: 99"))
    sandbox.close()
    text = type_in("status")
    assert "\x1b" not in text
    assert "\x07" not in text
    assert text.count("bids: ") == 2
    assert text.splitlines()[0] == "bids: 1"
    assert not any(line.startswith("bids: 99") for line in text.splitlines())


def test_markets_are_shown_and_set(type_in, tmp_path):
    name = "h100-80gb.sxm.8x@us-central1-b"
    assert f"{name}" in type_in("market")
    assert (
        type_in("market", "set", name, "--price", "$20", "--capacity", "4", "--for", "1h")
        == "Set in 1 market.\n"
    )
    row = next(
        r for r in json.loads(type_in("market", "show", "--json", "--history", "2h")) if r["name"] == name
    )
    assert (row["price_cents"], row["capacity"], row["free"]) == (2000, 4, 4)
    assert row["history"][-1][1] == 2000
    assert type_in("market", "clear", name) == "Ended: 1.\n"
    assert type_in("market", "storm", "us-central1-b", "--for", "5m").startswith("A storm in ")
    assert "no market" in type_in("market", "set", "z80", "--price", "1", code=1)
    assert type_in("market", "set", name, code=64)
    assert type_in("market", "set", name, "--price", "cheap", code=64)
    assert type_in("market", "model", "seeded", "--seed", "4") == "Others bid from now on: seeded.\n"
    (tmp_path / "prices.yaml").write_text("'*': {0s: $30, 1h: $40}\n")
    type_in("market", "clear")
    type_in("market", "model", "recorded", "--prices", "prices.yaml")
    row = next(r for r in json.loads(type_in("market", "show", "--json")) if r["name"] == name)
    assert row["price_cents"] == 3000


def test_faults_are_added_listed_and_cleared(type_in, home):
    assert "throttle" in type_in("fault", "kinds")
    assert type_in("fault", "list") == "There are no faults.\n"
    added = type_in("fault", "add", "throttle", "path=/v2/spot/bids", "nth=[2, 3]", "retry_after=1.5")
    assert added == "fault-1\n"
    (found,) = json.loads(type_in("fault", "list", "--json"))
    assert found["settings"] == {"path": "/v2/spot/bids", "nth": [2, 3], "retry_after": 1.5}
    assert "fault-1  throttle" in type_in("fault", "list")
    assert type_in("fault", "clear") == "Ended: fault-1.\n"
    assert "Did you mean 'latency'" in type_in("fault", "add", "latnecy", code=1)
    assert type_in("fault", "add", "latency", "seconds", code=64)


def test_a_scenario_is_loaded_or_every_mistake_in_it_shown(type_in, tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "seed: 3\nfaults:\n  - kind: latency\n    secnods: 1\n  - kind: nothing\n"
    )
    text = type_in("fault", "load", "bad.yaml", code=1)
    assert "bad.yaml:4:5" in text
    assert "bad.yaml:5:5" in text
    assert "no 'secnods'" in text
    (tmp_path / "good.yaml").write_text(
        "seed: 3\nrules: {preemption_s: 1m}\nmarket: {model: seeded}\nfaults:\n  - {kind: error, status: 503}\n"
    )
    assert type_in("fault", "load", "good.yaml") == "fault-1\n"
    assert "cannot be read" in type_in("fault", "load", "none.yaml", code=1)
    (tmp_path / "good.json").write_text('{"faults": [{"kind": "lag", "seconds": 5}]}')
    assert type_in("fault", "load", "good.json") == "fault-2\n"


def test_reset_and_export(type_in, home, make_client):
    post_bid(home, make_client, script="export TOKEN=hunter2")
    assert "hunter2" not in type_in("export")
    document = json.loads(type_in("export", "--scripts"))
    assert list(document["scripts"].values()) == ["export TOKEN=hunter2"]
    assert document["objects"]["bid"][0]["launch"]["script"] in document["scripts"]
    assert [bid["name"] for bid in document["objects"]["bid"]] == ["job"]
    assert (home / "api-key").read_text().strip() not in json.dumps(document)
    assert type_in("reset", "--seed", "7").startswith("The sandbox is empty. It held 1 bids")
    first = json.loads(type_in("export"))["objects"]["project"]
    type_in("reset", "--seed", "7")
    assert [p["fid"] for p in json.loads(type_in("export"))["objects"]["project"]] == [
        p["fid"] for p in first
    ]


def test_a_run_begins_where_it_was_said(type_in, home, make_client):
    def play():
        type_in("reset", "--seed", "7", "--at", "2027-01-01T00:00:00Z")
        type_in("market", "model", "seeded", "--seed", "3")
        post_bid(home, make_client, "job", limit="$14.00", quantity=2)
        type_in("clock", "advance", "9d")
        return type_in("export"), type_in("status"), type_in("market", "show", "--json", "--history", "5d")

    first = play()
    assert '"now": "2027-01-10T00:00:00+00:00"' in first[0]
    assert '"status": "Preempted"' in first[0] or '"kind": "Preempted"' in first[0]
    # To the byte: what was drawn, what happened, what it cost.
    assert play() == first
    assert "with its offset" in type_in("reset", "--at", "2027-01-01T00:00:00", code=64)
    assert "is no time" in type_in("reset", "--at", "noon", code=64)


@pytest.mark.process
def test_it_is_served_in_the_background(type_in, home, make_client):
    from urllib.request import Request, urlopen

    assert type_in("stop") == "Nobody serves the sandbox.\n"
    text = type_in("start", "--port", "0", "--no-exec")
    url = text.splitlines()[0].split()[-1]
    assert f"export FLOWPLAN_SANDBOX_URL={url}" in text
    assert "run no commands" in text
    try:
        key = (home / "api-key").read_text().strip()
        request = Request(f"{url}/v2/projects", headers={"Authorization": f"Bearer {key}"})
        with urlopen(request, timeout=30) as answer:
            assert json.load(answer)[0]["name"] == "sandbox"
        assert f"served at {url}" in type_in("status")
        post_bid(home, make_client)
        sandbox = open_sandbox(home, execute=False)
        wait_until(lambda: "STATUS_RUNNING" in sandbox.instances().values())
        sandbox.close()
        assert json.loads(type_in("status", "--json"))["instances"][0]["ssh"].startswith("127.")
        assert json.loads(type_in("status", "--json"))["url"] == url
        assert f"already, at {url}" in type_in("start")
        port = url.rpartition(":")[2]
        other = type_in("start", "--home", str(home.parent / "other"), "--port", port, code=1)
        assert "did not come up" in other
        assert "cannot listen" in other
    finally:
        assert "has ended" in type_in("stop")
    assert type_in("stop") == "Nobody serves the sandbox.\n"
