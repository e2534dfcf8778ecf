"""Applying N resources to a served sandbox: flat memory, one request per mutation besides lists, commits of one cost.

    python -m benchmarks.apply_scale [resources]

The apply runs in a process of its own, with its requests counted and its commits timed where they are made, and its
memory read from the system. The sandbox (another process) runs nothing. Prints what was seen and exits 1 where

- it sends more requests than one for each mutation, besides the lists (and the one SSH key that is made known),
- the lists are more than the pages of what there is,
- the last hundred commits take more than 1.5 times the CPU time of the first hundred, for each resource in them
  (medians), or
- memory grows by more than a quarter between a fifth of the work and its end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import PYTHON, verdict
from benchmarks.served import served_project
from benchmarks.stacks import write_stack

COMMITS, MEMORY = 1.5, 1.25
QUOTA = 100
"""The sandbox's quota holds not many more reservations."""

_CHILD = """
import json, sys, time
from collections import Counter
from pathlib import Path
import httpx
from flowplan.backend.writer import SqliteWriter
from flowplan.cli.main import run

requests, commits, memory = Counter(), [], []
send, commit = httpx.AsyncHTTPTransport.handle_async_request, SqliteWriter.commit_all
done = 0

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

async def counted(self, request):
    requests[request.method, request.url.path.split("/")[2] + "/" + request.url.path.split("/")[-1][:4]] += 1
    return await send(self, request)

def timed(self, ended):
    global done
    ended = list(ended)
    begun = time.thread_time(), time.perf_counter()
    commit(self, ended)
    cost = time.thread_time() - begun[0], time.perf_counter() - begun[1]
    commits.append([one / len(ended) for one in cost])
    if (done + len(ended)) // 100 > done // 100:
        memory.append(resident())
    done += len(ended)

httpx.AsyncHTTPTransport.handle_async_request = counted
SqliteWriter.commit_all = timed
begun, cpu = time.perf_counter(), time.process_time()
code = run(["apply", "--auto-approve"])
seen = {"code": code, "requests": [[*key, n] for key, n in requests.items()], "commits": commits, "memory": memory,
        "wall": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
Path(sys.argv[1]).write_text(json.dumps(seen))
"""


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> int:
    """Measure, print, and exit 1 where a limit is broken."""
    resources = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder, report = Path(name), Path(name) / "seen.json"
        with served_project(folder) as served:
            stack = write_stack(served.folder, resources, QUOTA)
            # A task that ends itself has a key of its own, which is one more object and one more request.
            ends_itself = ("    terminate_on_exit: true\n", "    max_run_time_hours: 12\n")
            text = stack.read_text()
            for line in ends_itself:
                text = text.replace(line, "")
            stack.write_text(text)
            done = subprocess.run(
                [PYTHON, "-c", _CHILD, str(report)],
                cwd=served.folder,
                env=served.env,
                capture_output=True,
                text=True,
                check=False,
            )
        if not report.exists():
            raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
        seen = json.loads(report.read_text())
    if seen["code"] != 0:
        raise SystemExit(f"apply ended with {seen['code']}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    reads = sum(n for method, _, n in seen["requests"] if method == "GET")
    writes = sum(n for method, _, n in seen["requests"] if method != "GET")
    commits, memory = seen["commits"], seen["memory"]
    for method, path, count in sorted(seen["requests"]):
        print(f"  {method:6s} {path:24s} {count:6d}")
    print(f"{resources} resources: {seen['wall']:.1f} s, {seen['cpu']:.1f} s CPU of the client")
    print(f"memory: {', '.join(f'{m >> 20}' for m in memory[:: max(1, len(memory) // 10)])} MiB")
    # The plan's own lists (empty yet), one of what bears a name already, prices of reservations, keys before the first task.
    pages = resources // 100 + 40
    holds = verdict("requests that change something, each resource", (writes - 1) / resources, 1.0)
    holds &= verdict("lists / pages of all there is, and forty", reads / pages, 1.0)
    first, last = (_median([cpu for cpu, _ in part]) for part in (commits[:100], commits[-100:]))
    walls = [_median([wall for _, wall in part]) for part in (commits[:100], commits[-100:])]
    print(
        f"commits, medians: first hundred {first * 1e6:.0f} us CPU ({walls[0] * 1e6:.0f} us), last hundred "
        f"{last * 1e6:.0f} us CPU ({walls[1] * 1e6:.0f} us)"
    )
    holds &= verdict("last hundred commits / first hundred", last / first, COMMITS)
    holds &= verdict("memory at the end / after a fifth", memory[-1] / memory[len(memory) // 5], MEMORY)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
