"""python -m benchmarks.state_commits [N]: committing to a state of N (10,000) resources costs as much as to an empty one.

Each resource is begun and committed as an apply does it, one transaction each. The CPU time of the last hundred is
compared with that of the first hundred, and of begins that share one transaction with that of begins that do not.
Reading all of it back is compared with parsing the same records' bare JSON. Wall times are printed for the reader;
nothing depends on them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve

from benchmarks.measure import calls, verdict
from flowplan.backend.sqlite import SqliteBackend
from flowplan.state.journal import Entry, Operation, Status
from flowplan.state.rows import record_body
from flowplan.state.snapshot import Record
from flowplan.values.address import Address, Kind

AT = datetime(2026, 11, 28, tzinfo=UTC)
HUNDRED = 100


def record(number: int) -> Record:
    """A task as large as those of `benchmarks.stacks`."""
    config = {
        "command": "#!/bin/bash\nset -euo pipefail\n" + f"python train.py --run {number}\n" * 4,
        "env": {f"NAME_{n}": f"value-{n}-{number}" for n in range(8)},
        "instance_type": "8xh100",
        "max_price_per_hour": 24.0,
        "volumes": [{"volume_id": f"vol_{number % 100}", "mount_path": "/data"}],
        **{f"setting_{n}": n for n in range(12)},
    }
    attributes = {
        "status": "pending",
        "limit_price": 24.0,
        "region": "us-central1-b",
        **{f"seen_{n}": n for n in range(8)},
    }
    address = Address(Kind.TASK, f"train_{number}")
    needs = (Address(Kind.VOLUME, f"data_{number % 100}"),)
    return Record(address, f"bid_{number:08d}", f"train-{number}", config, attributes, needs, created_at=AT)


def main(count: int) -> bool:
    """Measure; whether all limits hold."""
    records = [record(number) for number in range(count)]
    cpu, wall = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(SqliteBackend(Path(folder))) as backend,
    ):
        writer = backend.acquire("bench", "bench.yaml", "apply", 0)
        for one in records:
            entry = Entry(Operation.CREATE, one.address, "run", AT, name=one.name, config=one.config)
            start, began = time.process_time(), time.perf_counter()
            number = writer.begin(entry)
            writer.commit(number, Status.DONE, one)
            cpu.append(time.process_time() - start)
            wall.append(time.perf_counter() - began)
            if len(cpu) % 1000 == 0:
                writer.renew()
        first, last = sum(cpu[:HUNDRED]), sum(cpu[-HUNDRED:])
        print(
            f"begin and commit of one: first hundred {first * 10:.2f} ms, last hundred {last * 10:.2f} ms CPU, "
            f"wall {sum(wall) / count * 1000:.2f} ms"
        )
        writer.renew()
        entries = [
            Entry(Operation.UPDATE, one.address, "run", AT, config=one.config) for one in records[:HUNDRED]
        ]
        start, began = time.process_time(), time.perf_counter()
        for entry in entries:
            writer.begin(entry)
        alone, alone_wall = time.process_time() - start, time.perf_counter() - began
        start, began = time.process_time(), time.perf_counter()
        for at in range(0, HUNDRED, 10):
            writer.begin_all(entries[at : at + 10])
        together, together_wall = time.process_time() - start, time.perf_counter() - began
        print(
            f"a hundred begins: alone {alone * 1000:.1f} ms CPU, {alone_wall * 1000:.0f} ms wall; "
            f"ten at a time {together * 1000:.1f} ms CPU, {together_wall * 1000:.0f} ms wall"
        )
        bodies = [json.loads(record_body(evolve(one))) for one in records]
        text = json.dumps(bodies)
        best = calls({"read": lambda: backend.snapshot("bench"), "parse": lambda: json.loads(text)}, 5)
        print(
            f"reading {count} back: {best['read'] * 1000:.0f} ms CPU; the bare JSON {best['parse'] * 1000:.0f} ms"
        )
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        print(f"on disk: {size / count:.0f} bytes a resource")
    holds = verdict("the last hundred commits against the first", last / first, 1.5)
    return verdict("reading a state against parsing its bare JSON", best["read"] / best["parse"], 6) and holds


if __name__ == "__main__":
    sys.exit(not main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
