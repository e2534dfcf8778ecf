"""Modes and scope: refresh-only, refresh off, destroy, targets, exclusions, replacement on request."""

from __future__ import annotations

from plan_builders import task, volume
from plan_cases import ALL, Case

from flowplan.plan.change import Mode
from flowplan.plan.observation import HistoryEvent

MOUNT = "volumes: [{volume: '{{ volume.%s }}', mount_path: /v}]"
A = f"tasks: {{a: {task()}}}"
CHAIN = (
    f"volumes: {{v: {volume()}}}\n"
    f"tasks: {{train: {task(MOUNT % 'v')}, train2: {task()}, after: {task('depends_on: [task.train]')}}}"
)
DEARER = CHAIN.replace("3.0", "4.0")
OTHER = CHAIN.replace("echo hi", "echo ho")
KEYED = f"tasks: {{a: {task('for_each: [x, y]')}}}"
PARTIAL = ("The plan is partial",)
ONLY = Mode.REFRESH_ONLY
EVENT = HistoryEvent("2026-11-23T11:00:00Z", "Limit Price Changed", "user_7")

CASES = {
    # -- targets
    "a target alone": Case(
        CHAIN,
        DEARER,
        {"task.train2": "update"},
        asked={"targets": ("task.train2",)},
        warnings=PARTIAL,
        skipped=("volume.v", "task.after", "task.train"),
        steps=["update task.train2"],
    ),
    "a target brings what it depends on": Case(
        None,
        CHAIN,
        {"volume.v": "create", "task.train": "create"},
        asked={"targets": ("task.train",)},
        warnings=PARTIAL,
        skipped=("task.after", "task.train2"),
        steps=["create volume.v", "create task.train"],
    ),
    "a target by a glob": Case(
        CHAIN,
        DEARER,
        {"task.train": "update", "task.train2": "update"},
        asked={"targets": ("task.train*",)},
        warnings=PARTIAL,
        skipped=("task.after",),
    ),
    "a question mark": Case(
        CHAIN,
        DEARER,
        {"task.train2": "update"},
        asked={"targets": ("task.train?",)},
        warnings=PARTIAL,
        skipped=("volume.v", "task.after", "task.train"),
    ),
    "everything by two stars": Case(
        CHAIN,
        DEARER,
        {"task.after": "update", "task.train": "update", "task.train2": "update"},
        asked={"targets": ("**",)},
    ),
    "all instances of a target": Case(
        KEYED,
        KEYED.replace("3.0", "4.0"),
        {'task.a["x"]': "update", 'task.a["y"]': "update"},
        asked={"targets": ("task.a",)},
    ),
    "one instance": Case(
        KEYED,
        KEYED.replace("3.0", "4.0"),
        {'task.a["x"]': "update"},
        asked={"targets": ('task.a["x"]',)},
        warnings=PARTIAL,
        skipped=('task.a["y"]',),
    ),
    "one instance in other quotes": Case(
        KEYED,
        KEYED.replace("3.0", "4.0"),
        {'task.a["x"]': "update"},
        asked={"targets": ("task.a['x']",)},
        warnings=PARTIAL,
        skipped=('task.a["y"]',),
    ),
    "a target that matches nothing": Case(
        A,
        A,
        asked={"targets": ("task.b",)},
        errors=("--target task.b matches nothing",),
        warnings=PARTIAL,
        skipped=("task.a",),
        steps=[],
    ),
    "a target that is no address": Case(
        A,
        A,
        asked={"targets": ("what is this",)},
        errors=("--target what is this cannot be read",),
        warnings=PARTIAL,
        skipped=("task.a",),
        steps=[],
    ),
    "a removed target": Case(
        CHAIN,
        f"volumes: {{v: {volume()}}}",
        {"task.train": "delete", "task.after": "delete"},
        {},
        ["delete task.after", "delete task.train"],
        asked={"targets": ("task.train",)},
        warnings=PARTIAL,
        skipped=("volume.v", "task.train2"),
    ),
    "destroying a target takes its dependents": Case(
        CHAIN,
        CHAIN,
        {"task.train": "delete", "task.after": "delete"},
        {},
        ["delete task.after", "delete task.train"],
        asked={"targets": ("task.train",)},
        destroy=True,
        warnings=PARTIAL,
        skipped=("volume.v", "task.train2"),
    ),
    # -- exclusions
    "all but one": Case(
        CHAIN,
        DEARER,
        {"task.after": "update", "task.train": "update"},
        asked={"excludes": ("task.train2",)},
        warnings=PARTIAL,
        skipped=("task.train2",),
    ),
    "an exclusion leaves its dependents out": Case(
        None,
        CHAIN,
        {"task.train2": "create"},
        asked={"excludes": ("volume.v",)},
        warnings=PARTIAL,
        skipped=("volume.v", "task.after", "task.train"),
    ),
    "an exclusion within targets": Case(
        CHAIN,
        DEARER,
        {"task.train": "update"},
        asked={"targets": ("task.train*",), "excludes": ("task.train2",)},
        warnings=PARTIAL,
        skipped=("task.after", "task.train2"),
    ),
    "an exclusion that matches nothing": Case(
        A, A, asked={"excludes": ("task.b",)}, errors=("--exclude task.b matches nothing",), steps=[]
    ),
    "destroying all but one keeps what that needs": Case(
        CHAIN,
        CHAIN,
        {"task.after": "delete", "task.train2": "delete"},
        asked={"excludes": ("task.train",)},
        destroy=True,
        warnings=PARTIAL,
        skipped=("volume.v", "task.train"),
    ),
    # -- replacement on request
    "replaced on request": Case(
        A,
        A,
        {"task.a": "replace"},
        {"task.a": ("--replace names it",)},
        ["delete task.a", "create task.a"],
        asked={"replace": ("task.a",)},
    ),
    "replaced by a glob": Case(
        CHAIN, CHAIN, {"task.train": "replace", "task.train2": "replace"}, asked={"replace": ("task.tr*",)}
    ),
    "replaced and made first": Case(
        A,
        A,
        {"task.a": "replace"},
        life={"task.a": {"create_before_destroy": True}},
        asked={"replace": ("task.a",)},
        steps=["create task.a", "await task.a running", "delete task.a (bid_a)"],
    ),
    "what is new is made anyway": Case(None, A, {"task.a": "create"}, asked={"replace": ("task.a",)}),
    "a replacement that matches nothing": Case(
        A, A, asked={"replace": ("task.b",)}, errors=("--replace task.b matches nothing",), steps=[]
    ),
    "a replacement while destroying": Case(
        A,
        A,
        {"task.a": "delete"},
        asked={"replace": ("task.a",)},
        destroy=True,
        errors=("--replace goes with a normal plan only",),
    ),
    "a volume replaced on request loses its data": Case(
        CHAIN,
        CHAIN,
        {"volume.v": "replace", "task.train": "replace"},
        asked={"replace": ("volume.v",)},
        errors=("DATA LOSS: volume.v would be destroyed and made anew, empty",),
        code=4,
    ),
    "a completed task replaced on request": Case(
        A,
        A,
        {"task.a": "create"},
        {"task.a": ("--replace names it",)},
        asked={"replace": ("task.a",)},
        see={"lost": ["task.a"], "completions": {"task.a": {"exit_code": 0}}},
    ),
    "a completed task that never reruns, on request": Case(
        A,
        A,
        {"task.a": "create"},
        life={"task.a": {"rerun": "never"}},
        asked={"replace": ("task.a",)},
        see={"lost": ["task.a"], "completions": {"task.a": {"exit_code": 0}}},
    ),
    # -- refresh-only
    "nothing to refresh": Case(A, A, mode=ONLY, steps=[]),
    "drift is recorded": Case(
        A,
        A,
        mode=ONLY,
        see={"drift": {"task.a": {"limit_price": 9.0}}},
        refreshed=("task.a",),
        drift={"task.a": "harmful"},
        steps=[],
    ),
    "what the provider decides is recorded": Case(
        A,
        A,
        mode=ONLY,
        see={"drift": {"task.a": {"status": "running"}}},
        refreshed=("task.a",),
        drift={"task.a": "expected"},
        steps=[],
    ),
    "what is gone is dropped": Case(
        A, A, mode=ONLY, see={"gone": ["task.a"]}, forgotten=("task.a",), drift={"task.a": "gone"}, steps=[]
    ),
    "a lost task that is kept is kept": Case(
        A, A, mode=ONLY, life={"task.a": {"on_lost": "keep"}}, see={"lost": ["task.a"]}, steps=[]
    ),
    "a completion is recorded": Case(
        A,
        A,
        mode=ONLY,
        see={"lost": ["task.a"], "completions": {"task.a": {"exit_code": 0}}},
        refreshed=("task.a",),
        steps=[],
    ),
    "an edit is left alone": Case(A, A.replace("3.0", "4.0"), mode=ONLY, steps=[]),
    "refreshing without looking": Case(
        A,
        A,
        mode=ONLY,
        see=None,
        errors=("A plan that only refreshes has to look at the provider",),
        steps=[],
    ),
    "refreshing one": Case(
        CHAIN,
        CHAIN,
        mode=ONLY,
        asked={"targets": ("task.train2",)},
        refreshed=("task.train2",),
        warnings=PARTIAL,
        see={"drift": {"task.train": {"status": "x"}, "task.train2": {"status": "x"}}},
        skipped=("volume.v", "task.after", "task.train"),
        steps=[],
    ),
    # -- drift told apart
    "who changed a price": Case(
        A,
        A,
        {"task.a": "update"},
        see={"drift": {"task.a": {"limit_price": 9.0}}, "events": {"task.a": (EVENT,)}},
        drift={"task.a": "harmful by user_7"},
    ),
    "drift that the stack agrees with": Case(
        A,
        A.replace("3.0", "9.0"),
        {"task.a": "update"},
        see={"drift": {"task.a": {"limit_price": 9.0}}},
        drift={"task.a": "benign"},
    ),
    "paused by another hand": Case(
        A, A, see={"drift": {"task.a": {"status": "paused"}}}, drift={"task.a": "benign"}, steps=[]
    ),
    "status and hosts are the provider's": Case(
        A, A, see={"drift": {"task.a": {"status": "running", "ssh_host": "h"}}}, drift={}, steps=[]
    ),
    "preempted is not drift": Case(
        A,
        A,
        known={"task.a": {"status": "running"}},
        see={"drift": {"task.a": {"status": "pending"}}},
        steps=[],
    ),
    "completed is not drift": Case(
        A, A, see={"lost": ["task.a"], "completions": {"task.a": {"exit_code": 0}}}, steps=[]
    ),
    "a volume renamed by another hand": Case(
        CHAIN,
        CHAIN,
        {"volume.v": "update"},
        {"volume.v": ("name was changed outside of flowplan",)},
        see={"drift": {"volume.v": {"name": "theirs"}}},
        drift={"volume.v": "harmful"},
    ),
    "a volume that is gone": Case(
        f"volumes: {{v: {volume()}}}",
        f"volumes: {{v: {volume()}}}",
        {"volume.v": "create"},
        see={"gone": ["volume.v"]},
        drift={"volume.v": "gone"},
        asked=ALL,
    ),
    "a volume taken off by another hand is attached again": Case(
        CHAIN,
        CHAIN,
        {"task.train": "update"},
        {"task.train": ("volume_ids was changed outside of flowplan",)},
        see={"drift": {"task.train": {"volume_ids": []}}},
        drift={"task.train": "harmful"},
        steps=["update task.train"],
    ),
}
