"""What a plan does, as a table: before, edit, what was observed, and the exact actions, reasons and steps."""

from __future__ import annotations

import pytest
from plan_builders import (
    NOW,
    REGION,
    actions,
    begun,
    changed,
    make,
    observe,
    recorded,
    stack,
    steps,
    task,
    volume,
)
from plan_cases import ALL, GONE, NEW, REMOVED, Case, check_case

from flowplan.plan.change import Mode
from flowplan.plan.observation import Observed, Offer
from flowplan.state.journal import Operation
from flowplan.values.address import Kind

MOUNT = "volumes: [{volume: '{{ volume.v }}', mount_path: /v}]"
TWO = "volumes: [{volume: '{{ volume.v }}', mount_path: /v}, {volume: '{{ volume.w }}', mount_path: /w}]"
V, W, A = f"v: {volume()}", f"w: {volume()}", f"a: {task()}"
MOUNTED = f"volumes: {{{V}}}\ntasks: {{a: {task(MOUNT)}}}"
BOTH = f"volumes: {{{V}, {W}}}\ntasks: {{a: {task(TWO)}}}"
ONLY_V = f"volumes: {{{V}, {W}}}\ntasks: {{a: {task(MOUNT)}}}"
RES = "reservations: {r: {instance_type: 8xh100, start_time_utc: 2026-12-01T00:00:00Z, duration_hours: %d}}"
DONE = {"task.a": {"exit_code": 0}}
AFTER = "tasks: {a: " + task() + ", b: " + task("depends_on: {task.a: %s}") + "}"
OFFERS = (
    Offer("8xh100", REGION, "it_8", 4, 900, 8, 80),
    Offer("a100", REGION, "it_1", 4, 100, 1, 80),
    Offer("h200", "elsewhere", "it_2", 4, 50, 1, 141),
)
MEMORY = "tasks: {a: {command: hi, min_gpu_memory_gb: %d, max_price_per_hour: 20.0, upload_code: false}}"


def after(condition: str) -> str:
    return AFTER % condition


CASES = {
    "a first volume": Case(
        None, f"volumes: {{{V}}}", {"volume.v": "create"}, {"volume.v": (NEW,)}, ["create volume.v"]
    ),
    "a task after its volume": Case(
        None, MOUNTED, {"volume.v": "create", "task.a": "create"}, {}, ["create volume.v", "create task.a"]
    ),
    "nothing to do": Case(MOUNTED, MOUNTED, steps=[]),
    "nothing to do, unrefreshed": Case(MOUNTED, MOUNTED, see=None, steps=[]),
    "a price in place": Case(
        f"tasks: {{{A}}}",
        f"tasks: {{a: {task().replace('3.0', '4.0')}}}",
        {"task.a": "update"},
        {"task.a": ("max_price_per_hour changed in the stack",)},
        ["update task.a"],
    ),
    "an image replaces": Case(
        f"tasks: {{{A}}}",
        f"tasks: {{a: {task('image: other')}}}",
        {"task.a": "replace"},
        {"task.a": ("image changed, which forces replacement",)},
        ["delete task.a", "create task.a"],
    ),
    "a command replaces": Case(
        f"tasks: {{{A}}}", f"tasks: {{a: {task().replace('echo hi', 'echo ho')}}}", {"task.a": "replace"}
    ),
    "more nodes replace": Case(
        f"tasks: {{{A}}}", f"tasks: {{a: {task('num_instances: 2')}}}", {"task.a": "replace"}
    ),
    "a hint is only recorded": Case(
        f"tasks: {{{A}}}",
        f"tasks: {{a: {task('deadline_hours: 5')}}}",
        {"task.a": "update"},
        {"task.a": ("deadline_hours changed in the stack",)},
    ),
    "detach in place": Case(
        BOTH, ONLY_V, {"task.a": "update"}, {"task.a": ("volumes changed in the stack",)}, ["update task.a"]
    ),
    "attach replaces": Case(
        ONLY_V, BOTH, {"task.a": "replace"}, {"task.a": ("volumes changed, which forces replacement",)}
    ),
    "another mount path replaces": Case(
        MOUNTED, MOUNTED.replace("mount_path: /v", "mount_path: /other"), {"task.a": "replace"}
    ),
    "detach and delete": Case(
        BOTH,
        MOUNTED,
        {"task.a": "update", "volume.w": "delete"},
        {"volume.w": (REMOVED,)},
        ["update task.a", "delete volume.w"],
        asked=ALL,
    ),
    "a volume renamed in place": Case(
        f"volumes: {{{V}}}",
        f"volumes: {{v: {volume('name: other')}}}",
        {"volume.v": "update"},
        {"volume.v": ("name changed in the stack", "mount_path changed in the stack")},
    ),
    "a size replaces": Case(
        f"volumes: {{{V}}}",
        f"volumes: {{v: {volume().replace('10', '20')}}}",
        {"volume.v": "replace"},
        {"volume.v": ("size_gb changed, which forces replacement",)},
        ["delete volume.v", "create volume.v"],
        asked=ALL,
    ),
    "a replaced volume takes its task along": Case(
        MOUNTED,
        MOUNTED.replace("size_gb: 10", "size_gb: 20"),
        {"volume.v": "replace", "task.a": "replace"},
        {"task.a": ("volumes changed, which forces replacement",)},
        ["delete task.a", "delete volume.v", "create volume.v", "create task.a"],
        asked=ALL,
    ),
    "a removed task": Case(
        f"tasks: {{{A}}}", "tasks: {}", {"task.a": "delete"}, {"task.a": (REMOVED,)}, ["delete task.a"]
    ),
    "a removed stack goes from the end": Case(
        MOUNTED,
        "tasks: {}",
        {"task.a": "delete", "volume.v": "delete"},
        {},
        ["delete task.a", "delete volume.v"],
        asked=ALL,
    ),
    "when false removes": Case(
        f"tasks: {{{A}}}", f"tasks: {{a: {task('when: false')}}}", {"task.a": "delete"}
    ),
    "destroy goes from the end": Case(
        after("created").replace("tasks:", f"volumes: {{{V}}}\ntasks:"),
        after("created").replace("tasks:", f"volumes: {{{V}}}\ntasks:"),
        {"volume.v": "delete", "task.a": "delete", "task.b": "delete"},
        {"task.a": ("everything is being destroyed",)},
        ["delete volume.v", "delete task.b", "delete task.a"],
        destroy=True,
    ),
    "destroy of nothing": Case(None, MOUNTED, steps=[], destroy=True),
    "destroy refuses the protected": Case(
        f"volumes: {{v: {volume('lifecycle: {prevent_destroy: true}')}}}",
        f"volumes: {{v: {volume('lifecycle: {prevent_destroy: true}')}}}",
        {"volume.v": "delete"},
        errors=("volume.v is protected from being destroyed",),
        destroy=True,
    ),
    "protection outlives its block": Case(
        f"volumes: {{v: {volume('lifecycle: {prevent_destroy: true}')}}}",
        "tasks: {}",
        {"volume.v": "delete"},
        errors=("volume.v is protected from being destroyed",),
    ),
    "protection is put on record": Case(
        f"volumes: {{{V}}}",
        f"volumes: {{v: {volume('lifecycle: {prevent_destroy: true}')}}}",
        {"volume.v": "update"},
        {"volume.v": ("prevent_destroy was turned on",)},
    ),
    "ignored changes": Case(
        f"tasks: {{{A}}}",
        f"tasks: {{a: {task('image: other, lifecycle: {ignore_changes: [image]}')}}}",
        steps=[],
    ),
    "an ignored price does not drift": Case(
        f"tasks: {{a: {task('lifecycle: {ignore_changes: [max_price_per_hour]}')}}}",
        f"tasks: {{a: {task('lifecycle: {ignore_changes: [max_price_per_hour]}')}}}",
        see={"drift": {"task.a": {"limit_price": 9.0}}},
        steps=[],
    ),
    "a price changed by another hand": Case(
        f"tasks: {{{A}}}",
        f"tasks: {{{A}}}",
        {"task.a": "update"},
        {"task.a": ("limit_price was changed outside of flowplan",)},
        see={"drift": {"task.a": {"limit_price": 9.0}}},
    ),
    "our change covers the drift": Case(
        f"tasks: {{{A}}}",
        f"tasks: {{a: {task().replace('3.0', '9.0')}}}",
        {"task.a": "update"},
        {"task.a": ("max_price_per_hour changed in the stack (already so at the provider)",)},
        see={"drift": {"task.a": {"limit_price": 9.0}}},
    ),
    "a lost task is made again": Case(
        f"tasks: {{{A}}}",
        f"tasks: {{{A}}}",
        {"task.a": "create"},
        {"task.a": (GONE,)},
        ["create task.a"],
        see={"lost": ["task.a"]},
    ),
    "a lost task may be kept": Case(
        f"tasks: {{a: {task('lifecycle: {on_lost: keep}')}}}",
        f"tasks: {{a: {task('lifecycle: {on_lost: keep}')}}}",
        see={"lost": ["task.a"]},
        steps=[],
    ),
    "a lost task may be an error": Case(
        f"tasks: {{a: {task('lifecycle: {on_lost: fail}')}}}",
        f"tasks: {{a: {task('lifecycle: {on_lost: fail}')}}}",
        see={"lost": ["task.a"]},
        errors=("task.a was lost",),
    ),
    "a lost volume takes its task along": Case(
        MOUNTED,
        MOUNTED,
        {"volume.v": "create", "task.a": "replace"},
        {"volume.v": (GONE,)},
        ["create volume.v", "delete task.a", "create task.a"],
        see={"gone": ["volume.v"]},
    ),
    "what was lost and is not wanted is forgotten": Case(
        f"tasks: {{{A}}}",
        "tasks: {}",
        {"task.a": "forget"},
        {"task.a": (REMOVED, GONE)},
        ["forget task.a"],
        see={"lost": ["task.a"]},
    ),
    "not looking loses nothing": Case(f"tasks: {{{A}}}", f"tasks: {{{A}}}", see=None, steps=[]),
    "a completed task is satisfied": Case(
        f"tasks: {{{A}}}", f"tasks: {{{A}}}", see={"lost": ["task.a"], "completions": DONE}, steps=[]
    ),
    "a completed task runs again on change": Case(
        f"tasks: {{{A}}}",
        f"tasks: {{a: {task('image: other')}}}",
        {"task.a": "create"},
        {"task.a": ("image changed, so the completed task runs again",)},
        ["create task.a"],
        see={"lost": ["task.a"], "completions": DONE},
    ),
    "a completed task that still has machines is replaced": Case(
        f"tasks: {{{A}}}",
        f"tasks: {{a: {task('image: other')}}}",
        {"task.a": "replace"},
        see={"completions": DONE},
    ),
    "rerun never": Case(
        f"tasks: {{{A}}}",
        f"tasks: {{a: {task('image: other, lifecycle: {rerun: never}')}}}",
        see={"lost": ["task.a"], "completions": DONE},
        steps=[],
    ),
    "rerun always": Case(
        f"tasks: {{{A}}}",
        f"tasks: {{a: {task('lifecycle: {rerun: always}')}}}",
        {"task.a": "create"},
        {"task.a": ("lifecycle.rerun is always",)},
        see={"lost": ["task.a"], "completions": DONE},
    ),
    "an ended reservation is over": Case(RES % 24, RES % 24, see={"lost": ["reservation.r"]}, steps=[]),
    "a longer reservation is extended": Case(
        RES % 24,
        RES % 48,
        {"reservation.r": "update"},
        {"reservation.r": ("duration_hours changed in the stack",)},
    ),
    "a shorter reservation is refused": Case(
        RES % 48,
        RES % 24,
        {"reservation.r": "update"},
        errors=("reservation.r: duration_hours cannot be changed",),
    ),
    "another quantity is refused": Case(
        RES % 48,
        (RES % 48).replace("duration", "quantity: 2, duration"),
        {"reservation.r": "update"},
        errors=("reservation.r: quantity cannot be changed",),
    ),
    "a removed reservation is forgotten": Case(
        RES % 24,
        "tasks: {}",
        {"reservation.r": "forget"},
        {"reservation.r": (REMOVED,)},
        ["forget reservation.r"],
        warnings=("reservation.r cannot be cancelled",),
        asked=ALL,
    ),
    "an output alone": Case("tasks: {}", "outputs: {o: {value: 1}}", steps=[], outputs={"o": "create"}),
    "an output changed": Case(
        "outputs: {o: {value: 1}}", "outputs: {o: {value: 2}}", steps=[], outputs={"o": "update"}
    ),
    "an output removed": Case("outputs: {o: {value: 1}}", "tasks: {}", steps=[], outputs={"o": "delete"}),
    "an output not known yet": Case(
        None,
        MOUNTED + "\noutputs: {o: {value: '{{ volume.v.volume_id }}'}}",
        {"volume.v": "create", "task.a": "create"},
        outputs={"o": "create"},
    ),
    "a sensitive output settles": Case(
        "outputs: {o: {value: 1, sensitive: true}}", "outputs: {o: {value: 1, sensitive: true}}", steps=[]
    ),
    "a sensitive output changes": Case(
        "outputs: {o: {value: 1, sensitive: true}}",
        "outputs: {o: {value: 2, sensitive: true}}",
        steps=[],
        outputs={"o": "update"},
    ),
    "an output turned sensitive": Case(
        "outputs: {o: {value: 1}}",
        "outputs: {o: {value: 1, sensitive: true}}",
        steps=[],
        outputs={"o": "update"},
    ),
    "the cheapest that has the memory": Case(None, MEMORY % 80, {"task.a": "create"}, see={"offers": OFFERS}),
    "no offer has the memory": Case(
        None, MEMORY % 500, {"task.a": "create"}, see={"offers": OFFERS}, errors=("task.a cannot be placed",)
    ),
    "no tier, no price": Case(
        None,
        "tasks: {a: {command: hi, instance_type: it_whatever, upload_code: false}}",
        {"task.a": "create"},
        errors=("task.a has no price",),
    ),
    "a volume elsewhere": Case(
        None,
        f"volumes: {{{V}}}\ntasks: {{a: {task(MOUNT + ', region: eu-central1-a')}}}",
        {"volume.v": "create", "task.a": "create"},
        errors=("task.a and volume.v are in different regions",),
    ),
    "two volumes of one name": Case(
        None,
        f"volumes: {{v: {volume('name: one')}, w: {volume('name: one')}}}",
        {"volume.v": "create", "volume.w": "create"},
        errors=("volume.v and volume.w have the same name",),
    ),
    "two tasks of one plain name": Case(
        None,
        f"tasks: {{a: {task('name: one, unique_name: false')}, b: {task('name: one, unique_name: false')}}}",
        {"task.a": "create", "task.b": "create"},
        errors=("task.a and task.b have the same name",),
    ),
    "a stranger has the name": Case(
        None,
        f"volumes: {{v: {volume('name: one')}}}",
        {"volume.v": "create"},
        errors=("A volume named 'one' already exists",),
        see={"foreign": [Observed(Kind.VOLUME, "vol_x", "one", True, {}, NOW)]},
    ),
    "another project": Case(
        f"tasks: {{{A}}}",
        "tasks: {}",
        see={"project": "proj_2"},
        steps=[],
        errors=("Stack s is recorded in another project",),
    ),
    "wait for running": Case(
        None,
        after("running"),
        {"task.a": "create", "task.b": "create"},
        {},
        ["create task.a", "await task.a running", "create task.b"],
    ),
    "wait for completed": Case(
        None,
        after("completed"),
        {"task.a": "create", "task.b": "create"},
        {},
        ["create task.a", "await task.a completed", "create task.b"],
    ),
    "depends_on means created": Case(
        None,
        after("created"),
        {"task.a": "create", "task.b": "create"},
        {},
        ["create task.a", "create task.b"],
    ),
    "instances of for_each": Case(
        None,
        f"tasks: {{a: {task('for_each: [x, y]')}}}",
        {'task.a["x"]': "create", 'task.a["y"]': "create"},
        {},
        ['create task.a["x"]', 'create task.a["y"]'],
    ),
    "one instance fewer": Case(
        f"tasks: {{a: {task('for_each: [x, y]')}}}",
        f"tasks: {{a: {task('for_each: [y]')}}}",
        {'task.a["x"]': "delete"},
    ),
    "for_each taken away": Case(
        f"tasks: {{a: {task('for_each: [x]')}}}",
        f"tasks: {{{A}}}",
        {"task.a": "create", 'task.a["x"]': "delete"},
        warnings=('task.a["x"] and task.a look like one resource with a new name',),
    ),
    "a new dependency is put on record": Case(
        f"tasks: {{{A}, b: {task()}}}",
        after("created"),
        {"task.b": "update"},
        {"task.b": ("what it depends on changed; only the record is changed",)},
        ["update task.b"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_scenario(name: str) -> None:
    check_case(CASES[name])


def test_a_satisfied_condition_waits_for_nothing_and_failed_ok_tolerates() -> None:
    before = recorded(stack(f"tasks: {{{A}}}"))
    done = changed(before, "task.a", completion={"exit_code": 0})
    assert steps(make(stack(after("completed")), done, observe(done))) == ["create task.b"]
    failed = changed(before, "task.a", completion={"exit_code": 1})
    assert steps(make(stack(after("completed")), failed, observe(failed))) == [
        "await task.a completed",
        "create task.b",
    ]
    lenient = stack(after("{condition: completed, failed_ok: true}"))
    assert steps(make(lenient, failed, observe(failed))) == ["create task.b"]
    made = make(lenient, before, observe(before))
    assert made.steps[-1].tolerates == ("await task.a completed",)


def test_a_choice_by_memory_is_kept_while_the_market_moves() -> None:
    desired = stack(MEMORY % 80)
    first = make(desired, recorded(stack("tasks: {}")), observe(recorded(stack("tasks: {}")), offers=OFFERS))
    assert (
        first.changes[0].targets["instance_type"] == "a100"
        and first.changes[0].targets["limit_price"] == 20.0
    )
    from plan_builders import on_paper

    before = on_paper(first, desired, recorded(stack("tasks: {}")))
    cheaper = (Offer("h200", REGION, "it_2", 4, 1, 1, 141), *OFFERS)
    assert make(desired, before, observe(before, offers=cheaper)).is_empty
    assert actions(make(stack(MEMORY % 100), before, observe(before, offers=cheaper))) == {
        "task.a": "replace"
    }


def test_an_interrupted_creation_that_is_found_is_adopted_on_paper() -> None:
    desired = stack(f"volumes: {{{V}}}")
    before = recorded(stack("tasks: {}"))
    whole = recorded(desired)
    record = next(iter(whole.records.values()))
    entry = begun("volume.v", config=record.config, seen=("vol_old",))
    ours = Observed(Kind.VOLUME, "vol_new", "v", True, record.attributes, NOW)
    old = Observed(Kind.VOLUME, "vol_old", "v", False, record.attributes, NOW)
    made = make(desired, before, observe(before, foreign=[ours, old]), [entry])
    assert actions(made) == {} and not made.is_empty
    assert (
        made.interrupted[0].outlook == "interrupted create found at the provider as vol_new, will be adopted"
    )
    missing = make(desired, before, observe(before, foreign=[old]), [entry])
    assert actions(missing) == {"volume.v": "create"} and "looked for again" in missing.interrupted[0].outlook
    blind = make(desired, before, None, [entry])
    assert "refresh is off" in blind.interrupted[0].outlook
    for operation in (Operation.UPDATE, Operation.DELETE):
        told = make(
            desired, whole, observe(whole), [begun("volume.v", operation=operation, id="vol_v")]
        ).interrupted
        assert told[0].outlook == f"interrupted {operation.value} of vol_v, will be finished"


def test_what_was_just_made_and_is_not_listed_yet_is_not_gone() -> None:
    from datetime import timedelta

    from attrs import evolve

    desired = stack(f"tasks: {{{A}}}")
    before = recorded(desired)
    fresh = evolve(before, records={a: evolve(r, created_at=NOW) for a, r in before.records.items()})
    soon, late = NOW + timedelta(seconds=5), NOW + timedelta(hours=1)
    assert make(desired, fresh, observe(fresh, gone=["task.a"], at=soon)).is_empty
    assert actions(make(desired, fresh, observe(fresh, gone=["task.a"], at=late))) == {"task.a": "create"}
    assert actions(make(desired, fresh, observe(fresh, lost=["task.a"], at=soon))) == {"task.a": "create"}


def test_a_circle_is_named_with_its_reasons() -> None:
    made = make(
        stack(f"tasks: {{a: {task('depends_on: [task.b]')}, b: {task('depends_on: [task.a]')}}}"),
        recorded(stack("tasks: {}")),
    )
    (circle,) = made.diagnostics
    assert circle.summary == "dependency cycle: task.a -> task.b -> task.a"
    assert "task.a needs task.b: depends_on" in circle.detail and not made.steps


def test_a_turned_dependency_is_destroyed_in_its_new_order() -> None:
    one = stack(after("created"))
    other = stack(f"tasks: {{a: {task('depends_on: [task.b]')}, b: {task()}}}")
    from plan_builders import on_paper

    before = recorded(one)
    turned = on_paper(make(other, before, observe(before)), other, before)
    assert make(other, turned, observe(turned)).is_empty
    assert steps(make(other, turned, observe(turned), mode=Mode.DESTROY)) == [
        "delete task.a",
        "delete task.b",
    ]
    assert steps(make(stack("tasks: {}"), turned, observe(turned))) == ["delete task.a", "delete task.b"]
