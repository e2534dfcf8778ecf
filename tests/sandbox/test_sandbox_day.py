"""A day in the life of a project: every status, event, price and charge, under the virtual clock.

What matters is asserted here, with its reasons; beside that the whole day is written down, every write with its answer
and how everything stands after each step, and must be what ``day.txt`` holds (FLOWPLAN_ACCEPT=1 writes it anew).
"""

import json
import os
import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flowplan.sandbox.desk import Desk
from flowplan.sandbox.report import overview

BIDS = "/v2/spot/bids"
ORDERS = "/v2/reservation"
MARKET = "h100-80gb.sxm.8x@us-central1-b"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB day"
HOUR = timedelta(hours=1)
RECORD = Path(__file__).with_name("day.txt")
_FID = re.compile(r"\b([a-z]+)_[A-Za-z0-9]{16}\b")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")


class Recorder:
    """Sends requests as the client does and writes them down, with short names for ids and minutes for times."""

    def __init__(self, client) -> None:
        self._client = client
        self.lines: list[str] = []
        self.noon: datetime | None = None
        self._names: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _write(self, method: str, path: str, body: Any) -> Any:
        answer = self._client.call(method, path, body)
        given = "" if body is None else f" {json.dumps(body)}"
        found = "" if answer.body is None else f" {json.dumps(answer.body)}"
        self.note(f"{method} {path}{given}")
        self.note(f"  {answer.status}{found}")
        return answer

    def post(self, path: str, **body: Any) -> Any:
        return self._write("POST", path, body)

    def patch(self, path: str, **body: Any) -> Any:
        return self._write("PATCH", path, body)

    def delete(self, path: str) -> Any:
        return self._write("DELETE", path, None)

    def bid(self, *given: Any, **more: Any) -> Any:
        return self.post(BIDS, **self._client.bid_body(*given, **more))

    def volume(self, name: str, size: int) -> Any:
        body = {"name": name, "project": self.project, "disk_interface": "File", "size_gb": size}
        return self.post("/v2/volumes", **body, region="us-central1-b")

    def note(self, text: str) -> None:
        def named(match: re.Match[str]) -> str:
            kind = match[1]
            count = sum(name.startswith(f"{kind}-") for name in self._names.values())
            return self._names.setdefault(match[0], f"{kind}-{count + 1}")

        def since(match: re.Match[str]) -> str:
            assert self.noon is not None
            return f"{(datetime.fromisoformat(match[0]) - self.noon) / timedelta(minutes=1):+g}m"

        self.lines.append(_INSTANT.sub(since, _FID.sub(named, text)))

    def finish(self) -> None:
        """Compare the day with its record."""
        # The types of machines and images are the catalogue's, the same every day.
        text = "\n".join(self.lines) + "\n"
        if os.environ.get("FLOWPLAN_ACCEPT") == "1":
            RECORD.write_text(text)
        assert text == RECORD.read_text()


class Day:
    """The client, the clock in minutes after noon, and what is asked again and again."""

    def __init__(self, client) -> None:
        self.client, self.desk = Recorder(client), Desk(client.sandbox)
        self._stood: list[str] = []
        client.sandbox.configure(boot_s=0)
        self.noon = self.client.noon = self.desk.freeze().now
        self.desk.set_model("calm", round_s=120)

    def at(self, minutes: float) -> None:
        """Let the time pass until then."""
        self.stand()
        self.desk.advance(self.noon + timedelta(minutes=minutes) - self.desk.clock().now)
        self.client.note(f"\n--- {minutes:+g}m")
        self.stand()

    def override(self, cents: int, lasts: timedelta) -> None:
        """Others bid so much, so long."""
        self.desk.override(MARKET, price_cents=cents, lasts=lasts)
        self.client.note(f"others pay {cents} for {lasts}")

    def stand(self) -> None:
        """Write down how everything stands, unless it is as it was."""
        client, project = self.client, self.client.project
        begin = len(client.lines)
        current = client.get("/v2/pricing/current", instance_type=client.h100)
        client.note(f"market {json.dumps(current.body)}")
        for row in client.get(BIDS, project=project)["data"]:
            client.note(f"bid {row['name']} {client.status(row['fid'])} {row['limit_price']}")
        for row in client.get(ORDERS, project=project)["data"]:
            client.note(
                f"reservation {row['name']} {row['status']} {row['instance_quantity']} {row['total_price']}"
            )
        for row in client.get("/v2/instances", project=project, sort_dir="asc")["data"]:
            client.note(f"instance {row['name']} {row['status']}")
        for row in client.get("/v2/volumes", project=project).body:
            client.note(f"volume {row['name']} {json.dumps([row['bids'], row['attachments']])}")
        used = [
            f"{row['product_type']} {row['used_quantity']} of {row['total_quantity']}"
            for row in client.get("/v2/quotas", project=project).body
            if row["used_quantity"]
        ]
        client.note(f"quotas {used}")
        client.note(f"charges {json.dumps(overview(client.sandbox)['charges'])}")
        if client.lines[begin:] == self._stood:
            del client.lines[begin:]
        else:
            self._stood = client.lines[begin:]

    def histories(self) -> None:
        """Write down everything that is told afterwards."""
        client, project = self.client, self.client.project
        client.note("\n--- histories")
        for path in ("/v2/instances/status/history", "/v2/instances/pricing/history"):
            for row in client.get(path, project=project)["instances"]:
                client.note(f"{path} {json.dumps(row)}")
        for row in client.get(BIDS, project=project)["data"]:
            for event in client.get(f"{BIDS}/{row['fid']}/history")["events"]:
                client.note(f"bid {json.dumps(event)}")
        for row in client.get(ORDERS, project=project)["data"]:
            for event in client.get(f"{ORDERS}/{row['fid']}/history")["events"]:
                client.note(f"reservation {json.dumps(event)}")
            usage = client.get(f"{ORDERS}/{row['fid']}/usage").body
            for event in usage["pricing_events"]:
                event.pop("id")
            for name, found in usage.items():
                client.note(f"usage {name} {json.dumps(found)}")

    def minutes(self, text: str) -> float:
        return (datetime.fromisoformat(text) - self.noon) / timedelta(minutes=1)

    def market(self) -> tuple[str, int]:
        rows = self.client.get("/v2/spot/availability").body
        row = next(row for row in rows if row["instance_type"] == self.client.h100)
        return row["last_instance_price"], row["capacity"]

    def machines(self) -> list[str]:
        found = self.client.get("/v2/instances", project=self.client.project, sort_dir="asc")["data"]
        return [one["status"].removeprefix("STATUS_") for one in found]

    def volume(self) -> dict:
        return self.client.get("/v2/volumes", project=self.client.project).body[0]

    def bid_events(self, fid: str) -> list[tuple]:
        events = self.client.get(f"{BIDS}/{fid}/history")["events"]
        return [(self.minutes(e["timestamp"]), e["event_type"], e["limit_price"]) for e in events]

    def spent(self) -> dict[str, int]:
        return {charge["name"]: charge["cents"] for charge in overview(self.client.sandbox)["charges"]}


@pytest.fixture
def day(client):
    return Day(client)


def test_a_day(day):
    begin = time.process_time()
    bid = _spot(day)
    _reservation(day)
    _the_books(day, bid)
    day.stand()
    day.histories()
    assert time.process_time() - begin < 5
    day.client.finish()


def _spot(day) -> str:
    client = day.client
    key = client.post("/v2/ssh-keys", project=client.project, name="day", public_key=KEY)
    assert key.status == 201
    volume = client.volume("data", size=100)
    assert (volume.status, volume["attachments"], volume["bids"]) == (201, {}, [])
    assert day.market() == ("$8.00", 16)

    bid = client.bid("train", "$12.00", 2, ssh_keys=[key["fid"]], volumes=[volume["fid"]])
    fid = bid["fid"]
    assert (bid.status, bid["status"], bid["instances"]) == (201, "Open", [])
    assert (day.volume()["bids"], day.volume()["attachments"]) == ([fid], {})

    day.at(2)  # the next round
    assert (client.status(fid), day.market(), day.machines()) == ("Allocated", ("$8.00", 14), ["RUNNING"] * 2)
    assert list(day.volume()["attachments"].values()) == ["/mnt/data"]
    machines = client.get(f"{BIDS}/{fid}")["instances"]

    day.at(62)
    assert day.spent()["train"] == 2 * 800
    day.override(2000, timedelta(minutes=30))
    assert (client.status(fid), day.market(), day.machines()) == (
        "Preempting",
        ("$20.00", 14),
        ["PREEMPTING"] * 2,
    )
    day.at(67)  # the notice is over; under it the bid paid its limit, not the price
    assert (client.status(fid), day.market(), day.machines()) == ("Open", ("$20.00", 16), ["PREEMPTED"] * 2)
    assert day.spent()["train"] == 1600 + 2 * 1200 * 5 // 60
    assert day.volume()["attachments"] == {}

    day.at(92)  # the spike is over
    assert (client.status(fid), day.market(), day.machines()) == ("Allocated", ("$8.00", 14), ["RUNNING"] * 2)
    assert client.get(f"{BIDS}/{fid}")["instances"] == machines
    assert day.spent()["train"] == 1800

    day.at(100)
    assert client.patch(f"{BIDS}/{fid}", limit_price="$25.00")["limit_price"] == "$25.00"
    day.at(102)
    day.override(2000, HOUR)
    assert (client.status(fid), day.market()) == ("Allocated", ("$20.00", 14))
    day.at(162)
    assert day.market() == ("$8.00", 14)

    day.at(172)
    assert client.patch(f"{BIDS}/{fid}", paused=True)["status"] == "Paused"
    assert (client.status(fid), day.machines()) == ("Paused", ["PAUSED"] * 2)
    # 1800, ten minutes at 8, an hour at 20, ten minutes at 8, twice each.
    assert day.spent()["train"] == round(1800 + 2 * (800 / 6 + 2000 + 800 / 6))
    day.at(232)
    assert day.spent()["train"] == 6333
    assert client.patch(f"{BIDS}/{fid}", paused=False)["status"] == "Open"
    day.at(234)
    assert (client.status(fid), day.machines()) == ("Allocated", ["RUNNING"] * 2)

    day.at(240)
    assert client.delete(f"{BIDS}/{fid}").status == 204
    assert (client.status(fid), day.machines()) == ("Terminated", ["TERMINATED"] * 2)
    assert (day.volume()["bids"], day.volume()["attachments"]) == ([], {})
    assert day.spent()["train"] == round(6333 + 1 / 3 + 2 * 800 * 6 / 60)
    assert day.bid_events(fid) == [
        (0, "Placed", "$12.00"),
        (2, "Allocated", None),
        (67, "Preempted", None),
        (92, "Allocated", None),
        (100, "Limit Price Changed", "$25.00"),
        (172, "Paused", None),
        (232, "Resumed", None),
        (234, "Allocated", None),
        (240, "Terminated", None),
    ]
    return fid


def _reservation(day) -> None:
    client = day.client
    now = day.desk.clock().now
    times = {"start_time": now.isoformat(), "end_time": (now + 3 * HOUR).isoformat()}
    place = {"project": client.project, "instance_type": client.h100, "region": "us-central1-b"}
    offer = client.get(f"{ORDERS}/quote", **place, **times, quantity=2)["offers"][0]
    client.note(f"quote {json.dumps(client.get(f'{ORDERS}/quote', **place, **times, quantity=2).body)}")
    assert (offer["key"], offer["unit_price"], offer["total_price"]) == ("standard", "$16.00", "$96.00")

    order = client.post(ORDERS, **client.reservation_body(now, 3, 2))
    path = f"{ORDERS}/{order['fid']}"
    assert (order.status, order["status"], order["total_price"]) == (201, "Active", "$96.00")
    assert (day.machines()[2:], day.market()) == (["RUNNING"] * 2, ("$8.00", 14))
    assert day.spent()["block"] == 9600

    longer = client.post(f"{path}/extend", end_time=(now + 5 * HOUR).isoformat())
    assert (longer.status, longer["total_price"]) == (200, "$160.00")
    assert day.spent()["block"] == 16000

    day.at(300)  # four hours are left; half of the price is credited for one machine of two
    returned = client.post(
        f"{path}/terminate-instances", instances=order["instances"][:1], reduce_capacity=True
    )
    assert (returned.status, returned["terminated_instances"]) == (200, order["instances"][:1])
    assert (day.machines()[2:], day.market()) == (["TERMINATED", "RUNNING"], ("$8.00", 15))
    assert day.spent()["block"] == 16000 - 4 * 800

    day.at(540)
    ended = client.get(ORDERS, project=client.project)["data"][0]
    assert (ended["status"], ended["instance_quantity"], day.minutes(ended["deactivated_at"])) == (
        "Ended",
        1,
        540,
    )
    assert (day.machines()[2:], day.market()) == (["TERMINATED"] * 2, ("$8.00", 16))
    events = client.get(f"{path}/history")["events"]
    assert [(day.minutes(event["timestamp"]), event["event_type"]) for event in events] == [
        (240, "Placed"),
        (240, "Terms Set"),
        (240, "Active"),
        (240, "Terms Changed"),
        (300, "Terms Changed"),
        (540, "Ended"),
    ]
    summary = client.get(f"{path}/usage")["summary"]
    assert (summary["committed_cost_cents"], summary["net_cost_cents"]) == (16000, 12800)


def _the_books(day, fid: str) -> None:
    client = day.client
    # 100 GB for nine hours at 8 cents a GB and month of 730 hours are 9.86 cents.
    assert day.spent() == {"data": 10, "train": 6493, "block": 12800}
    whole = overview(client.sandbox)
    assert (whole["spent_cents"], whole["rate_cents"]) == (10 + 6493 + 12800, 0)
    series = client.get(
        "/v2/pricing/history",
        instance_types=client.h100,
        region="us-central1-b",
        num_samples=-1,
        start_time=day.noon.isoformat(),
        end_time=day.desk.clock().now.isoformat(),
    )["series"][0]
    steps = [
        (day.minutes(at), price)
        for at, price in zip(series["timestamps"], series["spot_prices"], strict=True)
    ]
    assert [step for number, step in enumerate(steps) if number == 0 or step[1] != steps[number - 1][1]] == [
        (0, "$8.00"),
        (62, "$20.00"),
        (92, "$8.00"),
        (102, "$20.00"),
        (162, "$8.00"),
    ]
    pages = client.get("/v2/instances/pricing/history", project=client.project)["instances"]
    mine = [page for page in pages if page["bid_fid"] == fid]
    assert len(mine) == 2
    for page in mine:
        found = [
            (day.minutes(e["start_time"]), day.minutes(e["end_time"]), e["price_cents"])
            for e in page["events"]
        ]
        assert found == [
            (2, 62, 800),
            (62, 67, 1200),
            (92, 102, 800),
            (102, 162, 2000),
            (162, 172, 800),
            (234, 240, 800),
        ]
    history = client.get("/v2/instances/status/history", project=client.project)["instances"]
    mine = [page for page in history if page["bid_fid"] == fid]
    kept = ("RUNNING", "PREEMPTING", "PREEMPTED", "PAUSED", "TERMINATED")
    for page in mine:
        words = [event["status"].removeprefix("STATUS_") for event in page["events"]]
        assert [word for word in words if word in kept] == [
            "RUNNING",
            "PREEMPTING",
            "PREEMPTED",
            "RUNNING",
            "PAUSED",
            "RUNNING",
            "TERMINATED",
        ]
