"""The fast share of the crash laws; ten thousand schedules and more: ``python -m benchmarks.soak_crash``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from attrs import evolve
from fault_world import Knife
from faulty_line import Past, Sent
from law_world import LawWorld
from plan_builders import stack, task, volume
from schedules import MODES, Case, Tally, Unfit, Violation

from flowplan.apply.looking import free
from flowplan.apply.run import Run
from flowplan.plan.change import Mode, Plan
from flowplan.plan.observation import Observation, Observed
from flowplan.plan.observe import ours, settle_on_paper
from flowplan.values.address import Kind

_STACKS = {mode: list(range(number, 44, 4)) for number, mode in enumerate(MODES)}
_EACH = 4


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder that is quick to sync where there is one."""
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=fast if fast.is_dir() else None) as name:
        yield Path(name)


@pytest.mark.parametrize("mode", MODES)
def test_random_stacks_under_random_faults_end_as_if_nothing_had_happened(room: Path, mode: str) -> None:
    tally = Tally()
    for seed in _STACKS[mode]:
        try:
            case = Case(room, seed, mode)
        except Unfit:
            tally.unfit += 1
            continue
        for number in range(_EACH):
            case.run(number, tally)
        case.close()
    assert tally.schedules >= 30 and tally.cuts >= 20 and tally.weather >= 5 and tally.recoveries_cut >= 1
    assert tally.unfit <= 5


def opened(room: Path, lag_s: float = 0.0) -> LawWorld:
    """An empty world whose lists have caught up."""
    world = LawWorld(room / "world", lag_s=lag_s)
    world.home.mkdir()
    world.sandbox().close()
    world.elapsed += 100.0
    return world


@pytest.mark.parametrize(
    ("seed", "number"),
    [
        # Recovery had taken a volume off a reservation, and the list that lagged showed it attached yet.
        (106, 21),
        (106, 24),
        (1022, 24),
        # A completed task had been taken off a volume that was to be destroyed, and the list lagged.
        (20194, 3),
        # Capacity had been given back by the run before, and the list lagged.
        (40010, 22),
        # A gateway said it was bad, and had passed the request on; then it was so, and not on record.
        (40154, 14),
    ],
)
def test_schedules_that_the_soak_found(room: Path, seed: int, number: int) -> None:
    case = Case(room, seed, list(MODES)[seed % len(MODES)])
    case.run(number, Tally())
    case.close()


def test_capacity_is_given_back_once_though_lists_go_on_showing_it(room: Path) -> None:
    """Asked again, the provider would not find the instances: an undisturbed apply failed."""
    world = opened(room, lag_s=4.0)
    text = (
        "reservations: {r: {instance_type: 8xh100, quantity: %d, start_time_utc: '2026-11-23T12:00:00Z', "
        "duration_hours: 24}}"
    )
    assert world.apply(stack(text % 3)).ok
    world.elapsed += 100.0
    assert world.plan(stack(text % 2)).changes, "there is something to give back"
    result = world.apply(stack(text % 2))
    assert result.ok, result
    world.elapsed += 100.0
    assert world.plan(stack(text % 2)).is_empty


def test_a_task_is_not_interrupted_again_for_a_list_that_lags(room: Path) -> None:
    """Its volume was taken off, for which it was paused; an apply right after it read the list as drift."""
    world = opened(room, lag_s=4.0)
    mounts = "volumes: [{volume: '{{ volume.v }}', mount_path: /v}]"
    assert world.apply(stack(f"volumes: {{v: {volume()}}}\ntasks: {{a: {task(mounts)}}}")).ok
    world.elapsed += 100.0
    bare = stack(f"volumes: {{v: {volume()}}}\ntasks: {{a: {task()}}}")
    first, again = Knife(), Knife()
    assert world.apply(bare, knife=first).ok and world.apply(bare, knife=again).ok
    assert first.requests == 3 and again.requests == 0


def test_a_destroy_goes_on_at_once_though_lists_go_on_showing_what_is_gone(room: Path) -> None:
    """Killed once the task was deleted; the list shows it with the volume, and no record of it is left."""
    world = opened(room, lag_s=4.0)
    mounts = "volumes: [{volume: '{{ volume.v }}', mount_path: /v}]"
    desired = stack(f"volumes: {{v: {volume()}}}\ntasks: {{a: {task(mounts)}}}")
    assert world.apply(desired).ok
    world.elapsed += 100.0
    for cut in range(1, 60):
        one, knife = world.fresh(room / f"cut{cut}", cut), Knife(cut)
        if one.apply(desired, Mode.DESTROY, knife=knife, parallelism=1) is not None:
            break
        left = sorted(str(address) for address in one.snapshot().records)
        is_between = left == ["volume.v"] and not one.unfinished()
        result = one.apply(desired, Mode.DESTROY)
        assert result.ok, (knife.where, result)
        if is_between:
            break
    assert is_between and not one.snapshot().records


def test_an_object_that_was_deleted_is_never_taken_for_a_new_one_of_its_name(room: Path) -> None:
    """Not even where a list that lags shows it only now, as one that was not there when the creation began."""
    world = opened(room)
    desired = stack(f"volumes: {{v: {volume('name: one')}}}")
    assert world.apply(desired).ok
    (dead,) = world.snapshot().records.values()
    assert world.apply(desired, Mode.DESTROY).ok
    for cut in range(1, 30):
        one, knife = world.fresh(room / f"cut{cut}", cut), Knife(cut)
        if one.apply(desired, knife=knife) is None and knife.where.startswith("before POST"):
            break
    (entry,) = one.unfinished()
    seen = Observed(Kind.VOLUME, dead.id, dead.name, True, dead.attributes, dead.created_at)
    assert ours(evolve(entry, seen=()), [seen]) == [seen], "by its looks it could be"
    settled, told = settle_on_paper(
        one.snapshot(), [evolve(entry, seen=())], Observation("p", {(Kind.VOLUME, dead.id): seen})
    )
    assert not settled.records and "not found" in told[0].outlook
    ports = [
        "id",
        "stack",
        "provider",
        "writer",
        "clock",
        "reporter",
        "access",
        "new_suffix",
        "read_code",
        "settings",
    ]
    run = Run.of(Plan("s", Mode.NORMAL, "", 0), one.snapshot(), **dict.fromkeys(ports))
    assert free(run, [seen]) == []


def test_what_recovery_has_done_is_not_done_again_for_a_list_that_lags(room: Path) -> None:
    world = opened(room, lag_s=4.0)
    dear = f"tasks: {{a: {task().replace('3.0', '4.0')}}}"
    assert world.apply(stack(f"tasks: {{a: {task()}}}")).ok
    world.elapsed += 100.0
    for cut in range(1, 30):
        one, knife = world.fresh(room / f"cut{cut}", cut), Knife(cut)
        if one.apply(stack(dear), knife=knife) is None and knife.where.startswith("before PATCH"):
            break
    one.elapsed += 100.0
    knife = Knife()
    assert one.apply(stack(dear), knife=knife).ok
    assert knife.requests == 1, "recovery sends it, and the apply after it nothing"


def test_every_boundary_of_one_run_is_reached(room: Path) -> None:
    """Each kind of boundary exists, and a cut at each one of them is survived."""
    case = next(
        case
        for seed in range(100)
        if (case := _case(room, seed)) is not None
        and case.pair.before is not None
        and case.uncut.requests > 5
        and case.uncut.passed < 60
    )
    seen = set()
    for cut in range(1, case.uncut.passed + 1):
        world = case.start.fresh(case.home / f"cut{cut}", cut)
        knife = Knife(cut)
        if world.apply(case.pair.after, case.pair.mode, knife=knife, parallelism=1) is None:
            seen.add(
                knife.where.partition(" /")[0].partition(", before")[0].rpartition(" T")[0] or knife.where
            )
        case.converges(world)
    words = " ".join(seen)
    for boundary in ("before a transaction", "in a transaction", "after a transaction", "is sent"):
        assert any(boundary in where for where in seen) or boundary in words, (boundary, seen)


def _case(room: Path, seed: int) -> Case | None:
    try:
        return Case(room, seed, next(iter(MODES)))
    except Unfit:
        return None


# -- the watchers themselves can fail


@pytest.fixture
def world(room: Path) -> LawWorld:
    made = LawWorld(room / "world")
    made.home.mkdir()
    made.sandbox().close()
    made.elapsed += 100.0
    return made


def test_a_request_without_an_intent_on_disk_is_noticed(
    world: LawWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowplan.backend.writer import SqliteWriter

    monkeypatch.setattr(SqliteWriter, "begin", lambda self, entry: 7)
    monkeypatch.setattr(SqliteWriter, "begin_all", lambda self, entries: [7 for _ in entries])
    with pytest.raises(BaseException, match="with no intent on disk"):
        world.apply(stack(f"volumes: {{v: {volume()}}}"))


def test_a_request_that_is_sent_again_without_a_look_is_noticed(
    world: LawWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowplan.apply import operations

    async def blind(*given: object) -> None:
        return None

    monkeypatch.setattr(operations, "_resolve_create", blind)
    with pytest.raises(AssertionError, match="sent again without a look"):
        world.apply(stack(f"tasks: {{a: {task()}}}"), knife=Knife(weather={1: "lost request"}))


def test_a_run_that_does_not_settle_what_another_left_is_noticed(
    world: LawWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fault_world

    desired = stack(f"tasks: {{a: {task()}, b: {task()}}}")
    knife = Knife(cut=0)
    assert world.copy(world.home.parent / "other").apply(desired, knife=knife) is not None
    for cut in range(1, knife.passed):
        one = world.fresh(world.home.parent / f"cut{cut}", cut)
        knife = Knife(cut)
        assert one.apply(desired, knife=knife) is None
        if knife.where.startswith("before POST"):
            break

    async def nothing(run: object, unfinished: object) -> list[object]:
        return []

    monkeypatch.setattr(fault_world, "recover", nothing)
    with pytest.raises(AssertionError, match="was not settled"):
        one.apply(desired)


def test_a_schedule_that_fails_says_how_to_see_it_again(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for seed in range(100) if (case := _case(room, seed)) is not None)
    case.picture = {"records": {}, "live": [], "outputs": {}}
    with pytest.raises(Violation) as told:
        case.run(3, Tally())
    words = str(told.value)
    assert f"seed {case.seed}, schedule 3" in words and "after:" in words and "Attempt(" in words
    assert case.attempts(3) == case.attempts(3), "a schedule is the same each time"


def test_lists_that_lag_show_what_was(world: LawWorld) -> None:
    sent = Sent("POST", "/v2/volumes", "", {}, b'{"name": "x"}')
    assert sent.target == "volume x"
    past = Past(lag_s=4.0)
    past.listed["/v2/volumes"] = [(10.0, ["old"]), (12.0, ["newer"])]
    assert [past.shown("/v2/volumes", at) for at in (11.0, 15.0, 17.0)] == [["old"], ["newer"], None]
    assert Random("a").random() == Random("a").random()
