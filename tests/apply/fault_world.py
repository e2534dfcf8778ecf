"""A world to break: the real store, engine, provider and simulator in virtual time, with a knife.

A `World` runs commands the way the command line does (read, observe, plan, lock, settle, plan again, execute).
A `Knife` cuts the power at one boundary, or loses and delays messages; what is cut does nothing any more.
"""

from __future__ import annotations

import asyncio
import heapq
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, evolve, field

from flowplan.apply.engine import Stop, execute
from flowplan.apply.recover import recover
from flowplan.apply.run import Patience, Result, Run
from flowplan.apply.undo import undo
from flowplan.backend.sqlite import SqliteBackend
from flowplan.cli.embedded import EmbeddedTransport
from flowplan.lang.stack import Condition, Stack
from flowplan.plan.change import Mode, Plan, PlanOptions
from flowplan.plan.importing import wanted_ids
from flowplan.plan.observation import Observation
from flowplan.plan.observe import with_lately
from flowplan.plan.planner import plan
from flowplan.ports import Ambiguous, Event, Handle, Observed, Outcome
from flowplan.provider.http import Client
from flowplan.provider.mithril.provider import MithrilProvider
from flowplan.resources import Settings, kind_of
from flowplan.sandbox import Sandbox, open_sandbox
from flowplan.state.journal import Entry, Operation, Status
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.value import Fingerprint, Sensitive, is_known, is_sensitive, resolve, seal, transform

sys.path.insert(0, str(Path(__file__).parents[1] / "plan"))

from plan_builders import REGION

ALLOWED: Any = {"allow_data_loss": ("**",), "allow_commitment_loss": ("**",)}
"""Losing is what these worlds are for."""
START = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEAD = 4_194_305
"""More than any process number can be."""
T = TypeVar("T")


class CutOff(BaseException):
    """The power went."""


def _is_cut(error: BaseException) -> bool:
    """Whether it was the knife, perhaps in several tasks at once."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_cut(one) for one in error.exceptions)
    return isinstance(error, CutOff)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while anything can run, and then jumps to the next timer."""

    def __init__(self, start: float) -> None:
        self.virtual = start
        super().__init__()

    def time(self) -> float:
        return self.virtual

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0]._cancelled:  # type: ignore[attr-defined]
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            heapq.heappop(self._scheduled)._scheduled = False  # type: ignore[attr-defined]
        if not self._ready:  # type: ignore[attr-defined]
            assert self._scheduled, "everything waits and nothing will ever happen"  # type: ignore[attr-defined]
            self.virtual = max(self.virtual, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


@define(eq=False)
class Knife:
    """Where the power is cut (``cut``: the n-th boundary), and what becomes of the n-th mutating request.

    ``weather`` names for each request: ``ok``, ``lost answer`` (done, but nobody says so), ``lost request``,
    or a number of seconds after which the request arrives while nobody waits for the answer any more.
    """

    cut: int = 0
    weather: Mapping[int, str | float] = field(factory=dict)
    passed: int = 0
    requests: int = 0
    dead: bool = False
    where: str = ""
    late: list[asyncio.Task[Any]] = field(factory=list)

    def boundary(self, where: str) -> None:
        if self.dead:
            raise CutOff(where)
        self.passed += 1
        if self.passed == self.cut:
            self.dead, self.where = True, where
            raise CutOff(where)


@define(eq=False)
class CutProvider:
    """A provider whose mutating requests pass the knife."""

    inner: MithrilProvider
    knife: Knife

    async def project(self) -> str:
        return await self.inner.project()

    async def observe(self, wanted: Iterable[tuple[Kind, str]], kinds: Iterable[Kind]) -> Observation:
        return await self.inner.observe(wanted, kinds)

    async def read(self, kind: Kind, id: str) -> Observed | None:
        return await self.inner.read(kind, id)

    async def find(self, handle: Handle) -> list[Observed]:
        return await self.inner.find(handle)

    async def create(self, kind: Kind, attributes: Mapping[str, Any], key: str) -> Outcome:
        return await self._send(f"create {kind.value}", lambda: self.inner.create(kind, attributes, key))

    async def update(self, kind: Kind, id: str, changes: Mapping[str, Any], key: str) -> Outcome:
        return await self._send(f"update {kind.value}", lambda: self.inner.update(kind, id, changes, key))

    async def return_capacity(self, id: str, instances: Sequence[str], key: str) -> Outcome:
        return await self._send("return", lambda: self.inner.return_capacity(id, instances, key))

    async def delete(self, kind: Kind, id: str, key: str) -> Outcome:
        return await self._send(f"delete {kind.value}", lambda: self.inner.delete(kind, id, key))

    async def _send(self, what: str, send: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
        self.knife.boundary(f"before {what}")
        self.knife.requests += 1
        weather = self.knife.weather.get(self.knife.requests, "ok")
        if weather == "lost request":
            outcome: Outcome = Ambiguous("the connection broke")
        elif isinstance(weather, float):

            async def later() -> None:
                await asyncio.sleep(float(weather))
                await send()

            self.knife.late.append(asyncio.create_task(later()))
            outcome = Ambiguous("no answer in time")
        else:
            outcome = await send()
            if weather == "lost answer":
                outcome = Ambiguous("the connection broke")
        self.knife.boundary(f"after {what}")
        return outcome


@define(eq=False)
class CutWriter:
    """A writer whose transactions pass the knife, before and after."""

    inner: Any
    knife: Knife

    @property
    def token(self) -> int:
        return int(self.inner.token)

    @property
    def heartbeat_s(self) -> float:
        return float(self.inner.heartbeat_s)

    def progress(self, done: int, steps: int) -> None:
        self.inner.progress(done, steps)

    def check(self) -> None:
        self.inner.check()

    def renew(self) -> None:
        if not self.knife.dead:
            self.inner.renew()

    def begin(self, entry: Entry) -> int:
        return self._pass("begin", lambda: self.inner.begin(entry))

    def begin_all(self, entries: Iterable[Entry]) -> list[int]:
        entries = list(entries)
        if len(entries) == 1:
            return [self.begin(entries[0])]
        return self._pass("begin", lambda: list(self.inner.begin_all(entries)))

    def commit_all(self, ended: Iterable[Any]) -> None:
        ended = list(ended)
        if len(ended) == 1:
            self.commit(*ended[0])
            return
        words = " and ".join(sorted({result.value for _, result, _, _ in ended}))
        self._pass(f"commit {words}", lambda: self.inner.commit_all(ended))

    def commit(
        self, number: int, result: Status, record: Record | None, forget: Address | None = None
    ) -> None:
        self._pass(f"commit {result.value}", lambda: self.inner.commit(number, result, record, forget))

    def save(self, *args: Any, **more: Any) -> None:
        self._pass("save", lambda: self.inner.save(*args, **more))

    def release(self) -> None:
        self.inner.release()

    def _pass(self, what: str, do: Callable[[], T]) -> T:
        self.knife.boundary(f"before {what}")
        done = do()
        self.knife.boundary(f"after {what}")
        return done


class Clock:
    """The virtual loop's time."""

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Listener:
    """Keeps events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


@define(eq=False)
class Finished:
    """Every task whose completion is waited for has completed, with this exit code; the others go on."""

    exit_code: int
    is_awaited: Callable[[str], bool]

    async def completion(self, task_id: str) -> Mapping[str, Any] | None:
        return {"exit_code": self.exit_code} if self.is_awaited(task_id) else None

    async def log(self, task_id: str, node: int, stream: str, offset: int) -> tuple[bytes, int] | None:
        return None


@define(eq=False)
class World:
    """One project: its state, its simulated provider, its time. ``rules`` are switches of the simulator."""

    home: Path
    rules: Mapping[str, Any] = field(factory=dict)
    patience: Patience = field(factory=Patience)
    elapsed: float = 0.0
    suffixes: int = 0
    exit_code: int = 0
    listener: Listener = field(factory=Listener)

    def now(self) -> datetime:
        try:
            elapsed = asyncio.get_running_loop().time()
        except RuntimeError:
            elapsed = self.elapsed
        return START + timedelta(seconds=elapsed)

    def copy(self, home: Path) -> World:
        """The same world in another folder."""
        shutil.copytree(self.home, home)
        return evolve(self, home=home, listener=Listener())

    def backend(self) -> SqliteBackend:
        return SqliteBackend(self.home / "state", self.now)

    def sandbox(self) -> Sandbox:
        sandbox = open_sandbox(self.home / "sandbox", self.now, execute=False, boot_delay_s=0.0)
        if self.rules:
            sandbox.configure(**self.rules)
        return sandbox

    def transport(self, sandbox: Sandbox) -> Any:
        """The line between client and simulator."""
        return EmbeddedTransport(sandbox)

    def cutting(self, provider: MithrilProvider, backend: Any, lease: Any, knife: Knife) -> tuple[Any, Any]:
        """The provider and the writer of an apply, passing the knife."""
        return CutProvider(provider, knife), CutWriter(lease, knife)

    def run(self, main: Callable[[MithrilProvider], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine with a provider, in virtual time."""

        async def body() -> T:
            with closing(self.sandbox()) as sandbox:
                client = Client(
                    "http://sandbox.invalid",
                    Sensitive(sandbox.api_key),
                    transport=self.transport(sandbox),
                    clock=Clock(),
                    random=lambda: 0.5,
                )
                async with MithrilProvider(client, None, REGION) as provider:
                    return await main(provider)

        loop = VirtualLoop(self.elapsed)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            try:
                return runner.run(body())
            finally:
                self.elapsed = loop.virtual

    def snapshot(self) -> Snapshot:
        with closing(self.backend()) as backend:
            return backend.snapshot("s")

    def unfinished(self) -> list[Entry]:
        with closing(self.backend()) as backend:
            return backend.unfinished("s")

    def plan(self, stack: Stack, mode: Mode = Mode.NORMAL) -> Plan:
        """What `plan` shows now."""

        async def main(provider: MithrilProvider) -> Plan:
            snapshot, unfinished = self.snapshot(), self.unfinished()
            observation = await self.observe(provider, snapshot, unfinished, stack)
            return plan(stack, snapshot, observation, unfinished, PlanOptions(mode, REGION, **ALLOWED))

        return self.run(main)

    async def observe(
        self, provider: Any, snapshot: Snapshot, unfinished: Iterable[Entry], stack: Stack | None = None
    ) -> Observation:
        """One refresh, as the command line does it."""
        at = self.now()
        wanted = snapshot.ids() if stack is None else wanted_ids(stack, snapshot)
        seen = await provider.observe(wanted, list(Kind))
        objects, completions = dict(seen.objects), {}
        for entry in unfinished:
            if entry.operation is Operation.CREATE:
                handle = Handle(entry.kind, entry.name, entry.region, entry.seen)
                objects.update({(o.kind, o.id): o for o in await provider.find(handle)})
        for record in snapshot.records.values():
            known = record.attributes.get("completion")
            if known is not None:
                completions[record.id] = known
        return with_lately(evolve(seen, objects=objects, completions=completions, at=at), snapshot)

    def apply(
        self,
        stack: Stack,
        mode: Mode = Mode.NORMAL,
        knife: Knife | None = None,
        parallelism: int = 4,
        stop: Stop | None = None,
        **how: Any,
    ) -> Result | None:
        """`apply` or `destroy`; None where the knife cut it off (its lease is then a dead process's)."""
        knife = knife or Knife()
        try:
            return self.run(lambda p: self._apply(p, stack, mode, knife, parallelism, stop or Stop(), how))
        except (CutOff, BaseExceptionGroup) as error:
            if not _is_cut(error):
                raise
            with closing(sqlite3.connect(self.home / "state" / "flowplan.db")) as db:
                db.execute("UPDATE leases SET pid = ?", (DEAD,))
                db.commit()
            return None

    async def _apply(
        self,
        inner: MithrilProvider,
        stack: Stack,
        mode: Mode,
        knife: Knife,
        parallelism: int,
        stop: Stop,
        how: Mapping[str, Any],
    ) -> Result:
        with closing(self.backend()) as backend:
            lease = backend.acquire("s", "s.yaml", mode.value, 0)
            provider, writer = self.cutting(inner, backend, lease, knife)
            snapshot, unfinished = backend.snapshot("s"), backend.unfinished("s")
            options = PlanOptions(mode, REGION, **ALLOWED)
            if unfinished:
                first = plan(stack, snapshot, None, (), options)
                settling = self._run(first, snapshot, stack, provider, writer)
                left = await recover(settling, unfinished)
                if left:  # the storm goes on: the next apply tries again
                    lease.release()
                    return Result(fatal=left[0], fatal_code=9)
                snapshot = backend.snapshot("s")
            observation = await self.observe(provider, snapshot, (), stack)
            if unfinished:
                observation = settling.as_left(observation)
            made = plan(stack, snapshot, observation, (), options)
            if made.has_errors:
                lease.release()
                return Result(fatal=next(d for d in made.diagnostics if d.is_error))
            if not snapshot.records and snapshot.project != await provider.project():
                writer.save(project=await provider.project())
            run = self._run(made, snapshot, stack, provider, writer)
            does_undo = bool(how.get("undo"))
            result = await execute(
                run,
                parallelism,
                stop,
                fail_fast=does_undo or bool(how.get("fail_fast")),
                durations=how.get("durations"),
            )
            if does_undo:
                result = await undo(run, result, parallelism, stop)
            outputs = {}
            for name, output in stack.outputs.items() if mode is Mode.NORMAL else ():
                value = resolve(output.value, run.lookup)
                if is_known(value):
                    hidden = output.sensitive and not is_sensitive(value)
                    outputs[name] = seal(Sensitive(value) if hidden else value, run.key)
            if outputs != dict(snapshot.outputs):
                writer.save(outputs=outputs)
            await asyncio.gather(*knife.late)
            lease.release()
            return result

    def _run(self, made: Plan, snapshot: Snapshot, stack: Stack, provider: Any, writer: Any) -> Run:
        def suffix() -> str:
            self.suffixes += 1
            return f"{self.suffixes:06x}"

        def is_awaited(task_id: str) -> bool:
            # Why not all: one that is only to run would be found completed or running by what a list happens to show.
            return any(
                step.condition is Condition.COMPLETED
                and step.address in run.records
                and run.records[step.address].id == task_id
                for step in made.steps
            )

        run = Run.of(
            made,
            snapshot,
            id=f"run{int(self.elapsed * 1000)}x{self.suffixes}",
            stack=stack,
            provider=provider,
            writer=writer,
            clock=Clock(),
            reporter=self.listener,
            access=Finished(self.exit_code, is_awaited),
            new_suffix=suffix,
            read_code=lambda root: b"",
            settings=Settings(REGION),
            patience=self.patience,
        )
        return run

    def live(self) -> list[Observed]:
        """All that lives at the provider, once its lists have caught up."""
        self.elapsed += 1000.0

        async def main(provider: MithrilProvider) -> list[Observed]:
            seen = await provider.observe([(Kind.TASK, "none"), (Kind.RESERVATION, "none")], list(Kind))
            return [o for o in seen.objects.values() if o.exists]

        return self.run(main)

    def picture(self) -> dict[str, Any]:
        """What is recorded and what lives, without ids, suffixes and times: equal for equal worlds."""
        snapshot = self.snapshot()
        owners = {record.id: f"<{address}>" for address, record in snapshot.records.items()}

        def anonymous(leaf: Any) -> Any:
            if isinstance(leaf, Fingerprint):
                return "<sealed>"
            return owners.get(leaf, leaf) if isinstance(leaf, str) else leaf

        def named(address: Address, name: str) -> str:
            return re.sub(r"-[0-9a-f]{6}$", "-#", name) if address.kind is Kind.TASK else name

        records = {}
        for address, record in snapshot.records.items():
            fed = {n: record.attributes.get(n) for n in kind_of(address.kind).feeds if n != "name"}
            fed["completion"] = record.attributes.get("completion")
            records[str(address)] = {
                "name": named(address, record.name),
                "config": transform(dict(record.config), anonymous),
                "attributes": transform(fed, anonymous),
                "dependencies": [str(d) for d in record.dependencies],
                "protected": record.protected,
            }
        live = []
        for one in self.live():
            owner = owners.get(one.id, f"orphan {one.kind.value} {one.name}")
            fed = {n: one.attributes.get(n) for n in kind_of(one.kind).feeds if n != "name"}
            # Whether it runs is the market's and the moment's; whether we left it paused is ours.
            live.append((owner, str(transform(fed, anonymous)), one.attributes.get("status") == "paused"))
        outputs = transform(dict(snapshot.outputs), anonymous)
        return {"records": records, "live": sorted(live), "outputs": outputs}
