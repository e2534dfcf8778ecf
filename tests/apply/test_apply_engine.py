"""What an apply does when the provider refuses, doubles or hides something, and when it is asked to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from fault_world import CutProvider, Knife, World
from plan_builders import stack, task, volume

from flowplan.apply.engine import Stop
from flowplan.plan.change import Mode
from flowplan.ports import Ambiguous, Done, EventKind, Outcome, Refused, StoreError
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic
from flowplan.values.exit_code import ExitCode

MOUNTS = "volumes: [{volume: '{{ volume.v }}', mount_path: /v}%s]"
W = ", {volume: '{{ volume.w }}', mount_path: /w}"
BOTH = f"volumes: {{v: {volume()}, w: {volume()}}}\ntasks: {{a: {task(MOUNTS % W)}}}"
ONE = f"volumes: {{v: {volume()}, w: {volume()}}}\ntasks: {{a: {task(MOUNTS % '')}}}"
CHAIN = f"tasks: {{a: {task()}, b: {task('depends_on: [task.a]')}, c: {task('depends_on: [task.b]')}, d: {task()}}}"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world")
    world.home.mkdir()
    world.sandbox().close()
    world.elapsed += 100.0
    return world


def refuse(monkeypatch: pytest.MonkeyPatch, method: str, when: Any, transient: bool = False) -> None:
    """Let the provider refuse what ``when`` (given the arguments) picks."""
    honest = getattr(CutProvider, method)

    async def asked(self: CutProvider, *given: Any) -> Outcome:
        if when(*given):
            return Refused(Diagnostic.error("no", suggestion="ask nicely"), transient)
        return await honest(self, *given)

    monkeypatch.setattr(CutProvider, method, asked)


def test_a_refused_change_of_volumes_leaves_the_task_running(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (first := world.apply(stack(BOTH))) is not None and first.ok
    refuse(monkeypatch, "update", lambda kind, id, changes, key: "volume_ids" in changes)
    result = world.apply(stack(ONE))
    assert result is not None and [f.step.id for f in result.failed] == ["update task.a"]
    assert not world.unfinished()
    assert [o.attributes["status"] for o in world.live() if o.kind is Kind.TASK] != ["paused"]
    monkeypatch.undo()
    again = world.apply(stack(ONE))
    assert again is not None and again.ok and world.plan(stack(ONE)).is_empty


def test_one_failure_skips_what_needs_it_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "create", lambda kind, attributes, key: attributes["name"].startswith("a"))
    result = world.apply(stack(CHAIN))
    assert result is not None
    assert [s.id for s in result.done] == ["create task.d"]
    assert [f.step.id for f in result.failed] == ["create task.a"]
    assert [(s.id, because.id) for s, because in result.skipped] == [
        ("create task.b", "create task.a"),
        ("create task.c", "create task.a"),
    ]
    assert result.exit_code == 5 and not result.ok and not world.unfinished()
    monkeypatch.undo()
    again = world.apply(stack(CHAIN))
    assert again is not None and again.ok and len(again.done) == 3


@pytest.mark.parametrize(("transient", "code"), [(True, 6), (False, 1)])
def test_the_exit_code_tells_a_passing_refusal(
    world: World, monkeypatch: pytest.MonkeyPatch, transient: bool, code: int
) -> None:
    refuse(monkeypatch, "create", lambda *given: True, transient)
    result = world.apply(stack(f"tasks: {{a: {task()}}}"))
    assert result is not None and result.exit_code == code


def test_what_no_one_can_find_out_stays_in_the_journal_and_is_settled_next_time(world: World) -> None:
    desired = stack(f"volumes: {{v: {volume()}}}")
    result = world.apply(desired, knife=Knife(weather=dict.fromkeys(range(1, 20), "lost request")))
    assert result is not None and result.exit_code == 9
    assert [f.step.id for f in result.unknown] == ["create volume.v"] and len(world.unfinished()) == 1
    assert not world.plan(desired).is_empty
    again = world.apply(desired)
    assert again is not None and again.ok and len(world.live()) == 1 and world.plan(desired).is_empty
    assert EventKind.RECOVERED in [event.kind for event in world.listener.events]


@pytest.mark.parametrize("body", [task("unique_name: false"), task()])
def test_a_creation_that_arrives_after_all_is_not_kept_twice(world: World, body: str) -> None:
    """The first request comes through when the second has long been sent; the provider made both."""
    desired = stack(f"tasks: {{a: {body}}}")
    world.patience = evolve(world.patience, visibility_s=2.0)
    result = world.apply(desired, knife=Knife(weather={1: "lost request", 2: "lost answer"}))
    assert result is not None and result.ok and len(world.live()) == 1
    honest = CutProvider.create
    both: list[Any] = []

    async def doubled(self: CutProvider, kind: Kind, attributes: Mapping[str, Any], key: str) -> Outcome:
        if not both:
            both.append(1)
            return Ambiguous("no answer in time")
        await self.inner.create(kind, attributes, key)  # the first, late
        return await honest(self, kind, attributes, key)

    other = stack(f"tasks: {{a: {body}, b: {task('unique_name: false')}}}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CutProvider, "create", doubled)
        result = world.apply(other)
    assert result is not None and result.ok
    assert len(world.live()) == 2 and world.plan(other).is_empty
    said = [e.diagnostic.summary for e in world.listener.events if e.diagnostic]
    assert said == ["The provider had made task.b twice"]


def test_a_strangers_volume_is_never_adopted(world: World) -> None:
    """The name was taken after the plan was made, and the refusal got lost: what bears the name is not ours."""
    desired = stack(f"volumes: {{v: {volume()}}}")

    async def stranger(provider: Any) -> Outcome:
        (ours,) = desired.resources.values()
        attributes = {
            "name": ours.config["name"],
            "region": "us-central1-b",
            "size_gb": 10,
            "interface": "file",
        }
        outcome: Outcome = await provider.create(Kind.VOLUME, attributes, "theirs")
        return outcome

    with pytest.MonkeyPatch.context() as patch:
        honest = World.observe

        async def early(self: World, provider: Any, snapshot: Any, unfinished: Any, stack: Any = None) -> Any:
            seen = await honest(self, provider, snapshot, unfinished)
            assert isinstance(await stranger(getattr(provider, "inner", provider)), Done)
            return seen

        patch.setattr(World, "observe", early)
        result = world.apply(desired, knife=Knife(weather={1: "lost answer"}))
    assert result is not None and not result.ok
    assert not world.snapshot().records and len(world.live()) == 1


def test_an_interrupt_starts_nothing_new_and_finishes_what_is_in_flight(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = CutProvider.create
    stops: list[Stop] = []

    async def interrupting(self: CutProvider, *given: Any) -> Outcome:
        stops[0].interrupt()
        return await honest(self, *given)

    monkeypatch.setattr(CutProvider, "create", interrupting)
    stop = Stop(asyncio.Event(), asyncio.Event())
    stops.append(stop)
    result = world.apply(stack(CHAIN), parallelism=1, stop=stop)
    assert result is not None and result.interrupted and not result.failed and not result.unknown
    assert [s.id for s in result.done] == ["create task.a"]
    assert {s.id for s in result.not_started} == {"create task.b", "create task.c", "create task.d"}
    monkeypatch.undo()
    again = world.apply(stack(CHAIN))
    assert again is not None and again.ok and len(world.live()) == 4


def test_a_store_that_cannot_be_written_stops_before_the_next_request(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fault_world import CutWriter

    sent: list[str] = []
    honest_create, honest_begin = CutProvider.create, CutWriter.begin

    async def counted(self: CutProvider, kind: Kind, attributes: Mapping[str, Any], key: str) -> Outcome:
        sent.append(attributes["name"])
        return await honest_create(self, kind, attributes, key)

    def full(self: CutWriter, entry: Any) -> int:
        if sent:
            raise StoreError(Diagnostic.error("The disk is full"))
        return honest_begin(self, entry)

    monkeypatch.setattr(CutProvider, "create", counted)
    monkeypatch.setattr(CutWriter, "begin", full)
    result = world.apply(stack(CHAIN), parallelism=1)
    assert result is not None and result.fatal is not None and result.exit_code == ExitCode.PARTLY
    assert len(sent) == 1 and [s.id for s in result.done] == ["create task.a"] and not result.cut
    assert result.not_started[0].id == "create task.b", "it could not be begun"


@pytest.mark.parametrize(("write", "code"), [("begin", ExitCode.ERROR), ("commit", ExitCode.UNKNOWN)])
def test_a_store_that_fails_at_once_has_done_nothing_or_leaves_it_to_the_journal(
    world: World, monkeypatch: pytest.MonkeyPatch, write: str, code: ExitCode
) -> None:
    from fault_world import CutWriter

    def full(self: CutWriter, *given: Any) -> None:
        raise StoreError(Diagnostic.error("The disk is full"))

    monkeypatch.setattr(CutWriter, write, full)
    result = world.apply(stack(CHAIN), parallelism=1)
    assert result is not None and result.fatal is not None and result.exit_code == code
    assert [s.id for s in result.cut] == (["create task.a"] if write == "commit" else [])
    assert len(world.unfinished()) == (1 if write == "commit" else 0)


def test_a_failed_predecessor_stops_its_dependents_unless_tolerated(world: World) -> None:
    world.exit_code = 3
    strict = stack(f"tasks: {{a: {task()}, b: {task('depends_on: {task.a: completed}')}}}")
    result = world.apply(strict)
    assert result is not None
    assert [f.diagnostic.summary for f in result.failed] == ["task.a failed with exit code 3"]
    assert [s.id for s, _ in result.skipped] == ["create task.b"]
    lenient = stack(
        f"tasks: {{a: {task()}, b: {task('depends_on: {task.a: {condition: completed, failed_ok: true}}')}}}"
    )
    again = world.apply(lenient)
    assert again is not None and again.ok and [s.id for s in again.done] == ["create task.b"]


def test_a_completed_task_that_ends_by_itself_costs_nothing_any_more(world: World) -> None:
    desired = stack(
        f"tasks: {{a: {task('terminate_on_exit: true')}, b: {task('depends_on: {task.a: completed}')}}}"
    )
    result = world.apply(desired)
    assert result is not None and result.ok
    assert [o.name.split("-")[0] for o in world.live()] == ["b"]
    (record,) = [r for a, r in world.snapshot().records.items() if str(a) == "task.a"]
    assert record.attributes["status"] == "completed" and record.attributes["completion"] == {"exit_code": 0}
    end = world.apply(desired, Mode.DESTROY)
    assert end is not None and end.ok and not world.live() and not world.snapshot().records
