"""The sandbox with much in it: ``python -m benchmarks.sandbox_scale [BIDS [INSTANCES_PER_BID]]`` (2,000 and 5).

A tenth of the bids and then all of them are made over the API, in one process. Measured side by side: what a bid costs
to make, what a row of each list page costs, what opening costs for each object, all in the large sandbox against the
small one. Then the clock of the large one, where others bid, jumps 30 days.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.measure import verdict
from flowplan.sandbox import Sandbox, open_sandbox
from flowplan.sandbox.desk import Desk
from flowplan.sandbox.report import overview

LIMIT = 1.5
JUMP_S = 20.0
REGIONS = ("us-central1-b", "us-central2-a", "us-east1-a")
MACHINE = "h100-80gb.sxm.8x"
SCRIPT = "#!/bin/bash\n" + "echo a line of an ordinary startup script\n" * 150
LISTS: dict[str, dict[str, Any]] = {
    "/v2/spot/bids": {},
    "/v2/instances": {},
    "/v2/instances by status": {"status_in": "STATUS_RUNNING,STATUS_PAUSED"},
    "/v2/instances/status/history": {},
    "/v2/instances/pricing/history": {},
}


class Subject:
    """A sandbox in a folder, with so many bids in it, and its client."""

    def __init__(self, home: Path, bids: int, per_bid: int) -> None:
        self.home, self.bids = home, bids
        self.sandbox = self._open()
        desk = Desk(self.sandbox)
        desk.freeze()
        desk.override("*", capacity=max(16, bids * per_bid * 12 // 10))
        self.project = self.ask("/v2/projects")[0]["fid"]
        self._key = self.ask("/v2/ssh-keys", project=self.project)[0]["fid"]
        names = {row["fid"]: row["name"] for row in self.ask("/v2/instance-types")}
        rows = self.ask("/v2/spot/availability")
        types = {
            row["region"]: row["instance_type"] for row in rows if names[row["instance_type"]] == MACHINE
        }
        used = []
        for number in range(bids):
            region = REGIONS[number % 3]
            launch = {"volumes": [], "ssh_keys": [self._key], "startup_script": f"{SCRIPT}# {number}\n"}
            body = {
                "project": self.project,
                "region": region,
                "instance_type": types[region],
                "limit_price": f"${20 + number % 40}.00",
                "instance_quantity": per_bid,
                "name": f"job{number}",
                "launch_specification": launch,
            }
            begun = time.process_time()
            self.ask("/v2/spot/bids", method="POST", body=body)
            used.append(time.process_time() - begun)
        last = used[-max(1, bids // 10) :]
        self.making = sum(last) / len(last)
        desk.advance(timedelta(minutes=5))

    def _open(self) -> Sandbox:
        return open_sandbox(self.home, execute=False)

    def ask(self, path: str, method: str = "GET", body: Any = None, **query: Any) -> Any:
        headers = {"authorization": f"Bearer {self.sandbox.api_key}"}
        content = b"" if body is None else json.dumps(body).encode()
        status, _, data = self.sandbox.handle(method, path, urlencode(query), headers, content)
        assert status < 300, (path, status, data)
        return json.loads(data)

    def row(self, name: str, query: dict[str, Any]) -> float:
        """CPU seconds of a row, over pages of 100 of the whole list (of the first 20 pages at most)."""
        path = name.partition(" ")[0]
        rows, cursor, begun = 0, "", time.process_time()
        for _ in range(20):
            more = {"next_cursor": cursor} if cursor else {}
            page = self.ask(path, project=self.project, limit=100, **query, **more)
            rows += len(page.get("data", page.get("instances")))
            cursor = page["next_cursor"]
            if cursor is None:
                break
        return (time.process_time() - begun) / rows

    def opening(self) -> float:
        """CPU seconds of opening the sandbox anew."""
        self.sandbox.close()
        begun = time.process_time()
        self.sandbox = self._open()
        return time.process_time() - begun

    def standing(self) -> float:
        """CPU seconds of ``flowplan sandbox status``, without the opening."""
        begun = time.process_time()
        overview(self.sandbox)
        return time.process_time() - begun


def least(measure: Callable[[], float]) -> float:
    """The least of several measurements."""
    return min(measure() for _ in range(4))


def main() -> int:
    """Measure, print, and exit 1 where a limit is broken."""
    bids = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    per_bid = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as folder:
        small = Subject(Path(folder, "small"), max(10, bids // 10), per_bid)
        large = Subject(Path(folder, "large"), bids, per_bid)
        holds = verdict(
            f"making the last of {bids} bids / of {small.bids}", large.making / small.making, LIMIT
        )
        for name, query in LISTS.items():
            # The second time, when what is rendered once is rendered.
            ratio = min(large.row(name, query) for _ in range(3)) / min(
                small.row(name, query) for _ in range(3)
            )
            holds &= verdict(f"a row of {name}, large / small", ratio, LIMIT)
        opening = least(large.opening)
        opened = opening / least(small.opening) / (bids / small.bids)
        holds &= verdict("opening, for each bid, large / small", opened, LIMIT)
        status = least(large.standing) / least(small.standing) / (bids / small.bids)
        holds &= verdict("status, for each bid, large / small", status, LIMIT)
        print(f"making a bid {large.making * 1e6:.0f} us, opening {opening * 1e3:.0f} ms")
        desk = Desk(large.sandbox)
        desk.set_model("seeded", seed=1)
        begun = time.process_time()
        desk.advance(timedelta(days=30))
        jumped = time.process_time() - begun
        counts = large.sandbox.status()
        print(
            f"30 days with {counts['bids']} bids, {counts['instances']} running instances: {jumped:.2f} s of CPU"
        )
        print(f"status after them: {large.standing() * 1e3:.0f} ms")
        holds &= jumped <= JUMP_S
        for one in (small, large):
            one.sandbox.close()
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
