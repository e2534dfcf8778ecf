"""What the ``lifecycle`` block means: protection, ignoring, triggers, the order of replacements, retention."""

from __future__ import annotations

from plan_builders import task, volume
from plan_cases import ALL, NEW, REMOVED, Case

V, A = f"volumes: {{v: {volume()}}}", f"tasks: {{a: {task()}}}"
BIGGER = V.replace("10", "20")
OTHER = f"tasks: {{a: {task('image: other')}}}"
ENV = "tasks: {a: " + task("env: {A: '%s', B: '%s'}") + "}"
PROTECT = {"prevent_destroy": True}
FIRST = {"create_before_destroy": True}
MOUNT = "volumes: [{volume: '{{ volume.v }}', mount_path: /v}]"
MOUNTED = f"{V}\ntasks: {{a: {task(MOUNT)}}}"
GROWN = MOUNTED.replace("size_gb: 10", "size_gb: 20")
PAIR = f"tasks: {{a: {task()}, b: {task()}}}"
EDITED = f"tasks: {{a: {task('image: other')}, b: {task()}}}"
PRICED = f"tasks: {{a: {task().replace('3.0', '4.0')}, b: {task()}}}"
FORCED = "image changed, which forces replacement"
REWIRED = "what it depends on changed; only the record is changed"
LATER = "it was replaced by bid_a before it was destroyed"
LOST = "DATA LOSS: volume.v would be destroyed"


def triggered(by: str) -> dict[str, dict[str, object]]:
    return {"task.b": {"replace_triggered_by": (by,)}}


CASES = {
    # -- prevent_destroy
    "protection refuses removal": Case(
        V,
        "tasks: {}",
        {"volume.v": "delete"},
        was={"volume.v": PROTECT},
        errors=("volume.v is protected from being destroyed",),
    ),
    "protection refuses replacement": Case(
        V,
        BIGGER,
        {"volume.v": "replace"},
        life={"volume.v": PROTECT},
        errors=("volume.v is protected from being destroyed",),
    ),
    "an allowed data loss does not lift protection": Case(
        V,
        BIGGER,
        {"volume.v": "replace"},
        life={"volume.v": PROTECT},
        asked=ALL,
        errors=("volume.v is protected from being destroyed",),
    ),
    "protection refuses a replacement that was asked for": Case(
        A,
        A,
        {"task.a": "replace"},
        life={"task.a": PROTECT},
        asked={"replace": ("task.a",)},
        errors=("task.a is protected from being destroyed",),
    ),
    "protection is not lifted by the edit that destroys": Case(
        V,
        BIGGER,
        {"volume.v": "replace"},
        was={"volume.v": PROTECT},
        asked=ALL,
        errors=("volume.v is protected from being destroyed",),
    ),
    "protection is lifted by an apply of its own": Case(
        V,
        V,
        {"volume.v": "update"},
        {"volume.v": ("prevent_destroy was turned off",)},
        ["update volume.v"],
        was={"volume.v": PROTECT},
    ),
    "protection does not stop a change in place": Case(
        A,
        A.replace("3.0", "4.0"),
        {"task.a": "update"},
        life={"task.a": PROTECT},
    ),
    "protection does not stop forgetting what is gone": Case(
        V,
        "tasks: {}",
        {"volume.v": "forget"},
        was={"volume.v": PROTECT},
        see={"gone": ["volume.v"]},
        drift={"volume.v": "gone"},
    ),
    "protection does not stop a removed entry that only forgets": Case(
        V,
        "tasks: {}",
        {"volume.v": "forget"},
        was={"volume.v": PROTECT},
        removed={"volume.v": False},
        warnings=("volume.v is forgotten and stays at the provider as vol_v",),
    ),
    "destroy is refused by what is protected on record only": Case(
        V,
        "tasks: {}",
        {"volume.v": "delete"},
        was={"volume.v": PROTECT},
        destroy=True,
        errors=("volume.v is protected from being destroyed",),
    ),
    # -- ignore_changes
    "an ignored attribute is left as it is": Case(
        A, OTHER, life={"task.a": {"ignore_changes": ("image",)}}, steps=[]
    ),
    "everything ignored": Case(
        A,
        f"tasks: {{a: {task('image: other').replace('3.0', '9.0')}}}",
        life={"task.a": {"ignore_changes": ("*",)}},
        steps=[],
    ),
    "everything ignored, drift too": Case(
        A,
        A,
        life={"task.a": {"ignore_changes": ("*",)}},
        see={"drift": {"task.a": {"limit_price": 9.0}}},
        drift={"task.a": "benign"},
        steps=[],
    ),
    "one key of a mapping is ignored": Case(
        ENV % (1, 2), ENV % (9, 2), life={"task.a": {"ignore_changes": ("env.A",)}}, steps=[]
    ),
    "another key is not": Case(
        ENV % (1, 2),
        ENV % (9, 8),
        {"task.a": "replace"},
        {"task.a": ("env changed, which forces replacement",)},
        life={"task.a": {"ignore_changes": ("env.A",)}},
    ),
    "all keys by a wildcard": Case(
        ENV % (1, 2), ENV % (8, 9), life={"task.a": {"ignore_changes": ("env.*",)}}, steps=[]
    ),
    "a new key under a wildcard": Case(
        A, ENV % (1, 2), life={"task.a": {"ignore_changes": ("env.*",)}}, steps=[]
    ),
    "a mount path by a wildcard": Case(
        MOUNTED,
        MOUNTED.replace("mount_path: /v", "mount_path: /w"),
        life={"task.a": {"ignore_changes": ("volumes[*].mount_path",)}},
        steps=[],
    ),
    "a mount path by its number": Case(
        MOUNTED,
        MOUNTED.replace("mount_path: /v", "mount_path: /w"),
        life={"task.a": {"ignore_changes": ("volumes[0].mount_path",)}},
        steps=[],
    ),
    "what is ignored does not hide what is not": Case(
        A,
        f"tasks: {{a: {task('image: other').replace('3.0', '4.0')}}}",
        {"task.a": "update"},
        {"task.a": ("max_price_per_hour changed in the stack",)},
        life={"task.a": {"ignore_changes": ("image",)}},
    ),
    "an ignored price is not reverted": Case(
        A,
        A,
        life={"task.a": {"ignore_changes": ("max_price_per_hour",)}},
        see={"drift": {"task.a": {"limit_price": 9.0}}},
        drift={"task.a": "benign"},
        steps=[],
    ),
    "what is lost is made as the stack says now": Case(
        A,
        OTHER,
        {"task.a": "create"},
        life={"task.a": {"ignore_changes": ("image",)}},
        see={"lost": ["task.a"]},
    ),
    # -- replace_triggered_by
    "a trigger that is replaced": Case(
        PAIR,
        EDITED,
        {"task.a": "replace", "task.b": "replace"},
        {"task.b": ("task.a changed, and replace_triggered_by names it",)},
        ["delete task.b", "delete task.a", "create task.a", "create task.b"],
        life=triggered("task.a"),
    ),
    "a trigger that is updated": Case(
        PAIR, PRICED, {"task.a": "update", "task.b": "replace"}, life=triggered("task.a")
    ),
    "a trigger that stays": Case(PAIR, PAIR, life=triggered("task.a"), steps=[]),
    "an attribute that stays": Case(
        PAIR, EDITED, {"task.a": "replace", "task.b": "replace"}, life=triggered("task.a.image")
    ),
    "an attribute that changes": Case(
        PAIR, PRICED, {"task.a": "update"}, life=triggered("task.a.image"), steps=["update task.a"]
    ),
    "a trigger is put on record": Case(
        PAIR,
        PAIR,
        {"task.b": "update"},
        {"task.b": ("replace_triggered_by changed", REWIRED)},
        ["update task.b"],
        was={},
        life=triggered("task.a"),
    ),
    "a trigger that names nothing": Case(
        PAIR,
        PAIR,
        {},
        errors=("task.b: replace_triggered_by task.nothing names nothing in the stack",),
        life=triggered("task.nothing"),
    ),
    "a trigger for something new": Case(
        None, PAIR, {"task.a": "create", "task.b": "create"}, life=triggered("task.a")
    ),
    "a trigger among all instances": Case(
        f"tasks: {{a: {task('for_each: [x, y]')}, b: {task()}}}",
        f"tasks: {{a: {task('for_each: [x, y], image: other')}, b: {task()}}}",
        {'task.a["x"]': "replace", 'task.a["y"]': "replace", "task.b": "replace"},
        life=triggered("task.a"),
    ),
    # -- create_before_destroy
    "what was needed before is not waited for in a circle by what is needed now": Case(
        f"tasks: {{a: {task()}, c: {task('depends_on: [task.a]')}, d: {task('depends_on: [task.c]')}}}",
        f"tasks: {{a: {task('image: other')}, c: {task('image: other')}, d: {task('depends_on: [task.a]')}}}",
        {"task.a": "replace", "task.c": "replace", "task.d": "update"},
        life={"task.c": FIRST},
        steps=[
            "create task.c",
            "await task.c running",
            "delete task.c (bid_c)",
            "delete task.a",
            "create task.a",
            "update task.d",
        ],
    ),
    "what is made first by way of something new is made first too": Case(
        f"tasks: {{a: {task()}, c: {task('depends_on: [task.a]')}}}",
        f"tasks: {{a: {task('image: other')}, b: {task('depends_on: [task.a]')}, "
        f"c: {task('image: other, depends_on: [task.b]')}}}",
        {"task.a": "replace", "task.b": "create", "task.c": "replace"},
        life={"task.c": FIRST},
        steps=[
            "create task.a",
            "await task.a running",
            "create task.b",
            "create task.c",
            "await task.c running",
            "delete task.c (bid_c)",
            "delete task.a (bid_a)",
        ],
    ),
    "the new one first": Case(
        A,
        OTHER,
        {"task.a": "replace"},
        {"task.a": (FORCED,)},
        ["create task.a", "await task.a running", "delete task.a (bid_a)"],
        life={"task.a": FIRST},
    ),
    "a plain name cannot exist twice": Case(
        f"tasks: {{a: {task('unique_name: false')}}}",
        f"tasks: {{a: {task('unique_name: false, image: other')}}}",
        {"task.a": "replace"},
        life={"task.a": FIRST},
        errors=("task.a cannot be made before the old one is destroyed: both would be called 'a'",),
    ),
    "a volume's name cannot exist twice": Case(
        V,
        BIGGER,
        {"volume.v": "replace"},
        life={"volume.v": FIRST},
        asked=ALL,
        errors=("volume.v cannot be made before the old one is destroyed: both would be called 's-v'",),
    ),
    "a volume with another name can": Case(
        V,
        f"volumes: {{v: {volume('name: other').replace('10', '20')}}}",
        {"volume.v": "replace"},
        steps=["create volume.v", "delete volume.v (vol_v)"],
        life={"volume.v": FIRST},
        asked=ALL,
    ),
    "dependents move over before the old one goes": Case(
        MOUNTED,
        f"volumes: {{v: {volume('name: other').replace('10', '20')}}}\ntasks: {{a: {task(MOUNT)}}}",
        {"volume.v": "replace", "task.a": "replace"},
        {},
        ["create volume.v", "delete task.a", "create task.a", "delete volume.v (vol_v)"],
        life={"volume.v": FIRST},
        asked=ALL,
    ),
    "what it depends on goes along": Case(
        MOUNTED,
        GROWN,
        {"volume.v": "replace", "task.a": "replace"},
        life={"task.a": FIRST},
        asked=ALL,
        errors=("volume.v cannot be made before the old one is destroyed: both would be called 's-v'",),
    ),
    "all of a chain first": Case(
        MOUNTED,
        f"volumes: {{v: {volume('name: other').replace('10', '20')}}}\ntasks: {{a: {task(MOUNT)}}}",
        {"volume.v": "replace", "task.a": "replace"},
        {},
        [
            "create volume.v",
            "create task.a",
            "await task.a running",
            "delete task.a (bid_a)",
            "delete volume.v (vol_v)",
        ],
        life={"task.a": FIRST},
        asked=ALL,
    ),
    "a block volume cannot be used twice": Case(
        MOUNTED.replace("file", "block"),
        MOUNTED.replace("file", "block").replace("echo hi", "echo ho"),
        {"task.a": "replace"},
        life={"task.a": FIRST},
        errors=("task.a cannot be made before the old one is destroyed: both would use volume.v",),
    ),
    "a shared volume can": Case(
        MOUNTED,
        MOUNTED.replace("echo hi", "echo ho"),
        {"task.a": "replace"},
        steps=["create task.a", "await task.a running", "delete task.a (bid_a)"],
        life={"task.a": FIRST},
    ),
    "what was left behind is destroyed": Case(
        A,
        A,
        {"task.a (bid_old)": "delete"},
        {"task.a (bid_old)": (LATER,)},
        ["await task.a running", "delete task.a (bid_old)"],
        deposed={"task.a": "bid_old"},
    ),
    "what was left behind and has ended is forgotten": Case(
        A,
        A,
        {"task.a (bid_old)": "forget"},
        {},
        ["forget task.a (bid_old)"],
        deposed={"task.a": "bid_old"},
        see={
            "foreign": [
                __import__("plan_builders").Observed(
                    __import__("plan_builders").Kind.TASK, "bid_old", "old", False, {}, None
                )
            ]
        },
    ),
    "what was left behind goes before its address": Case(
        A,
        "tasks: {}",
        {"task.a": "delete", "task.a (bid_old)": "delete"},
        {"task.a": (REMOVED,)},
        ["delete task.a (bid_old)", "delete task.a"],
        deposed={"task.a": "bid_old"},
    ),
    "what was left behind goes before a replacement": Case(
        A,
        OTHER,
        {"task.a": "replace", "task.a (bid_old)": "delete"},
        {},
        ["delete task.a (bid_old)", "delete task.a", "create task.a"],
        deposed={"task.a": "bid_old"},
    ),
    "what was left behind goes before its volume": Case(
        MOUNTED,
        "tasks: {}",
        {"task.a": "delete", "task.a (bid_old)": "delete", "volume.v": "delete"},
        {},
        ["delete task.a (bid_old)", "delete task.a", "delete volume.v"],
        deposed={"task.a": "bid_old"},
        asked=ALL,
    ),
    "what was left behind goes after a change in place": Case(
        A,
        A.replace("3.0", "4.0"),
        {"task.a": "update", "task.a (bid_old)": "delete"},
        {},
        ["update task.a", "await task.a running", "delete task.a (bid_old)"],
        deposed={"task.a": "bid_old"},
    ),
    "what was left behind outlives a lost one": Case(
        A,
        A,
        {"task.a": "create", "task.a (bid_old)": "delete"},
        {},
        ["create task.a", "await task.a running", "delete task.a (bid_old)"],
        deposed={"task.a": "bid_old"},
        see={"lost": ["task.a"]},
    ),
    "destroy takes what was left behind": Case(
        A,
        A,
        {"task.a": "delete", "task.a (bid_old)": "delete"},
        {},
        ["delete task.a (bid_old)", "delete task.a"],
        deposed={"task.a": "bid_old"},
        destroy=True,
    ),
    # -- on_remove
    "retained on removal": Case(
        V,
        "tasks: {}",
        {"volume.v": "forget"},
        {"volume.v": ("it is not in the stack any more, and on_remove: retain is on record",)},
        ["forget volume.v"],
        was={"volume.v": {"on_remove": "retain"}},
        warnings=("volume.v is forgotten and stays at the provider as vol_v",),
    ),
    "retained on destroy": Case(
        V,
        V,
        {"volume.v": "forget"},
        {},
        ["forget volume.v"],
        destroy=True,
        life={"volume.v": {"on_remove": "retain"}},
        warnings=("volume.v is forgotten and stays at the provider as vol_v",),
    ),
    "retention is put on record": Case(
        V,
        V,
        {"volume.v": "update"},
        {"volume.v": ("on_remove is now retain",)},
        ["update volume.v"],
        was={},
        life={"volume.v": {"on_remove": "retain"}},
    ),
    "retention that is not on record yet does not count": Case(
        V, "tasks: {}", {"volume.v": "delete"}, {"volume.v": (REMOVED,)}, errors=(LOST,), code=4
    ),
    "a retained task runs on": Case(
        A,
        "tasks: {}",
        {"task.a": "forget"},
        was={"task.a": {"on_remove": "retain"}},
        warnings=("task.a is forgotten and stays at the provider as bid_a",),
    ),
    "a first apply with every setting": Case(
        None,
        V,
        {"volume.v": "create"},
        {"volume.v": (NEW,)},
        life={"volume.v": {**PROTECT, **FIRST, "on_remove": "retain"}},
    ),
}
