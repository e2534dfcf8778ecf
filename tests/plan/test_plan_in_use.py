"""What the plan leaves alone keeps its volumes: none is destroyed under it, and no second one takes a block volume."""

from __future__ import annotations

import pytest
from attrs import evolve
from plan_builders import NOW, actions, make, observe, recorded, stack, task, volume

from flowplan.plan.change import StepKind
from flowplan.plan.holders import kept_volumes
from flowplan.plan.observation import Observed
from flowplan.plan.observe import with_lately
from flowplan.values.address import Kind

MOUNTS = "volumes: [{volume: '{{ volume.v }}', mount_path: /v}]"
KEPT = f"volumes: {{v: {volume()}}}\ntasks: {{a: {task(MOUNTS + ', lifecycle: {on_remove: retain}')}}}"
PLAIN = f"volumes: {{v: {volume()}}}\ntasks: {{a: {task(MOUNTS)}}}"


@pytest.mark.parametrize("looks", [True, False])
def test_a_task_that_is_let_go_keeps_its_volume(looks: bool) -> None:
    before = recorded(stack(KEPT))
    made = make(stack(""), before, observe(before) if looks else None)
    assert actions(made) == {"volume.v": "delete", "task.a": "forget"}
    (problem,) = [one for one in made.diagnostics if "cannot be destroyed" in one.summary]
    assert problem.is_error and problem.summary == "volume.v cannot be destroyed while task.a uses it"
    assert "on_remove: retain" in problem.suggestion


def test_a_task_that_goes_too_is_no_hindrance() -> None:
    before = recorded(stack(PLAIN))
    assert "cannot be destroyed" not in str(
        [one.summary for one in make(stack(""), before, observe(before)).diagnostics]
    )


def test_a_task_that_ended_is_no_hindrance() -> None:
    before = recorded(stack(KEPT))
    made = make(stack(""), before, observe(before, lost=["task.a"]))
    assert "cannot be destroyed" not in str([one.summary for one in made.diagnostics])


def test_a_task_that_lets_go_of_it_is_no_hindrance() -> None:
    before = recorded(stack(PLAIN))
    made = make(stack(f"tasks: {{a: {task()}}}"), before, observe(before))
    assert actions(made)["volume.v"] == "delete"
    assert "cannot be destroyed" not in str([one.summary for one in made.diagnostics])


def test_somebody_elses_task_is_named() -> None:
    before = recorded(stack(PLAIN))
    held = before.records[next(a for a in before.records if a.kind is Kind.VOLUME)].id
    other = Observed(Kind.TASK, "bid_other", "theirs", True, {"volume_ids": [held], "status": "running"}, NOW)
    made = make(stack(""), before, observe(before, foreign=[other]))
    (problem,) = [one for one in made.diagnostics if "cannot be destroyed" in one.summary]
    assert "theirs" in problem.summary and "bid_other" in problem.detail


BLOCK = f"volumes: {{v: {volume().replace('file', 'block')}}}\ntasks: {{%s}}"


def taken(made: object) -> list[str]:
    return [one.summary for one in made.diagnostics if "cannot use" in one.summary]  # type: ignore[attr-defined]


@pytest.mark.parametrize("looks", [True, False])
def test_a_block_volume_of_a_task_that_is_let_go_is_not_taken(looks: bool) -> None:
    """Found by the planning soak: the provider would have refused the second one, in the midst of the apply."""
    before = recorded(stack(BLOCK % f"a: {task(MOUNTS + ', lifecycle: {on_remove: retain}')}"))
    made = make(stack(BLOCK % f"b: {task(MOUNTS)}"), before, observe(before) if looks else None)
    assert taken(made) == ["task.b cannot use volume.v while task.a does"]


@pytest.mark.parametrize("kind", [Kind.TASK, Kind.RESERVATION])
def test_a_block_volume_that_somebody_else_uses_is_not_taken(kind: Kind) -> None:
    before = recorded(stack(BLOCK % ""))
    (held,) = [record.id for record in before.records.values()]
    other = Observed(kind, "other_1", "theirs", True, {"volume_ids": [held], "status": "running"}, NOW)
    wanted = stack(BLOCK % f"b: {task(MOUNTS)}")
    made = make(wanted, before, observe(before, foreign=[other]))
    assert taken(made) == [f"task.b cannot use volume.v while the {kind.value} theirs does"]
    gone = Observed(kind, "other_1", "theirs", False, {"volume_ids": [held], "status": "cancelled"}, NOW)
    assert taken(make(wanted, before, observe(before, foreign=[gone]))) == []


def test_a_block_volume_changes_hands_within_a_stack() -> None:
    before = recorded(stack(BLOCK % f"a: {task(MOUNTS)}"))
    for tasks in (
        f"b: {task(MOUNTS)}",
        f"a: {task()}, b: {task(MOUNTS)}",
        f"a: {task(MOUNTS + ', env: {A: x}')}",
    ):
        assert taken(make(stack(BLOCK % tasks), before, observe(before))) == []


def test_what_was_deleted_or_detached_a_moment_ago_is_no_hindrance_though_a_list_shows_it() -> None:
    before = recorded(stack(PLAIN))
    held = before.records[next(a for a in before.records if a.kind is Kind.VOLUME)].id
    gone = Observed(Kind.TASK, "bid_gone", "gone", True, {"volume_ids": [held], "status": "running"}, NOW)
    left = Observed(Kind.RESERVATION, "res_left", "left", True, {"volume_ids": [held]}, NOW)
    seen = observe(before, foreign=[gone, left])
    problems = [one.summary for one in make(stack(""), before, seen).diagnostics]
    assert sum("cannot be destroyed" in one for one in problems) == 2
    lately = {(Kind.TASK, "bid_gone"): None, (Kind.RESERVATION, "res_left"): {"volume_ids": []}}
    before = evolve(before, lately=lately)
    problems = [one.summary for one in make(stack(""), before, with_lately(seen, before)).diagnostics]
    assert not any("cannot be destroyed" in one for one in problems)


def test_what_is_on_record_is_left_as_it_is_seen() -> None:
    before = recorded(stack(PLAIN))
    (key,) = [(a.kind, r.id) for a, r in before.records.items() if a.kind is Kind.TASK]
    before = evolve(before, lately={key: {"limit_price": 9.0}})
    seen = observe(before, drift={"task.a": {"limit_price": 4.0}})
    assert with_lately(seen, before) is seen
    assert actions(make(stack(PLAIN), before, with_lately(seen, before))) == {"task.a": "update"}


@pytest.mark.parametrize(
    ("recorded_ids", "seen_ids", "kept"),
    [
        (["vol_v", "vol_w"], ["vol_v", "vol_w"], ["vol_w"]),
        (["vol_v"], ["vol_v", "vol_theirs"], ["vol_theirs"]),
        (["vol_v", "vol_w"], ["vol_v"], []),
        (["vol_v"], ["vol_v", "vol_w"], []),
    ],
    ids=["as it is", "what is another's", "what another hand took away", "what was just detached"],
)
def test_what_a_forgotten_reservation_goes_on_holding(
    recorded_ids: list[str], seen_ids: list[str], kept: list[str]
) -> None:
    held = (
        "{instance_type: 8xh100, start_time_utc: 2026-12-01T00:00:00Z, duration_hours: 24, "
        "volumes: ['{{ volume.v }}']}"
    )
    before = recorded(stack(f"volumes: {{v: {volume()}, w: {volume()}}}\nreservations: {{r: {held}}}"))
    records = {
        a: evolve(r, attributes={**r.attributes, "volume_ids": recorded_ids})
        if a.kind is Kind.RESERVATION
        else r
        for a, r in before.records.items()
    }
    before = evolve(before, records=records)
    seen = observe(before, drift={"reservation.r": {"volume_ids": seen_ids}})
    made = make(stack(f"volumes: {{w: {volume()}}}"), before, seen)
    (change,) = [one for one in made.changes if one.kind is Kind.RESERVATION]
    assert change.update == {"volume_ids": kept} and kept_volumes(change) == kept
    assert [s.id for s in made.steps if s.kind is StepKind.DETACH] == ["detach reservation.r"]
