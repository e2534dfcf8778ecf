"""The life of tasks: preempted, lost, completed, failed, run again; pipelines; and every kind of edit."""

from __future__ import annotations

from plan_builders import task
from plan_cases import GONE, Case

A = f"tasks: {{a: {task()}}}"
OTHER = f"tasks: {{a: {task('image: other')}}}"
AFTER_A, AFTER_B = task("depends_on: {task.a: completed}"), task("depends_on: {task.b: completed}")
PIPE = f"tasks: {{a: {task()}, b: {AFTER_A}, c: {AFTER_B}}}"
OK, BAD = {"task.a": {"exit_code": 0}}, {"task.a": {"exit_code": 3}}
FAILED = ("task.a has failed with exit code 3",)
ENDED = {"lost": ["task.a"]}
LOSSES = {"task.a": ("WORK", "BOOT_DISK", "QUEUE_AGE")}


def edit(more: str) -> Case:
    name = more.partition(":")[0]
    return Case(
        A,
        f"tasks: {{a: {task(more)}}}",
        {"task.a": "replace"},
        {"task.a": (f"{name} changed, which forces replacement",)},
        losses=LOSSES,
    )


def local(more: str) -> Case:
    name = more.partition(":")[0]
    return Case(
        A,
        f"tasks: {{a: {task(more)}}}",
        {"task.a": "update"},
        {"task.a": (f"{name} changed in the stack",)},
        ["update task.a"],
    )


CASES = {
    "a completed task whose instances live takes a new price, and keeps what it ran with": Case(
        f"tasks: {{a: {task()}}}",
        f"tasks: {{a: {task('lifecycle: {rerun: never}').replace('3.0', '4.0').replace('hi', 'ho')}}}",
        {"task.a": "update"},
        {"task.a": ("max_price_per_hour changed in the stack",)},
        ["update task.a"],
        see={"completions": {"task.a": {"exit_code": 0}}},
    ),
    # -- preempted, lost, gone
    "preempted": Case(
        A,
        A,
        known={"task.a": {"status": "running"}},
        see={"drift": {"task.a": {"status": "preempting"}}},
        steps=[],
    ),
    "preempted and edited": Case(
        A, OTHER, {"task.a": "replace"}, see={"drift": {"task.a": {"status": "preempting"}}}
    ),
    "lost": Case(A, A, {"task.a": "create"}, {"task.a": (GONE,)}, see=ENDED, drift={"task.a": "gone"}),
    "lost and edited": Case(A, OTHER, {"task.a": "create"}, {"task.a": (GONE,)}, see=ENDED),
    "lost, to be kept": Case(
        A, A, life={"task.a": {"on_lost": "keep"}}, see=ENDED, drift={"task.a": "gone"}, steps=[]
    ),
    "lost, an error": Case(
        A, A, life={"task.a": {"on_lost": "fail"}}, see=ENDED, errors=("task.a was lost",), steps=[]
    ),
    "lost, to be kept, replaced on request": Case(
        A,
        A,
        {"task.a": "create"},
        life={"task.a": {"on_lost": "keep"}},
        see=ENDED,
        asked={"replace": ("task.a",)},
    ),
    "lost and removed": Case(A, "tasks: {}", {"task.a": "forget"}, see=ENDED),
    "not listed at all": Case(A, A, {"task.a": "create"}, see={"gone": ["task.a"]}, drift={"task.a": "gone"}),
    # -- completed and failed
    "completed": Case(A, A, see={**ENDED, "completions": OK}, steps=[]),
    "completed, a hint edited": Case(
        A, f"tasks: {{a: {task('deadline_hours: 5')}}}", see={**ENDED, "completions": OK}, steps=[]
    ),
    "completed, edited": Case(
        A,
        OTHER,
        {"task.a": "create"},
        {"task.a": ("image changed, so the completed task runs again",)},
        see={**ENDED, "completions": OK},
    ),
    "completed, edited, never again": Case(
        A, OTHER, life={"task.a": {"rerun": "never"}}, see={**ENDED, "completions": OK}, steps=[]
    ),
    "completed, always again": Case(
        A,
        A,
        {"task.a": "create"},
        {"task.a": ("lifecycle.rerun is always",)},
        life={"task.a": {"rerun": "always"}},
        see={**ENDED, "completions": OK},
    ),
    "completed, its machines alive": Case(A, A, see={"completions": OK}, steps=[]),
    "completed, its machines alive, edited": Case(
        A, OTHER, {"task.a": "replace"}, see={"completions": OK}, losses=LOSSES
    ),
    "completed and removed": Case(A, "tasks: {}", {"task.a": "forget"}, see={**ENDED, "completions": OK}),
    "completed and protected now": Case(
        A,
        A,
        {"task.a": "update"},
        {"task.a": ("prevent_destroy was turned on",)},
        was={},
        life={"task.a": {"prevent_destroy": True}},
        see={**ENDED, "completions": OK},
    ),
    "completed, on record only": Case(
        A, A, known={"task.a": {"completion": {"exit_code": 0}}}, see=None, steps=[]
    ),
    "failed": Case(A, A, see={**ENDED, "completions": BAD}, warnings=FAILED, steps=[]),
    "failed and edited": Case(A, OTHER, {"task.a": "create"}, see={**ENDED, "completions": BAD}),
    "failed, always again": Case(
        A, A, {"task.a": "create"}, life={"task.a": {"rerun": "always"}}, see={**ENDED, "completions": BAD}
    ),
    "failed, replaced on request": Case(
        A,
        A,
        {"task.a": "create"},
        {"task.a": ("--replace names it",)},
        see={**ENDED, "completions": BAD},
        asked={"replace": ("task.a",)},
    ),
    # -- pipelines
    "a pipeline runs to its end in one apply": Case(
        None,
        PIPE,
        {"task.a": "create", "task.b": "create", "task.c": "create"},
        {},
        [
            "create task.a",
            "await task.a completed",
            "create task.b",
            "await task.b completed",
            "create task.c",
        ],
    ),
    "a pipeline goes on where it stopped": Case(
        "tasks: {a: " + task() + "}",
        PIPE,
        {"task.b": "create", "task.c": "create"},
        {},
        ["create task.b", "await task.b completed", "create task.c"],
        known={"task.a": {"completion": {"exit_code": 0}}},
    ),
    "a pipeline waits for what still runs": Case(
        "tasks: {a: " + task() + "}",
        PIPE,
        {"task.b": "create", "task.c": "create"},
        {},
        ["await task.a completed", "create task.b", "await task.b completed", "create task.c"],
    ),
    "the first of a pipeline is edited": Case(
        PIPE,
        PIPE.replace("{a: {command: echo hi", "{a: {command: echo ho"),
        {"task.a": "replace"},
        {},
        ["delete task.a", "create task.a"],
    ),
    # -- edits
    "another name": edit("name: other"),
    "another type": Case(A, A.replace("a100", "h100"), {"task.a": "replace"}, losses=LOSSES),
    "another region": edit("region: eu-central1-a"),
    "environment": edit("env: {A: b}"),
    "working folder": edit("working_dir: /srv"),
    "ports": edit("ports: [8080]"),
    "ssh keys": edit("ssh_keys: [k]"),
    "longest run": edit("max_run_time_hours: 2"),
    "shortest run": local("min_run_time_hours: 1"),
    "deadline": local("deadline_hours: 4"),
    "end by itself": local("terminate_on_exit: true"),
    "a unique name": local("unique_name: false"),
}
