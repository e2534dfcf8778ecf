"""Moved, removed and imported resources, and renames that nobody declared."""

from __future__ import annotations

from plan_builders import NOW, REGION, task, volume
from plan_cases import ALL, GONE, NEW, REMOVED, Case

from flowplan.plan.observation import Observed
from flowplan.values.address import Kind

A, B = f"tasks: {{a: {task()}}}", f"tasks: {{b: {task('name: a')}}}"
V, W = f"volumes: {{v: {volume()}}}", f"volumes: {{w: {volume('name: s-v, mount_path: /volumes/v')}}}"
KEYED, OTHER_KEY = (
    f"tasks: {{a: {task('for_each: [x]')}}}",
    f"tasks: {{a: {task('for_each: [y], name: a-x')}}}",
)
MOUNT = "volumes: [{volume: '{{ volume.%s }}', mount_path: /v}]"
MOUNTED = f"{V}\ntasks: {{a: {task(MOUNT % 'v')}}}"
REMOUNTED = f"{W}\ntasks: {{a: {task(MOUNT % 'w')}}}"
LOST = "DATA LOSS: volume.v would be destroyed"
RENAMED = "volume.v and volume.w look like one resource with a new name"
STAYS = "volume.v is forgotten and stays at the provider as vol_v"
BY_ID = "vol_9 exists and is imported"


def seen(id: str = "vol_9", name: str = "s-v", exists: bool = True, **more: object) -> Observed:
    attributes = {"name": name, "region": REGION, "size_gb": 10, "interface": "file", "volume_id": id, **more}
    return Observed(Kind.VOLUME, id, name, exists, attributes, NOW)


def bid(price: float = 3.0, count: int = 1) -> Observed:
    attributes = {
        "name": "a-1", "region": REGION, "instance_type": "a100", "num_instances": count,
        "limit_price": price, "volume_ids": [], "ssh_key_ids": [], "task_id": "bid_9", "status": "running",
    }  # fmt: skip
    return Observed(Kind.TASK, "bid_9", "a-1", True, attributes, NOW)


CASES = {
    # -- moved
    "another name": Case(A, B, moved={"task.a": "task.b"}, moves={"task.a": "task.b"}, steps=[]),
    "another name, and a change": Case(
        A,
        B.replace("3.0", "4.0"),
        {"task.b": "update"},
        moved={"task.a": "task.b"},
        moves={"task.a": "task.b"},
        steps=["update task.b"],
    ),
    "what depends on it notices nothing": Case(
        MOUNTED, REMOUNTED, moved={"volume.v": "volume.w"}, moves={"volume.v": "volume.w"}, steps=[]
    ),
    "a move that has been done": Case(B, B, moved={"task.a": "task.b"}, steps=[]),
    "a chain of moves": Case(
        A,
        f"tasks: {{c: {task('name: a')}}}",
        moved={"task.a": "task.b", "task.b": "task.c"},
        moves={"task.a": "task.c"},
        steps=[],
    ),
    "for_each comes": Case(
        A,
        f"tasks: {{a: {task('for_each: [x], name: a')}}}",
        moved={"task.a": 'task.a["x"]'},
        moves={"task.a": 'task.a["x"]'},
        steps=[],
    ),
    "for_each goes": Case(
        KEYED,
        f"tasks: {{a: {task('name: a-x')}}}",
        moved={'task.a["x"]': "task.a"},
        moves={'task.a["x"]': "task.a"},
        steps=[],
    ),
    "another key": Case(
        KEYED, OTHER_KEY, moved={'task.a["x"]': 'task.a["y"]'}, moves={'task.a["x"]': 'task.a["y"]'}, steps=[]
    ),
    "all instances": Case(
        f"tasks: {{a: {task('for_each: [x, y]')}}}",
        "tasks: {b: " + task("for_each: [x, y], name: 'a-{{ each.key }}'") + "}",
        moved={"task.a": "task.b"},
        moves={'task.a["x"]': 'task.b["x"]', 'task.a["y"]': 'task.b["y"]'},
        steps=[],
    ),
    "moved and then removed": Case(
        A,
        "tasks: {}",
        {"task.b": "delete"},
        {"task.b": (REMOVED,)},
        moved={"task.a": "task.b"},
        moves={"task.a": "task.b"},
    ),
    "moves in a circle": Case(
        A,
        "tasks: {}",
        {"task.a": "delete"},
        moved={"task.a": "task.b", "task.b": "task.a"},
        errors=("The moved entries lead task.a in a circle",),
    ),
    "moved to what is taken": Case(
        f"tasks: {{a: {task()}, b: {task()}}}",
        f"tasks: {{b: {task()}}}",
        {"task.a": "delete"},
        moved={"task.a": "task.b"},
        errors=("task.a cannot be moved to task.b: something is recorded there already",),
    ),
    "moved and still declared": Case(
        A,
        f"tasks: {{a: {task()}, b: {task()}}}",
        {"task.b": "create"},
        moved={"task.a": "task.b"},
        errors=("task.a cannot be moved to task.b: it is still declared",),
    ),
    "moved to another kind": Case(
        A,
        A,
        moved={"task.a": "volume.a"},
        errors=("task.a cannot be moved to volume.a: they are not of one kind",),
        steps=[],
    ),
    "moved to two places": Case(
        A,
        B,
        moves={"task.a": "task.b"},
        moved={"task.a": "task.b", " task.a": "task.c"},
        errors=(
            "moved cannot be read: ' task.a' is not an address; write one as task.train or task.train[\"key\"]",
        ),
        steps=[],
    ),
    # -- renames that are offered
    "an undeclared rename of a volume": Case(
        V,
        f"volumes: {{w: {volume()}}}",
        {"volume.v": "delete", "volume.w": "create"},
        errors=(LOST,),
        warnings=(RENAMED,),
        code=4,
    ),
    "an undeclared rename of a task": Case(
        A,
        f"tasks: {{b: {task()}}}",
        {"task.a": "delete", "task.b": "create"},
        warnings=("task.a and task.b look like one resource with a new name",),
    ),
    "no rename: it is declared otherwise": Case(
        A, f"tasks: {{b: {task('image: other')}}}", {"task.a": "delete", "task.b": "create"}
    ),
    "no rename: two are alike": Case(
        f"tasks: {{a: {task()}, c: {task()}}}",
        f"tasks: {{b: {task()}}}",
        {"task.a": "delete", "task.b": "create", "task.c": "delete"},
    ),
    # -- removed
    "let go of": Case(
        V,
        "tasks: {}",
        {"volume.v": "forget"},
        {"volume.v": ("removed names volume.v",)},
        ["forget volume.v"],
        removed={"volume.v": False},
        warnings=(STAYS,),
    ),
    "removed and destroyed": Case(
        A,
        "tasks: {}",
        {"task.a": "delete"},
        {"task.a": ("removed names task.a",)},
        ["delete task.a"],
        removed={"task.a": True},
    ),
    "removed and destroyed, with its data": Case(
        V, "tasks: {}", {"volume.v": "delete"}, removed={"volume.v": True}, errors=(LOST,), code=4
    ),
    "removed is done": Case("tasks: {}", "tasks: {}", removed={"volume.v": False}, steps=[]),
    "removed and still declared": Case(
        V,
        V,
        removed={"volume.v": False},
        errors=("volume.v cannot be removed: volume.v is still declared",),
        steps=[],
    ),
    "removed with all instances": Case(
        f"tasks: {{a: {task('for_each: [x, y]')}}}",
        "tasks: {}",
        {'task.a["x"]': "forget", 'task.a["y"]': "forget"},
        removed={"task.a": False},
        warnings=(
            'task.a["x"] is forgotten and stays at the provider as bid_ax',
            'task.a["y"] is forgotten and stays at the provider as bid_ay',
        ),
    ),
    "removed that is no address": Case(
        A,
        A,
        removed={"tusk.a": False},
        steps=[],
        errors=(
            "removed cannot be read: 'tusk' is not a kind of resource; the kinds are volume, reservation, task",
        ),
    ),
    # -- imports
    "imported as it is": Case(
        None,
        V,
        {"volume.v": "no-op"},
        {"volume.v": (BY_ID,)},
        ["import volume.v"],
        imports={"volume.v": "vol_9"},
        see={"foreign": [seen()]},
    ),
    "imported by name": Case(
        None,
        V,
        {"volume.v": "no-op"},
        {"volume.v": (BY_ID,)},
        ["import volume.v"],
        imports={"volume.v": "s-v"},
        see={"foreign": [seen()]},
    ),
    "imported and renamed": Case(
        None,
        V,
        {"volume.v": "update"},
        {"volume.v": (BY_ID, "name changed in the stack")},
        ["import volume.v", "update volume.v"],
        imports={"volume.v": "vol_9"},
        see={"foreign": [seen(name="old")]},
    ),
    "imported and of another size": Case(
        None,
        V,
        {"volume.v": "replace"},
        {"volume.v": (BY_ID, "size_gb changed, which forces replacement")},
        ["import volume.v", "delete volume.v", "create volume.v"],
        imports={"volume.v": "vol_9"},
        see={"foreign": [seen(size_gb=99)]},
        asked=ALL,
    ),
    "imported and of another size, refused": Case(
        None,
        V,
        {"volume.v": "replace"},
        imports={"volume.v": "vol_9"},
        see={"foreign": [seen(size_gb=99)]},
        errors=("DATA LOSS: volume.v would be destroyed and made anew, empty",),
        code=4,
    ),
    "imported and used at once": Case(
        None,
        MOUNTED,
        {"volume.v": "no-op", "task.a": "create"},
        {},
        ["import volume.v", "create task.a"],
        imports={"volume.v": "vol_9"},
        see={"foreign": [seen()]},
    ),
    "an imported task at another price": Case(
        None,
        A,
        {"task.a": "update"},
        {"task.a": ("bid_9 exists and is imported", "max_price_per_hour changed in the stack")},
        ["import task.a", "update task.a"],
        imports={"task.a": "bid_9"},
        see={"foreign": [bid(price=9.0)]},
    ),
    "an imported task of another size": Case(
        None, A, {"task.a": "replace"}, imports={"task.a": "bid_9"}, see={"foreign": [bid(count=2)]}
    ),
    "an imported task as it is": Case(
        None, A, {"task.a": "no-op"}, imports={"task.a": "bid_9"}, see={"foreign": [bid()]}
    ),
    "imported already": Case(V, V, imports={"volume.v": "vol_v"}, steps=[]),
    "imported over something": Case(
        V,
        V,
        imports={"volume.v": "vol_9"},
        see={"foreign": [seen(name="z")]},
        steps=[],
        errors=("vol_9 cannot be imported to volume.v: vol_v is recorded there",),
    ),
    "imported from another address": Case(
        V,
        f"volumes: {{v: {volume()}, w: {volume()}}}",
        {"volume.w": "create"},
        imports={"volume.w": "vol_v"},
        errors=("vol_v cannot be imported to volume.w: this stack has it as volume.v",),
    ),
    "imported and not there": Case(
        None,
        V,
        {"volume.v": "create"},
        {"volume.v": (NEW,)},
        imports={"volume.v": "vol_9"},
        errors=("There is no volume vol_9 in this project to import",),
    ),
    "imported and ended": Case(
        None,
        V,
        {"volume.v": "create"},
        imports={"volume.v": "vol_9"},
        see={"foreign": [seen(exists=False)]},
        errors=("There is no volume vol_9 in this project to import",),
    ),
    "imported by a name that two have": Case(
        None,
        V,
        {"volume.v": "create"},
        imports={"volume.v": "twin"},
        see={"foreign": [seen("vol_7", "twin"), seen("vol_8", "twin")]},
        errors=("2 volumes are called twin",),
    ),
    "imported to nothing": Case(
        None,
        "tasks: {}",
        imports={"volume.v": "vol_9"},
        see={"foreign": [seen()]},
        steps=[],
        errors=("vol_9 cannot be imported to volume.v, which is not declared",),
    ),
    "imported without looking": Case(
        None,
        V,
        {"volume.v": "create"},
        imports={"volume.v": "vol_9"},
        see=None,
        errors=("vol_9 cannot be imported without looking at the provider",),
    ),
    "one import claimed twice": Case(
        None,
        f"volumes: {{v: {volume('name: s-v')}, w: {volume()}}}",
        {"volume.v": "no-op", "volume.w": "create"},
        imports={"volume.v": "vol_9", "volume.w": "vol_9"},
        see={"foreign": [seen()]},
        errors=("vol_9 cannot be imported to volume.w: this stack has it as volume.v",),
    ),
    "destroy imports nothing": Case(
        None, V, imports={"volume.v": "vol_9"}, see={"foreign": [seen()]}, destroy=True, steps=[]
    ),
    "gone and let go of": Case(
        V,
        "tasks: {}",
        {"volume.v": "forget"},
        {"volume.v": ("removed names volume.v", GONE)},
        removed={"volume.v": False},
        see={"gone": ["volume.v"]},
    ),
}
