"""The scheduler's makespan against what no scheduler can beat: max(critical path, work / parallelism).

    python -m benchmarks.makespan [graphs [nodes]]

1. On 300 random graphs of up to 300 nodes, with random latencies that the scheduler is not told, the engine itself runs
   in virtual time (its own cost left out): 0.2 s each, evenly spread, or a few long ones among many short. Once it knows
   nothing of the latencies, and once the journal has told it the latencies of an earlier run, a third off either way.
2. On two of them, with real time: the engine over a store on disk and a provider that takes as long as it says, and
   terraform over ``terraform_data`` that sleep as long (where its binary is found).

Exits 1 where the average over the graphs is more than 5 % above the bound.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.measure import verdict
from flowplan.apply.durations import Durations
from flowplan.apply.engine import Stop, execute
from flowplan.apply.run import Run
from flowplan.backend.sqlite import SqliteBackend
from flowplan.graph import ranks
from flowplan.lang.stack import Resource, Stack
from flowplan.plan.change import Action, Mode, Plan, ResourceChange, Step, StepKind
from flowplan.plan.observation import Observation
from flowplan.ports import Done, Event, Observed, Outcome
from flowplan.provider.pace import SystemClock
from flowplan.resources import Settings, kind_of
from flowplan.state.journal import Operation, Timing
from flowplan.values.address import Address, Kind

LIMIT, PARALLELISM = 1.05, 10
SHAPES = ("even", "uniform", "skewed")


@frozen
class Graph:
    """A random graph: what each node needs, and how long each takes, in seconds."""

    needs: dict[int, tuple[int, ...]]
    seconds: dict[int, float]

    @property
    def bound(self) -> float:
        path = max(ranks(self.needs, lambda node: self.seconds[node]).values())
        return max(path, sum(self.seconds.values()) / PARALLELISM)


def random_graph(chance: random.Random, nodes: int, shape: str) -> Graph:
    """Each node needs up to three of the sixty before it."""
    needs = {
        n: tuple({chance.randrange(max(0, n - 60), n) for _ in range(chance.choice((0, 1, 1, 2, 2, 3)))})
        if n
        else ()
        for n in range(nodes)
    }
    draw = {
        "even": lambda: 0.2,
        "uniform": lambda: chance.uniform(0.05, 1.0),
        "skewed": lambda: 0.02 + chance.expovariate(1 / 0.3),
    }[shape]
    return Graph(needs, {n: draw() for n in needs})


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while anything can run, and then jumps to the next timer."""

    def __init__(self) -> None:
        self.virtual = 0.0
        super().__init__()

    def time(self) -> float:
        return self.virtual

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0]._cancelled:  # type: ignore[attr-defined]
            self._timer_cancelled_count -= 1
            heapq.heappop(self._scheduled)._scheduled = False  # type: ignore[attr-defined]
        if not self._ready:  # type: ignore[attr-defined]
            self.virtual = max(self.virtual, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


class VirtualClock:
    """The virtual loop's time."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(asyncio.get_running_loop().time(), UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Quiet:
    """Hears events and says nothing."""

    def emit(self, event: Event) -> None: ...


class NoStore:
    """A writer that writes nothing, for virtual time."""

    heartbeat_s = 1e9
    number = 0

    def begin_all(self, entries: Sequence[Any]) -> list[int]:
        first, self.number = self.number + 1, self.number + len(entries)
        return list(range(first, self.number + 1))

    def check(self) -> None: ...
    def renew(self) -> None: ...
    def progress(self, done: int, steps: int) -> None: ...
    def commit_all(self, *given: Any) -> None: ...
    def save(self, *given: Any, **more: Any) -> None: ...


@frozen
class Sleeping:
    """A provider whose creations take as long as the graph says."""

    graph: Graph

    async def project(self) -> str:
        return "p"

    async def observe(self, *given: Any) -> Observation:
        return Observation("p")

    async def find(self, handle: Any) -> list[Observed]:
        return []

    async def create(self, kind: Kind, attributes: Mapping[str, Any], key: str) -> Outcome:
        node = int(str(attributes["name"]).removeprefix("v"))
        await asyncio.sleep(self.graph.seconds[node])
        return Done(Observed(kind, f"vol_{node}", f"v{node}", True, dict(attributes)))

    async def update(self, *given: Any) -> Outcome:
        raise AssertionError

    async def delete(self, *given: Any) -> Outcome:
        raise AssertionError


def _address(node: int) -> Address:
    return Address(Kind.VOLUME, f"v{node}")


def _run(graph: Graph, writer: Any, clock: Any) -> Run:
    config, _ = kind_of(Kind.VOLUME).normalise({"size_gb": 1, "interface": "file"}, "v")
    assert config is not None
    steps, changes, resources = [], {}, {}
    for node, needs in graph.needs.items():
        address, named = _address(node), {**config, "name": f"v{node}"}
        steps.append(
            Step(f"create {address}", StepKind.CREATE, address, tuple(f"create {_address(n)}" for n in needs))
        )
        changes[address] = ResourceChange(
            address, Action.CREATE, after=named, dependencies=tuple(_address(n) for n in needs)
        )
        resources[address] = Resource(address, named)
    return Run(
        id="run",
        plan=Plan("graph", Mode.NORMAL, "", 0, steps=tuple(steps)),
        stack=Stack("graph", resources=resources),
        provider=Sleeping(graph),
        writer=writer,
        clock=clock,
        reporter=Quiet(),
        access=None,
        new_suffix=str,
        read_code=lambda root: b"",
        settings=Settings("us-central1-b"),
        key=b"k" * 32,
        changes=changes,
    )


def _told(graph: Graph, chance: random.Random) -> Durations:
    """What the journal of an earlier run would say, a third off either way."""
    return Durations.learned(
        Timing(Operation.CREATE, _address(n), s * chance.uniform(2 / 3, 4 / 3))
        for n, s in graph.seconds.items()
    )


def virtual_makespan(graph: Graph, durations: Durations) -> float:
    """How long the engine takes, in virtual seconds."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:

        async def main() -> float:
            result = await execute(
                _run(graph, NoStore(), VirtualClock()), PARALLELISM, Stop(), durations=durations
            )
            assert result.ok and len(result.done) == len(graph.needs)
            return loop.time()

        return runner.run(main())


def real_makespan(graph: Graph, folder: Path) -> float:
    """How long the engine takes with a store on disk, in real seconds."""
    backend = SqliteBackend(folder)
    writer = backend.acquire("graph", "graph.yaml", "apply", 0.0)
    try:
        run = _run(graph, writer, SystemClock())
        begun = time.perf_counter()
        result = asyncio.run(execute(run, PARALLELISM, Stop()))
        took = time.perf_counter() - begun
        assert result.ok
        return took
    finally:
        writer.release()
        backend.close()


def terraform_makespan(terraform: str, graph: Graph, folder: Path) -> float:
    """From the first creation's beginning to the last one's end, in terraform's own event stream."""
    blocks = []
    for node, needs in graph.needs.items():
        wanted = ", ".join(f"terraform_data.v{n}" for n in needs)
        sleep = f'  provisioner "local-exec" {{\n    command = "sleep {graph.seconds[node]:.3f}"\n  }}\n'
        blocks.append(f'resource "terraform_data" "v{node}" {{\n  depends_on = [{wanted}]\n{sleep}}}\n')
    (folder / "main.tf").write_text("".join(blocks))
    subprocess.run([terraform, "init", "-input=false"], cwd=folder, check=True, capture_output=True)
    command = [terraform, "apply", "-auto-approve", "-input=false", "-json", f"-parallelism={PARALLELISM}"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    moments = {
        kind: [datetime.fromisoformat(e["@timestamp"]) for e in events if e.get("type") == kind]
        for kind in ("apply_start", "apply_complete")
    }
    return (max(moments["apply_complete"]) - min(moments["apply_start"])).total_seconds()


def main() -> int:
    """Measure, print, and exit 1 where the average is above the limit."""
    graphs = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    most = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    chance = random.Random(20261128)
    ratios: dict[str, list[float]] = {"knowing nothing": [], "told by the journal": []}
    for number in range(graphs):
        graph = random_graph(chance, chance.randrange(20, most + 1), SHAPES[number % len(SHAPES)])
        ratios["knowing nothing"].append(virtual_makespan(graph, Durations()) / graph.bound)
        ratios["told by the journal"].append(virtual_makespan(graph, _told(graph, chance)) / graph.bound)
    holds = True
    for what, found in ratios.items():
        print(
            f"{what}: worst {max(found):.3f}, within 5 % on {sum(r <= LIMIT for r in found)} of {len(found)}"
        )
        holds &= verdict(f"makespan / bound on {graphs} graphs, {what}", sum(found) / len(found), LIMIT)
    terraform = shutil.which("terraform")
    for shape in ("even", "uniform"):
        graph = random_graph(random.Random(4), most, shape)
        with tempfile.TemporaryDirectory() as name:
            ours = real_makespan(graph, Path(name))
        print(
            f"{most} nodes, {shape}: bound {graph.bound:.2f} s, flowplan {ours:.2f} s ({ours / graph.bound:.3f})"
        )
        if terraform is None:
            print("  skipped beside it: there is no terraform on the path")
            continue
        with tempfile.TemporaryDirectory() as name:
            theirs = terraform_makespan(terraform, graph, Path(name))
        print(f"  terraform {theirs:.2f} s ({theirs / graph.bound:.3f})")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
