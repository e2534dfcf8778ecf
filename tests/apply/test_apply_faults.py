"""The promise of apply-protocol.md: whatever is cut, lost or late, the next apply finishes the work, once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from fault_world import CutOff, Knife, World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_builders import stack, task, volume
from plan_cases import with_life

from flowplan.lang.entries import Moved
from flowplan.lang.stack import Stack
from flowplan.plan.change import Mode
from flowplan.values.address import Address

MOUNT = "volumes: [{volume: '{{ volume.%s }}', mount_path: /%s}]"
RESERVED = (
    "reservations: {r: {instance_type: 8xh100, start_time_utc: 2026-12-01T00:00:00Z, duration_hours: %d}}\n"
)
SCENES: dict[str, tuple[str | None, str | Stack | None]] = {
    "create": (
        None,
        f"volumes: {{data: {volume()}}}\n"
        f"tasks: {{a: {task(MOUNT % ('data', 'data'))}, b: {task('unique_name: false')}}}\n"
        "outputs: {v: {value: '{{ volume.data }}'}, s: {value: hush, sensitive: true}}\n",
    ),
    "buy": (None, RESERVED % 24),
    "wait": (
        None,
        f"tasks: {{a: {task('terminate_on_exit: true')}, "
        f"b: {task('depends_on: {task.a: completed}')}, c: {task('depends_on: {task.b: completed}')}}}\n",
    ),
    "change in place": (
        f"volumes: {{data: {volume()}, more: {volume()}}}\n" + RESERVED % 24 + f"tasks: {{a: {task()}, "
        "b: "
        + task(
            "volumes: [{volume: '{{ volume.data }}', mount_path: /d}, {volume: '{{ volume.more }}', mount_path: /m}]"
        )
        + "}\n",
        f"volumes: {{data: {volume('name: other')}}}\n"
        + RESERVED % 48
        + f"tasks: {{a: {task('priority: high').replace('3.0', '4.5')}, b: {task(MOUNT % ('data', 'd'))}}}\n",
    ),
    "replace": (
        f"volumes: {{data: {volume()}}}\ntasks: {{a: {task(MOUNT % ('data', 'data'))}, b: {task('unique_name: false')}}}\n",
        f"volumes: {{data: {volume().replace('10', '20')}}}\n"
        f"tasks: {{a: {task(MOUNT % ('data', 'data'))}, b: {task('unique_name: false, env: {A: b}')}}}\n",
    ),
    "destroy": (
        f"volumes: {{data: {volume()}}}\ntasks: {{a: {task(MOUNT % ('data', 'data'))}, b: {task('depends_on: [task.a]')}}}\n"
        "outputs: {v: {value: '{{ volume.data }}'}}\n",
        None,
    ),
}
FIRST = {"create_before_destroy": True}
RES = "{instance_type: 8xh100, start_time_utc: 2026-12-01T00:00:00Z, duration_hours: 24, volumes: ['{{ volume.%s }}']}"
SWAP = f"volumes: {{v: {volume()}, w: {volume()}}}\nreservations: {{q: {RES}, r: {RES}}}\n"
SCENES |= {
    "made first": (
        f"volumes: {{data: {volume()}}}\ntasks: {{a: {task(MOUNT % ('data', 'data'))}, b: {task('depends_on: [task.a]')}}}\n",
        with_life(
            stack(
                f"volumes: {{data: {volume('name: wider').replace('10', '20')}}}\n"
                f"tasks: {{a: {task(MOUNT % ('data', 'data'))}, b: {task('depends_on: [task.a]')}}}\n"
            ),
            {"task.a": FIRST},
        ),
    ),
    "moved": (
        f"volumes: {{data: {volume()}}}\ntasks: {{a: {task(MOUNT % ('data', 'data'))}}}\n",
        evolve(
            stack(
                f"volumes: {{more: {volume('name: s-data, mount_path: /volumes/data')}}}\n"
                f"tasks: {{b: {task('name: a, ' + MOUNT % ('more', 'data')).replace('3.0', '4.0')}}}\n"
            ),
            moved=(Moved("volume.data", "volume.more"), Moved("task.a", "task.b")),
        ),
    ),
    "give back": (
        "reservations: {r: {instance_type: 8xh100, quantity: 4, start_time_utc: '2026-11-23T12:00:00Z', duration_hours: 24}}\n",
        "reservations: {r: {instance_type: 8xh100, quantity: 2, start_time_utc: '2026-11-23T12:00:00Z', duration_hours: 48}}\n",
    ),
    "swap": (SWAP % ("v", "w"), SWAP % ("w", "v")),
}
WORLDS = {
    "plain": {},
    "keys honoured": {"honour_idempotency_key": True},
    "lists lag": {"list_lag_s": 4.0},
    "names unique, volumes held": {"unique_bid_names": True, "release_lag_s": 20.0, "in_use_status": 409},
}


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    """A folder that is quick to sync where there is one."""
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=fast if fast.is_dir() else None) as name:
        yield Path(name)


class Scene:
    """A scene in a world: ready to be run from its start, again and again."""

    def __init__(self, room: Path, name: str, rules: dict[str, Any]) -> None:
        self.room = Path(tempfile.mkdtemp(dir=room))
        before, after = SCENES[name]
        self.mode = Mode.DESTROY if after is None else Mode.NORMAL
        self.stack = after if isinstance(after, Stack) else stack(after or before or "")
        self.start = World(self.room / "start", rules)
        self.start.home.mkdir()
        self.start.sandbox().close()
        self.start.elapsed += 100.0
        if before:
            result = self.start.apply(stack(before))
            assert result is not None and result.ok, result
            self.start.elapsed += 100.0
        self.runs = 0
        self.uncut = self.world()
        self.whole = Knife()
        result = self.uncut.apply(self.stack, self.mode, self.whole)
        assert result is not None and result.ok, result
        assert self.uncut.plan(self.stack, self.mode).is_empty
        self.picture = self.uncut.picture()

    def world(self) -> World:
        self.runs += 1
        return self.start.copy(self.room / f"run{self.runs}")

    def converges(self, world: World, said: object = "") -> None:
        """The next apply reaches what the undisturbed run reached."""
        result = world.apply(self.stack, self.mode)
        assert result is not None and result.ok, (said, result)
        again = world.plan(self.stack, self.mode)
        assert again.is_empty, (
            said,
            [(str(c.address), c.action, c.reasons) for c in again.changes],
            again.interrupted,
        )
        assert world.picture() == self.picture, said
        assert world.unfinished() == [] and world.snapshot().verify() == []
        shutil.rmtree(world.home)


@pytest.fixture(scope="module")
def scenes(room: Path) -> Any:
    known: dict[tuple[str, str], Scene] = {}

    def scene(name: str, rules: str) -> Scene:
        if (name, rules) not in known:
            known[name, rules] = Scene(room, name, WORLDS[rules])
        return known[name, rules]

    return scene


@pytest.mark.parametrize("name", SCENES)
def test_an_undisturbed_run_leaves_one_object_for_each_address(scenes: Any, name: str) -> None:
    scene = scenes(name, "plain")
    owners = [owner for owner, _, _ in scene.picture["live"]]
    assert len(owners) == len(set(owners)) and not [o for o in owners if o.startswith("orphan")]
    assert {o.strip("<>") for o in owners} <= set(scene.picture["records"])


@pytest.mark.parametrize("rules", WORLDS)
@pytest.mark.parametrize("name", SCENES)
def test_a_run_cut_anywhere_is_finished_by_the_next(scenes: Any, name: str, rules: str) -> None:
    scene = scenes(name, rules)
    every = {"plain": 2, "lists lag": 3}.get(rules, 5)
    for cut in range(1, scene.whole.passed + 1, every):
        world, knife = scene.world(), Knife(cut=cut)
        assert world.apply(scene.stack, scene.mode, knife) is None
        scene.converges(world, (cut, knife.where))


@pytest.mark.parametrize("rules", WORLDS)
@pytest.mark.parametrize("weather", ["lost answer", "lost request", 3.0])
@pytest.mark.parametrize("name", SCENES)
def test_a_message_that_is_lost_or_late_changes_nothing_in_the_end(
    scenes: Any, name: str, rules: str, weather: str | float
) -> None:
    scene = scenes(name, rules)
    for number in range(1, scene.whole.requests + 1):
        world, knife = scene.world(), Knife(weather={number: weather})
        result = world.apply(scene.stack, scene.mode, knife)
        # A reservation is bought once at most in a run, whatever the lists say: the next run looks again.
        is_unsure = "reservation" in str(result) and result is not None and result.exit_code == 9
        assert result is not None and (result.ok or is_unsure), (number, weather, result)
        scene.converges(world, (number, weather))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_storms_and_power_cuts_together(scenes: Any, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SCENES)))
    scene = scenes(name, data.draw(st.sampled_from(sorted(WORLDS))))
    world = scene.world()
    for _ in range(data.draw(st.integers(1, 3))):
        knife = Knife(
            cut=data.draw(st.integers(1, scene.whole.passed + 4)),
            weather=data.draw(
                st.dictionaries(
                    st.integers(1, scene.whole.requests + 2),
                    st.sampled_from(["lost answer", "lost request"]),
                    max_size=3,
                )
            ),
        )
        if world.apply(scene.stack, scene.mode, knife, data.draw(st.sampled_from([1, 8]))) is not None:
            break
    scene.converges(world, knife)


def test_a_cut_stops_everything(room: Path) -> None:
    knife = Knife(cut=1)
    with pytest.raises(CutOff):
        knife.boundary("one")
    with pytest.raises(CutOff):
        knife.boundary("two")
    assert Address.parse("task.a")
