"""One random sequence: a stack, edits, other hands in the world, and after each step the laws of planning.

The real loader, planner, engine, store and simulator, in virtual time (`fault_world`). `run(seed)` replays a sequence;
a law that does not hold raises `LawBroken` with what led there.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Coroutine, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import laws_stacks
from attrs import define, evolve, field
from fault_world import ALLOWED, Clock, VirtualLoop, World

from flowplan.apply.engine import Stop, execute
from flowplan.lang.loader import load_stack
from flowplan.lang.reader import NoFiles
from flowplan.lang.stack import Source, Stack
from flowplan.plan.change import Action, Mode, Plan, PlanOptions, StepKind
from flowplan.plan.document import build_document
from flowplan.plan.observation import Observation
from flowplan.plan.planner import plan
from flowplan.ports import EventKind
from flowplan.provider.embedded import EmbeddedTransport
from flowplan.provider.http import Client
from flowplan.provider.library import httpx
from flowplan.provider.mithril.provider import MithrilProvider
from flowplan.sandbox import Sandbox
from flowplan.sandbox.desk import Desk
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Kind
from flowplan.values.value import Sensitive

REGION = "us-central1-b"
T = TypeVar("T")


class LawBroken(AssertionError):
    """A law of planning does not hold; the text tells the sequence that led there."""


class Recorder(httpx.AsyncBaseTransport):
    """Passes requests on and keeps the mutating ones."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.mutating: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            self.mutating.append((request.method, request.url.path))
        return await self._inner.handle_async_request(request)


@define(eq=False)
class Known:
    """Tasks that have completed, by id; what is waited for completes."""

    done: dict[str, Mapping[str, Any]] = field(factory=dict)

    async def completion(self, task_id: str) -> Mapping[str, Any] | None:
        return self.done.setdefault(task_id, {"exit_code": 0})

    async def log(self, task_id: str, node: int, stream: str, offset: int) -> tuple[bytes, int] | None:
        return None


@define(eq=False)
class PlannedWorld(World):
    """A world whose simulator stays open for a whole sequence, and whose mutating requests are kept."""

    known: Known = field(factory=Known)
    _open: Sandbox | None = None
    recorder: Recorder | None = None

    def opened(self) -> Sandbox:
        if self._open is None:
            self._open = self.sandbox()
        return self._open

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def run(self, main: Callable[[MithrilProvider], Coroutine[Any, Any, T]]) -> T:
        async def body() -> T:
            sandbox = self.opened()
            self.recorder = Recorder(EmbeddedTransport(sandbox))
            client = Client(
                "http://sandbox.invalid", Sensitive(sandbox.api_key), transport=self.recorder, clock=Clock(), random=lambda: 0.5
            )  # fmt: skip
            async with MithrilProvider(client, None, REGION) as provider:
                return await main(provider)

        import asyncio

        loop = VirtualLoop(self.elapsed)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            try:
                return runner.run(body())
            finally:
                self.elapsed = loop.virtual

    def see(self, stack: Stack) -> tuple[Snapshot, Observation]:
        """What is recorded and what a refresh sees, completion records included."""
        snapshot = self.snapshot()

        async def look(provider: MithrilProvider) -> Observation:
            return await self.observe(provider, snapshot, (), stack)

        seen = self.run(look)
        done = dict(seen.completions)
        for record in snapshot.records.values():
            listed = seen.find(record.kind, record.id)
            if record.id in self.known.done and (listed is None or not listed.exists):
                done.setdefault(record.id, self.known.done[record.id])
        return snapshot, evolve(seen, completions=done)


@define(eq=False)
class Sequence:
    """A sequence under way."""

    seed: int
    home: Path
    deep: float = 0.3
    told: list[str] = field(factory=list)
    plans: int = 0
    changes: int = 0
    refused: int = 0

    def broken(self, law: str, *details: object) -> LawBroken:
        text = "\n".join(map(str, details))
        story = "\n".join(self.told)
        return LawBroken(f"{law} (seed {self.seed})\n{text}\n--- what led there\n{story}")

    # -- one step ----------------------------------------------------------------------------------------

    def play(self, steps: int) -> None:
        """The whole sequence."""
        chance = random.Random(self.seed)
        draft = laws_stacks.make(chance)
        world = PlannedWorld(self.home / "world")
        try:
            for number in range(steps):
                if number:
                    self._disturb(chance, draft, world)
                self.told.append(f"step {number}:\n{draft.text()}")
                if not self._converges(chance, world, self._load(draft)):
                    return
            if chance.random() < 0.5:
                self._ends(world, self._load(draft))
        finally:
            world.close()

    def _load(self, draft: laws_stacks.Draft) -> Stack:
        stack, found = load_stack([Source("s.yaml", draft.text())], [], NoFiles(), "0.1.0")
        if stack is None:
            raise self.broken("the stack is not valid", *[(one.summary, one.detail) for one in found])
        return stack

    def _disturb(self, chance: random.Random, draft: laws_stacks.Draft, world: PlannedWorld) -> None:
        for _ in range(chance.randint(0, 2)):
            self.told.append(f"edit: {laws_stacks.edit(chance, draft)}")
        for _ in range(chance.randint(0, 2)):
            self.told.append(f"other hand: {meddle(chance, world)}")
        # Why not less: what was made in the last ten seconds may be missing from lists, and is not taken for gone.
        world.elapsed += chance.choice((11.0, 30.0, 3600.0))

    def _converges(self, chance: random.Random, world: PlannedWorld, stack: Stack) -> bool:
        """Plan, apply and plan again; False where it cannot go on. A plan that may not be applied is left alone."""
        made, snapshot, _ = self._plan(world, stack)
        if made.has_errors:
            self.refused += 1
            self.told.append(f"refused: {[one.summary for one in made.diagnostics if one.is_error]}")
            return True
        self._is_protected(made, stack)
        self._in_order(made, snapshot)
        if made.changes:
            self._is_least(chance, world, stack, made)
        if not self._apply(world, stack, made, snapshot):
            return False
        left, _, _ = self._plan(world, stack)
        if not left.is_empty and not self._runs_again_anyway(left, stack):
            raise self.broken(
                "convergence: the plan after an apply is not empty",
                *[
                    (str(c.address), c.action.value, [r.words for r in c.reasons], dict(c.update))
                    for c in left.changes
                ],
                *[(o.name, o.action.value) for o in left.outputs],
                [d.summary for d in left.diagnostics],
            )
        return True

    def _runs_again_anyway(self, left: Plan, stack: Stack) -> bool:
        """Whether all that is left is what ``rerun: always`` asks for, by its very meaning, whenever a task has completed."""
        again = {
            change.address
            for change in left.changes
            if change.address in stack.resources
            and stack.resources[change.address].lifecycle.rerun == "always"
        }
        return not left.outputs and {change.address for change in left.changes} <= again

    def _ends(self, world: PlannedWorld, stack: Stack) -> None:
        """Destroy everything."""
        made, snapshot, _ = self._plan(world, stack, Mode.DESTROY)
        self.told.append("destroy")
        if made.has_errors:
            return
        self._in_order(made, snapshot)
        self._apply(world, stack, made, snapshot, Mode.DESTROY)
        left, after, _ = self._plan(world, stack, Mode.DESTROY)
        if after.records or left.changes:
            raise self.broken("convergence: something is left after a destroy", list(map(str, after.records)))

    # -- laws --------------------------------------------------------------------------------------------

    def _plan(
        self, world: PlannedWorld, stack: Stack, mode: Mode = Mode.NORMAL
    ) -> tuple[Plan, Snapshot, Observation]:
        """A plan; twice the same from the same inputs, and nothing was changed on the way."""
        snapshot, seen = world.see(stack)
        if world.recorder is not None and world.recorder.mutating:
            raise self.broken("purity: planning sent a mutating request", world.recorder.mutating)
        options = PlanOptions(mode, REGION, **ALLOWED)
        one, two = (plan(stack, snapshot, seen, (), options) for _ in range(2))
        texts = [json.dumps(build_document(made, "0.1.0"), sort_keys=True) for made in (one, two)]
        if one != two or texts[0] != texts[1]:
            raise self.broken("purity: the same inputs gave two plans", *texts)
        if world.snapshot() != snapshot:
            raise self.broken("purity: planning changed the state")
        self.plans += 1
        self.changes += len(one.changes)
        self.told.append(f"plan: { {str(c.address): c.action.value for c in one.changes} }")
        return one, snapshot, seen

    def _is_protected(self, made: Plan, stack: Stack) -> None:
        """What was last applied with ``prevent_destroy`` goes only where the stack itself has lifted that."""
        for change in made.changes:
            declared = stack.resources.get(change.address)
            lifted = declared is not None and not declared.lifecycle.prevent_destroy
            ends = change.action in (Action.DELETE, Action.REPLACE) and not change.deposed
            if ends and change.record is not None and change.record.protected and not lifted:
                raise self.broken("protection: a good plan destroys what is protected", change.address)

    def _in_order(self, made: Plan, before: Snapshot) -> None:
        place = {step.id: index for index, step in enumerate(made.steps)}
        for step in made.steps:
            for need in step.needs:
                if place[need] >= place[step.id]:
                    raise self.broken("ordering: a step comes before what it needs", step.id, need)
        first: dict[tuple[StepKind, Any], int] = {}
        for index, step in enumerate(made.steps):
            if not step.deposed:
                first.setdefault((step.kind, step.address), index)
        for address, record in before.records.items():
            for dependency in record.dependencies:
                own, other = first.get((StepKind.DELETE, address)), first.get((StepKind.DELETE, dependency))
                if own is not None and other is not None and other < own:
                    raise self.broken("ordering: destroyed before what depends on it", dependency, address)
        for change in made.changes:
            for dependency in change.dependencies if change.after is not None else ():
                own, other = (
                    first.get((StepKind.CREATE, change.address)),
                    first.get((StepKind.CREATE, dependency)),
                )
                if own is not None and other is not None and own < other:
                    raise self.broken("ordering: made before what it depends on", change.address, dependency)

    def _apply(
        self, world: PlannedWorld, stack: Stack, made: Plan, before: Snapshot, mode: Mode = Mode.NORMAL
    ) -> bool:
        """Execute the very plan, and hold what happened against its order; False where a task that is waited for failed."""
        world.listener.events.clear()

        async def main(provider: MithrilProvider) -> Any:
            with closing(world.backend()) as backend:
                lease = backend.acquire("s", "s.yaml", mode.value, 0)
                snapshot = backend.snapshot("s")
                if not snapshot.records and snapshot.project != await provider.project():
                    lease.save(project=await provider.project())
                run = world._run(made, snapshot, stack, provider, lease)
                run.access = world.known  # type: ignore[misc]
                result = await execute(run, 4, Stop())
                self._save_outputs(stack, run, snapshot, lease, mode)
                lease.release()
                return result

        result = world.run(main)
        said = [e.diagnostic for e in world.listener.events if e.kind is EventKind.FAILED and e.diagnostic]
        if said and all("failed with exit code" in one.summary for one in said):
            self.told.append(f"failed, as it should: {[one.summary for one in said]}")
            return False
        if result.failed or result.fatal:
            raise self.broken(
                "convergence: an apply of a good plan failed",
                *[
                    (str(e.address), e.diagnostic and (e.diagnostic.summary, e.diagnostic.detail))
                    for e in world.listener.events
                    if e.kind is EventKind.FAILED
                ],
                result.fatal,
            )
        ended: set[str] = set()
        needs = {(step.kind.value, step.address, step.deposed): step.needs for step in made.steps}
        ids = {(step.kind.value, step.address, step.deposed): step.id for step in made.steps}
        for event in world.listener.events:
            key = next((k for k in ids if k[0] == event.operation and k[1] == event.address), None)
            if key is None or sum(k[:2] == key[:2] for k in ids) > 1:
                continue
            if event.kind is EventKind.STARTED:
                singles = {i for k, i in ids.items() if sum(o[:2] == k[:2] for o in ids) == 1}
                late = [
                    n for n in needs[key] if n in singles and n not in ended and not n.startswith("await")
                ]
                if late:
                    raise self.broken("ordering: begun before what it needs was done", ids[key], late)
            elif event.kind is EventKind.DONE:
                ended.add(ids[key])
        return True

    def _save_outputs(self, stack: Stack, run: Any, snapshot: Snapshot, writer: Any, mode: Mode) -> None:
        from flowplan.values.value import is_known, resolve, seal

        outputs = {}
        for name, output in stack.outputs.items() if mode is Mode.NORMAL else ():
            value = resolve(output.value, run.lookup)
            if is_known(value):
                outputs[name] = seal(value, run.key)
        if outputs != dict(snapshot.outputs):
            writer.save(outputs=outputs)

    def _is_least(self, chance: random.Random, world: PlannedWorld, stack: Stack, made: Plan) -> None:
        """Without one of its actions, the plan would not converge: shown by doing all the others in a copy of the world."""
        if chance.random() >= self.deep:
            return
        left_out = chance.choice(made.changes)
        gone = {s.id for s in made.steps if s.address == left_out.address and s.deposed == left_out.deposed}
        if not gone:
            raise self.broken("least action: a change with nothing to do", left_out.address, left_out.action)
        steps = tuple(
            evolve(step, needs=tuple(need for need in step.needs if need not in gone))
            for step in made.steps
            if step.id not in gone
        )
        less = evolve(made, changes=tuple(c for c in made.changes if c is not left_out), steps=steps)
        world.close()
        other = PlannedWorld(self.home / f"copy{self.plans}", elapsed=world.elapsed, suffixes=world.suffixes)
        other.known.done.update(world.known.done)
        import shutil

        shutil.copytree(world.home, other.home)
        try:

            async def main(provider: MithrilProvider) -> None:
                with closing(other.backend()) as backend:
                    lease = backend.acquire("s", "s.yaml", "apply", 0)
                    run = other._run(less, backend.snapshot("s"), stack, provider, lease)
                    run.access = other.known  # type: ignore[misc]
                    await execute(run, 4, Stop())
                    lease.release()

            if steps:
                other.run(main)
            snapshot, seen = other.see(stack)
            after = plan(stack, snapshot, seen, (), PlanOptions(Mode.NORMAL, REGION, **ALLOWED))
            if not after.changes:
                raise self.broken(
                    "least action: all converges without one action",
                    left_out.address, left_out.action.value, [r.words for r in left_out.reasons], dict(left_out.update),
                )  # fmt: skip
        finally:
            other.close()
            shutil.rmtree(other.home, ignore_errors=True)


def meddle(chance: random.Random, world: PlannedWorld) -> str:
    """One thing that another hand, the market or time does."""
    snapshot = world.snapshot()
    tasks = [r for r in snapshot.records.values() if r.kind is Kind.TASK]
    if not tasks:
        return "nothing"
    record = chance.choice(sorted(tasks, key=lambda one: str(one.address)))
    what = chance.choice(("deleted", "price", "paused", "resumed", "completed", "preempted", "volume"))

    def do(method: str, path: str, body: Any = None) -> None:
        async def main(provider: MithrilProvider) -> Any:
            return await provider.client.write(method, path, body)

        world.run(main)

    path = f"/v2/spot/bids/{record.id}"
    if what == "deleted":
        do("DELETE", path)
    elif what == "price":
        do("PATCH", path, {"limit_price": chance.choice(("$1.00", "$9.50"))})
    elif what in ("paused", "resumed"):
        do("PATCH", path, {"paused": what == "paused"})
    elif what == "completed":
        world.known.done[record.id] = {"exit_code": chance.choice((0, 0, 1))}
        do("DELETE", path)
    elif what == "preempted":
        desk = Desk(world.opened())
        desk.override("*", price_cents=100_000, lasts=timedelta(seconds=60))
    else:
        volumes = sorted(
            (r for r in snapshot.records.values() if r.kind is Kind.VOLUME), key=lambda r: str(r.address)
        )
        if not volumes:
            return "nothing"
        do("DELETE", f"/v2/volumes/{chance.choice(volumes).id}")
        return "a volume deleted, if nothing holds it"
    return f"{record.address} {what}"


def run(seed: int, home: Path, steps: int = 5, deep: float = 0.3) -> Sequence:
    """Play one sequence; ``deep`` is how often, of all plans, one is tried without one of its actions.

    Raises:
        LawBroken: a law does not hold.
    """
    sequence = Sequence(seed, home, deep)
    sequence.play(steps)
    return sequence
