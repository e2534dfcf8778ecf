"""Each kind of fault, asked for on the command line and by a scenario's file, met by a client on a real socket.

Both ways must give the same, and the same again in a second run with the same seed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from sandbox_served import Served

from flowplan.cli.main import run
from flowplan.sandbox.faults.kinds import KINDS

pytestmark = pytest.mark.process

BIDS, VOLUMES, KEYS = "/v2/spot/bids", "/v2/volumes", "/v2/ssh-keys"
MARKET = "h100-80gb.sxm.8x@us-central1-b"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC ways"


class Place:
    """A served sandbox, a command line beside it, and a client."""

    def __init__(self, folder: Path, capsys: Any) -> None:
        self.folder, self.capsys = folder, capsys
        self.served = Served(folder / "home")

    def type(self, *words: str) -> str:
        self.capsys.readouterr()
        assert run(["sandbox", *words, "--home", str(self.folder / "home")]) == 0
        return str(self.capsys.readouterr().out)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer; what breaks the connection counts as status 0, with its name."""
        content = b"" if body is None else json.dumps(body).encode()
        bearer = {"Authorization": f"Bearer {self.served.sandbox.api_key}"}
        try:
            status, headers, data = self.served.request(method, path, content, **bearer)
        except (HTTPException, ConnectionError) as broken:
            return 0, type(broken).__name__
        found = json.loads(data) if data else None
        return status, (found, headers["retry-after"]) if "retry-after" in headers else found

    def fresh(self) -> None:
        """Everything forgotten, ids drawn from a seed, the clock stopped."""
        self.type("reset", "--seed", "7", "--at", "2027-01-01T00:00:00Z")
        self.project = self.ask("GET", "/v2/projects")[1][0]["fid"]
        self.key = self.ask("GET", f"{KEYS}?project={self.project}")[1][0]["fid"]
        names = {row["fid"]: row["name"] for row in self.ask("GET", "/v2/instance-types")[1]}
        self.h100 = next(
            row["instance_type"]
            for row in self.ask("GET", "/v2/spot/availability")[1]
            if f"{names[row['instance_type']]}@{row['region']}" == MARKET
        )

    def bid(self, name: str = "job", limit: str = "$12.00", quantity: int = 1) -> tuple[int, Any]:
        launch = {"volumes": [], "ssh_keys": [self.key]}
        body = {"project": self.project, "region": "us-central1-b", "instance_type": self.h100, "name": name}
        body |= {"limit_price": limit, "instance_quantity": quantity, "launch_specification": launch}
        return self.ask("POST", BIDS, body)

    def volume(self, name: str = "data") -> int:
        body = {"project": self.project, "name": name, "disk_interface": "File", "size_gb": 10}
        return self.ask("POST", VOLUMES, {**body, "region": "us-central1-b"})[0]

    def statuses(self) -> list[str]:
        """Of every bid, oldest first."""
        rows = self.ask("GET", f"{BIDS}?sort_dir=asc")[1]["data"]
        return [self.ask("GET", f"{BIDS}/{row['fid']}/status")[1]["status"] for row in rows]

    def price(self) -> str:
        rows = self.ask("GET", "/v2/spot/availability")[1]
        return next(row["last_instance_price"] for row in rows if row["instance_type"] == self.h100)


@frozen
class Case:
    """A fault, what a client does, what comes of it; ``first`` is done before the fault is asked for."""

    settings: dict[str, Any]
    play: Callable[[Place], Any]
    outcome: Any
    first: Callable[[Place], Any] = lambda _: None


def _many(place: Place) -> list[int]:
    return [place.ask("GET", "/v2/me")[0] for _ in range(12)]


def _latency(place: Place) -> list[bool]:
    found = []
    for _ in range(3):
        begin = time.monotonic()
        assert place.ask("GET", "/v2/me")[0] == 200
        found.append(time.monotonic() - begin >= 0.1)
    # How fast an answer comes that nothing holds up is the machine's affair.
    return [*found[:2], place.type("fault", "list")]


def _throttle(place: Place) -> list[Any]:
    first, second = place.bid(), place.bid()
    return [first, second[0], place.statuses()]


def _counted(place: Place) -> list[Any]:
    """Three creations, and how many bids there are of them."""
    return [[place.bid(f"job{number}")[0] for number in range(3)], len(place.statuses())]


def _broken(place: Place) -> list[Any]:
    status, name = place.bid()
    # How a cut connection is told depends on when the client notices.
    assert status == 0 and name in ("RemoteDisconnected", "ConnectionResetError", "IncompleteRead")
    return [name == "IncompleteRead", place.bid()[0], len(place.statuses())]


def _lag(place: Place) -> list[Any]:
    fid = place.bid()[1]["fid"]
    seen = [len(place.ask("GET", BIDS)[1]["data"]), place.ask("GET", f"{BIDS}/{fid}")[0]]
    place.type("clock", "advance", "31s")
    return [*seen, len(place.ask("GET", BIDS)[1]["data"])]


def _waiting(place: Place) -> list[Any]:
    place.bid("late", quantity=2)
    seen = [place.statuses()]
    place.type("clock", "advance", "11m")
    return [*seen, place.statuses()]


def _storage(place: Place) -> list[Any]:
    first = place.volume("first")
    place.type("clock", "advance", "11m")
    return [first, place.volume("second")]


def _priced(place: Place) -> list[Any]:
    seen: list[Any] = [(place.statuses(), place.price())]
    for minutes in ("2m", "4m", "20m"):
        place.type("clock", "advance", minutes)
        seen.append((place.statuses(), place.price()))
    return seen


def _vanish(place: Place) -> list[Any]:
    place.type("clock", "advance", "1m")
    rows = place.ask("GET", f"{VOLUMES}?project={place.project}")[1]
    return [[row["name"] for row in rows], place.volume()]


def _relocate(place: Place) -> list[Any]:
    seen = [place.statuses()]
    place.type("clock", "advance", "5m")
    return [*seen, place.statuses()]


def _novel(place: Place) -> list[Any]:
    first, second = (place.ask("GET", BIDS)[1] for _ in range(2))
    return [
        [(row["status"], row["surprise"]) for row in first["data"]],
        [(row["status"], "surprise" in row) for row in second["data"]],
    ]


def _two(place: Place) -> None:
    place.bid("first")


CASES: dict[str, Case] = {
    "latency": Case(
        {"path": "/v2/me", "seconds": ["100ms", "150ms"], "times": 2},
        _latency,
        [True, True, "There are no faults.\n"],
    ),
    "throttle": Case(
        {"method": "POST", "path": BIDS, "nth": 1, "retry_after": 3},
        _throttle,
        [(429, ({"detail": "Too many requests"}, "3")), 201, ["Allocated"]],
    ),
    "error": Case(
        {"method": "POST", "status": 503, "effect": "after", "nth": [1, 3]}, _counted, [[503, 201, 503], 3]
    ),
    "lost": Case({"method": "POST", "effect": "before", "times": 1}, _broken, [False, 201, 1]),
    "truncated": Case({"method": "POST", "times": 1}, _broken, [True, 201, 2]),
    "novel": Case(
        {"path": BIDS, "method": "GET", "word": "Levitating", "field": "surprise", "times": 1},
        _novel,
        [[("Levitating", "Levitating")], [("Allocated", False)]],
        _two,
    ),
    "lag": Case({"seconds": "30s"}, _lag, [0, 200, 1]),
    "no_capacity": Case(
        {"market": MARKET, "for": "10m"}, _waiting, [["Allocated", "Open"], ["Allocated"] * 2], _two
    ),
    "quota": Case({"product": "Storage", "total": 5, "for": "10m"}, _storage, [403, 201]),
    "spike": Case(
        {"price": "$30", "market": "us-central1-b", "at": "1m", "for": "10m"},
        _priced,
        [
            (["Allocated"], "$8.00"),
            (["Preempting"], "$30.00"),
            (["Open"], "$30.00"),
            (["Allocated"], "$8.00"),
        ],
        _two,
    ),
    "storm": Case(
        {"at": "1m", "for": "15m"},
        _priced,
        [
            (["Allocated"], "$8.00"),
            (["Preempting"], "$8.00"),
            (["Open"], "$8.00"),
            (["Allocated"], "$8.00"),
        ],
        _two,
    ),
    "vanish": Case(
        {"object": "volume", "name": "data", "at": "30s"}, _vanish, [[], 201], lambda place: place.volume()
    ),
    "relocate": Case({"name": "first"}, _relocate, [["Relocating"], ["Allocated"]], _two),
}
EFFECTS = {
    "error before": (
        "error",
        {"method": "POST", "effect": "before", "times": 2},
        _counted,
        [[500, 500, 201], 1],
    ),
    "lost after": ("lost", {"method": "POST", "times": 1}, _broken, [False, 201, 2]),
    "a full spot quota": (
        "quota",
        {"total": 1, "for": "10m"},
        _waiting,
        [["Open"], ["Allocated"]],
    ),
    "a mean latency": ("latency", {"path": "/v2/me", "mean": "1ms"}, _many, [200] * 12),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ways")


@pytest.fixture(scope="module")
def opened(home: Path) -> Iterator[Place]:
    place = Place(home, None)
    yield place
    place.served.close()


@pytest.fixture
def place(opened: Place, capsys: Any) -> Place:
    opened.capsys = capsys
    return opened


def by_command(place: Place, kind: str, settings: dict[str, Any]) -> None:
    words = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
    assert place.type("fault", "add", kind, *words) == "fault-1\n"


def by_scenario(place: Place, kind: str, settings: dict[str, Any]) -> None:
    path = place.folder / "scenario.yaml"
    path.write_text(json.dumps({"seed": 7, "faults": [{"kind": kind, **settings}]}))
    assert place.type("fault", "load", str(path)) == "fault-1\n"


def test_every_kind_has_its_case() -> None:
    assert set(CASES) == set(KINDS)


@pytest.mark.parametrize("kind", CASES)
def test_a_fault_by_command_and_by_scenario(place: Place, kind: str) -> None:
    case = CASES[kind]
    for ask in (by_command, by_scenario):
        place.fresh()
        case.first(place)
        ask(place, kind, case.settings)
        assert case.play(place) == case.outcome, ask.__name__


@pytest.mark.parametrize("name", EFFECTS)
def test_other_effects_of_a_fault(place: Place, name: str) -> None:
    kind, settings, play, outcome = EFFECTS[name]
    place.fresh()
    by_command(place, kind, settings)
    assert play(place) == outcome


def test_chance_is_the_seeds_and_a_run_can_be_repeated(place: Place) -> None:
    def play(seed: int) -> list[Any]:
        place.fresh()
        path = place.folder / "chance.yaml"
        faults = [
            {"kind": "error", "status": 503, "probability": 0.3, "path": "/v2/me"},
            {"kind": "throttle", "probability": 0.2, "path": "/v2/me"},
            {"kind": "lost", "probability": 0.1, "path": "/v2/me"},
        ]
        path.write_text(json.dumps({"seed": seed, "market": {"model": "seeded"}, "faults": faults}))
        place.type("fault", "load", str(path))
        fids = [place.bid(f"job{number}", f"${8 + 4 * number}.00")[1]["fid"] for number in range(4)]
        seen: list[Any] = [fids]
        for _ in range(4):
            seen.append((_many(place), place.statuses()))
            place.type("clock", "advance", "6h")
        return seen

    first, again, other = play(3), play(3), play(4)
    assert first == again
    assert {0, 200, 429, 503} <= {status for statuses, _ in first[1:] for status in statuses}
    assert [statuses for statuses, _ in first[1:]] != [statuses for statuses, _ in other[1:]]
