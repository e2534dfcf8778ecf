"""What an apply does about lifecycle, moves, imports and refreshing, seen at the provider and in the state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from fault_world import World
from plan_builders import REGION, stack, task, volume
from plan_cases import with_life

from flowplan.lang.entries import Import, Moved
from flowplan.plan.change import Mode
from flowplan.ports import Done
from flowplan.provider.mithril.provider import MithrilProvider
from flowplan.values.address import Address, Kind

A = f"tasks: {{a: {task()}}}"
V = f"volumes: {{v: {volume()}}}"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world")
    world.home.mkdir()
    world.sandbox().close()
    world.elapsed += 100.0
    return world


def done(world: World, desired: Any, mode: Mode = Mode.NORMAL) -> list[str]:
    result = world.apply(desired, mode)
    assert result is not None and result.ok, result
    assert world.plan(desired, mode).is_empty
    return [step.id for step in result.done]


def test_an_existing_volume_is_imported_and_nothing_is_made(world: World) -> None:
    async def made(provider: MithrilProvider) -> str:
        body = {"name": "theirs", "region": REGION, "size_gb": 10, "interface": "file"}
        outcome = await provider.create(Kind.VOLUME, body, "k")
        assert isinstance(outcome, Done) and outcome.observed is not None
        return outcome.observed.id

    id = world.run(made)
    at = Address.parse("volume.v")
    by_id = evolve(stack(V), imports=(Import(at, id),))
    assert done(world.copy(world.home.parent / "other"), by_id) == ["import volume.v", "update volume.v"]
    by_name = evolve(stack(V), imports=(Import(at, None, "theirs"),))
    assert done(world, by_name) == ["import volume.v", "update volume.v"]
    assert [one.id for one in world.live()] == [id]
    assert world.snapshot().records[at].id == id and world.snapshot().records[at].name == "s-v"


def test_a_move_sends_nothing_and_is_there_to_stay(world: World) -> None:
    done(world, stack(f"{V}\n{A}"))
    before = {record.id for record in world.snapshot().records.values()}
    moved = evolve(
        stack(
            f"volumes: {{w: {volume('name: s-v, mount_path: /volumes/v')}}}\ntasks: {{b: {task('name: a')}}}"
        ),
        moved=(Moved("volume.v", "volume.w"), Moved("task.a", "task.b")),
    )
    assert done(world, moved) == []
    after = world.snapshot()
    assert {record.id for record in after.records.values()} == before
    assert sorted(map(str, after.records)) == ["task.b", "volume.w"]


def test_refreshing_records_and_changes_nothing(world: World) -> None:
    desired = stack(A)
    done(world, desired)
    (record,) = world.snapshot().records.values()

    async def dearer(provider: MithrilProvider) -> None:
        assert isinstance(await provider.update(Kind.TASK, record.id, {"limit_price": 9.0}, "k"), Done)

    world.run(dearer)
    assert done(world, desired, Mode.REFRESH_ONLY) == []
    (now,) = world.snapshot().records.values()
    assert now.attributes["limit_price"] == 9.0 and now.config == record.config
    assert done(world, desired) == ["update task.a"]

    async def ended(provider: MithrilProvider) -> None:
        assert isinstance(await provider.delete(Kind.TASK, record.id, "k"), Done)

    world.run(ended)
    assert done(world, desired, Mode.REFRESH_ONLY) == [] and not world.snapshot().records


def test_history_names_who_changed_a_price(world: World) -> None:
    done(world, stack(A))
    (record,) = world.snapshot().records.values()

    async def told(provider: MithrilProvider) -> list[Any]:
        await provider.update(Kind.TASK, record.id, {"limit_price": 9.0}, "k")
        return await provider.history(Kind.TASK, record.id)

    events = world.run(told)
    (change,) = [event for event in events if event.what == "Limit Price Changed"]
    assert change.by.startswith("user_") and change.at
    assert events[0].what == "Placed"


def test_what_is_retained_stays_at_the_provider(world: World) -> None:
    kept = with_life(stack(V), {"volume.v": {"on_remove": "retain"}})
    done(world, kept)
    assert done(world, stack("tasks: {}")) == ["forget volume.v"]
    assert len(world.live()) == 1 and not world.snapshot().records


def test_a_trigger_fires_once(world: World) -> None:
    both = f"tasks: {{a: {task()}, b: {task()}}}"
    life = {"task.b": {"replace_triggered_by": ("task.a",)}}
    done(world, with_life(stack(both), life))
    dearer = with_life(stack(both.replace("3.0", "4.0", 1)), life)
    assert sorted(done(world, dearer)) == ["create task.b", "delete task.b", "update task.a"]
