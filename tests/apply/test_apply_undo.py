"""``--on-failure undo``: what this run created goes, and nothing else: no data, no commitment, nothing older."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fault_world import CutProvider, Knife, World
from plan_builders import stack, task, volume

from flowplan.apply.run import Result
from flowplan.ports import Outcome, Refused
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic
from flowplan.values.exit_code import ExitCode


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world")
    world.home.mkdir()
    world.sandbox().close()
    world.elapsed += 100.0
    return world


def refusing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the provider refuse to create what is called so."""
    honest = CutProvider.create

    async def create(self: CutProvider, kind: Kind, attributes: Any, key: str) -> Outcome:
        if attributes["name"].startswith(name):
            return Refused(Diagnostic.error("the quota is full"))
        return await honest(self, kind, attributes, key)

    monkeypatch.setattr(CutProvider, "create", create)


def undone(result: Result | None) -> list[str]:
    assert result is not None
    return [str(step.address) for step in result.undone]


def live(world: World) -> list[str]:
    return sorted(one.name.rsplit("-", 1)[0] if one.kind is Kind.TASK else one.name for one in world.live())


CHAIN = f"tasks: {{a: {task()}, b: {task('depends_on: [task.a]')}, z: {task('depends_on: [task.b]')}}}"


def test_what_this_run_created_goes_dependents_first_and_what_was_there_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.apply(stack(f"tasks: {{old: {task()}}}"))
    assert before is not None and before.ok
    refusing(monkeypatch, "z")
    result = world.apply(stack(CHAIN.replace("{a:", f"{{old: {task()}, a:")), undo=True)
    assert undone(result) == ["task.b", "task.a"], "in the reverse order of their making"
    assert result is not None and not result.done and result.exit_code == ExitCode.ERROR
    assert live(world) == ["old"] and [str(a) for a in world.snapshot().records] == ["task.old"]
    assert not world.unfinished()


def test_nothing_is_undone_without_the_wish_or_without_a_failure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert undone(world.apply(stack(f"tasks: {{old: {task()}}}"), undo=True)) == []
    refusing(monkeypatch, "z")
    kept = world.apply(stack(CHAIN.replace("{a:", f"{{old: {task()}, a:")))
    assert undone(kept) == [] and kept is not None and kept.exit_code == ExitCode.PARTLY
    assert live(world) == ["a", "b", "old"]


MOUNTS = "volumes: [{volume: '{{ volume.used }}', mount_path: /v}]"
WITH_DATA = (
    f"volumes: {{empty: {volume()}, used: {volume()}}}\n"
    f"tasks: {{a: {task(MOUNTS)}, z: {task('depends_on: [task.a, volume.empty]')}}}"
)


def test_a_volume_that_a_task_has_had_stays_and_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, "z")
    result = world.apply(stack(WITH_DATA), undo=True)
    assert set(undone(result)) == {"task.a", "volume.empty"}
    assert result is not None
    assert [(str(a), why) for a, why in result.kept] == [
        ("volume.used", "a task had it, so it may hold data")
    ]
    assert result.exit_code == ExitCode.PARTLY and live(world) == ["s-used"]


def test_a_reservation_stays_and_so_does_what_it_needs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desired = stack(
        f"volumes: {{v: {volume()}}}\n"
        "reservations: {r: {instance_type: 8xh100, quantity: 1, start_time_utc: 2031-01-01T00:00:00Z, "
        "duration_hours: 24, volumes: ['{{ volume.v }}']}}\n"
        f"tasks: {{z: {task('depends_on: [reservation.r]')}}}"
    )
    refusing(monkeypatch, "z")
    result = world.apply(desired, undo=True)
    assert result is not None and undone(result) == []
    assert {str(address) for address, _ in result.kept} == {"reservation.r", "volume.v"}
    assert len(world.live()) == 2


def test_what_is_protected_and_what_a_survivor_needs_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    safe = task("depends_on: [task.a], lifecycle: {prevent_destroy: true}")
    desired = stack(f"tasks: {{a: {task()}, safe: {safe}, z: {task('depends_on: [task.safe]')}}}")
    refusing(monkeypatch, "z")
    result = world.apply(desired, undo=True)
    assert result is not None and undone(result) == []
    assert {str(a): why for a, why in result.kept} == {
        "task.safe": "lifecycle.prevent_destroy protects it",
        "task.a": "task.safe depends on it",
    }


def test_an_undo_that_is_cut_off_anywhere_is_settled_by_the_next_apply(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal has each deletion: whatever the cut, one live object per address after the next apply."""
    with pytest.MonkeyPatch.context() as patch:
        refusing(patch, "z")
        whole = world.copy(world.home.parent / "whole")
        knife = Knife()
        assert undone(whole.apply(stack(CHAIN), knife=knife, undo=True)) == ["task.b", "task.a"]
    undoing = knife.passed // 2
    for cut in range(undoing, knife.passed + 1):
        here = world.copy(world.home.parent / f"cut{cut}")
        with pytest.MonkeyPatch.context() as patch:
            refusing(patch, "z")
            assert here.apply(stack(CHAIN), knife=Knife(cut=cut), undo=True) is None
        again = here.apply(stack(CHAIN))
        assert again is not None and again.ok, cut
        assert live(here) == ["a", "b", "z"] and here.plan(stack(CHAIN)).is_empty, cut
