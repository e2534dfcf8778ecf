"""Volumes and attachments: what loses data, who may hold what, and in which order hands change."""

from __future__ import annotations

from plan_builders import task, volume
from plan_cases import ALL, Case

V, W = f"v: {volume()}", f"w: {volume()}"
B, C = V.replace("file", "block"), W.replace("file", "block")
MOUNT = "volumes: [{volume: '{{ volume.%s }}', mount_path: /%s}]"
MV, MW = MOUNT % ("v", "v"), MOUNT % ("w", "w")
TWO = "volumes: [{volume: '{{ volume.v }}', mount_path: /v}, {volume: '{{ volume.w }}', mount_path: /w}]"
RES = "{instance_type: 8xh100, start_time_utc: 2026-12-01T00:00:00Z, duration_hours: 24, volumes: [%s]}"
RV, RW, RVW, R0 = (
    RES % "'{{ volume.v }}'",
    RES % "'{{ volume.w }}'",
    RES % "'{{ volume.v }}', '{{ volume.w }}'",
    RES % "",
)


def world(volumes: str, tasks: str = "", reservations: str = "") -> str:
    return f"volumes: {{{volumes}}}\ntasks: {{{tasks}}}\nreservations: {{{reservations}}}"


LOST = "DATA LOSS: volume.v would be destroyed"
ANEW = "DATA LOSS: volume.v would be destroyed and made anew, empty"
V_DATA = {"volume.v": ("DATA",)}

WAITS = "depends_on: [task.a]"

CASES = {
    # -- letting go in time
    "what waits for the replacement of a volume lets go of the old one first": Case(
        world(V, f"a: {task(MV)}, b: {task(f'{MV}, {WAITS}')}"),
        world(V.replace("10", "20"), f"a: {task(MV)}, b: {task(WAITS)}"),
        {"volume.v": "replace", "task.a": "replace", "task.b": "update"},
        asked={"allow_data_loss": ("volume.v",)},
        steps=[
            "delete task.a",
            "detach task.b",
            "delete volume.v",
            "create volume.v",
            "create task.a",
            "update task.b",
        ],
    ),
    "what waits by way of another update lets go of the old one first": Case(
        world(
            f"{V}, {W}",
            f"a: {task(MV)}, b: {task(f'{MW}, {WAITS}')}, c: {task(f'{MV}, depends_on: [task.b]')}",
        ),
        world(
            f"{V.replace('10', '20')}, {W}",
            f"a: {task(MV)}, b: {task(WAITS)}, c: {task('depends_on: [task.b]')}",
        ),
        {"volume.v": "replace", "task.a": "replace", "task.b": "update", "task.c": "update"},
        asked={"allow_data_loss": ("volume.v",)},
        steps=[
            "delete task.a",
            "detach task.c",
            "delete volume.v",
            "create volume.v",
            "create task.a",
            "update task.b",
            "update task.c",
        ],
    ),
    "a volume takes the name that another gives up": Case(
        world(f"v: {volume()}, w: {volume('name: two')}"),
        world(f"v: {volume('name: two')}, w: {volume('name: three')}"),
        {"volume.v": "update", "volume.w": "update"},
        steps=["update volume.w", "update volume.v"],
    ),
    "a new volume takes the name that another gives up": Case(
        world(f"w: {volume('name: two')}"),
        world(f"v: {volume('name: two')}, w: {volume('name: three')}"),
        {"volume.v": "create", "volume.w": "update"},
        steps=["update volume.w", "create volume.v"],
    ),
    "volumes that would exchange their names": Case(
        world(f"v: {volume('name: one')}, w: {volume('name: two')}"),
        world(f"v: {volume('name: two')}, w: {volume('name: one')}"),
        {"volume.v": "update", "volume.w": "update"},
        errors=("volume.v and volume.w would exchange their names",),
    ),
    "a volume is swapped for one that takes over its name": Case(
        world(f"v: {volume('name: one')}", f"a: {task(MV)}"),
        world(f"w: {volume('name: one').replace('10', '20')}", f"a: {task(MW)}"),
        {"volume.v": "delete", "volume.w": "create", "task.a": "replace"},
        asked=ALL,
        steps=["delete task.a", "delete volume.v", "create volume.w", "create task.a"],
    ),
    "a reservation swaps a volume for one that takes over its name": Case(
        world(f"v: {volume('name: one')}", "", f"r: {RV}"),
        world(f"w: {volume('name: one').replace('10', '20')}", "", f"r: {RW}"),
        {"volume.v": "delete", "volume.w": "create", "reservation.r": "update"},
        asked=ALL,
        steps=["detach reservation.r", "delete volume.v", "create volume.w", "update reservation.r"],
    ),
    "a reservation lets go of a volume that is made anew": Case(
        world(V, "", f"r: {RV}"),
        world(V.replace("10", "20"), "", f"r: {RV}"),
        {"volume.v": "replace", "reservation.r": "update"},
        asked={"allow_data_loss": ("volume.v",)},
        steps=["detach reservation.r", "delete volume.v", "create volume.v", "update reservation.r"],
    ),
    "what another hand has attached is taken off before it is destroyed": Case(
        world(V, f"z: {task()}"),
        world("", f"z: {task()}"),
        {"volume.v": "delete", "task.z": "update"},
        see={"drift": {"task.z": {"volume_ids": ["vol_v"]}}},
        asked=ALL,
        steps=["update task.z", "delete volume.v"],
    ),
    "what waits for nothing new lets go in one request": Case(
        world(V, f"b: {task(MV)}"),
        world("", f"b: {task()}"),
        {"volume.v": "delete", "task.b": "update"},
        asked={"allow_data_loss": ("volume.v",)},
        steps=["update task.b", "delete volume.v"],
    ),
    # -- data loss
    "a removed volume is refused": Case(
        world(V), world(""), {"volume.v": "delete"}, errors=(LOST,), code=4, losses=V_DATA
    ),
    "another size is refused": Case(
        world(V), world(V.replace("10", "20")), {"volume.v": "replace"}, errors=(ANEW,), code=4, losses=V_DATA
    ),
    "a smaller size is refused too": Case(
        world(V), world(V.replace("10", "5")), {"volume.v": "replace"}, errors=(ANEW,), code=4
    ),
    "another interface is refused": Case(world(V), world(B), {"volume.v": "replace"}, errors=(ANEW,), code=4),
    "allowed by its address": Case(
        world(V), world(""), {"volume.v": "delete"}, asked={"allow_data_loss": ("volume.v",)}, losses=V_DATA
    ),
    "allowed by a glob": Case(
        world(V), world(""), {"volume.v": "delete"}, asked={"allow_data_loss": ("volume.*",)}
    ),
    "allowed for another": Case(
        world(V),
        world(""),
        {"volume.v": "delete"},
        asked={"allow_data_loss": ("volume.w",)},
        errors=(LOST,),
        code=4,
    ),
    "allowed for money only": Case(
        world(V),
        world(""),
        {"volume.v": "delete"},
        asked={"allow_commitment_loss": ("**",)},
        errors=(LOST,),
        code=4,
    ),
    "allowed by what is no address": Case(
        world(V),
        world(V),
        asked={"allow_data_loss": ("a b",)},
        errors=("--allow-data-loss a b cannot be read",),
        steps=[],
    ),
    "one of two is allowed": Case(
        world(f"{V}, {W}"),
        world(""),
        {"volume.v": "delete", "volume.w": "delete"},
        asked={"allow_data_loss": ("volume.w",)},
        errors=(LOST,),
        code=4,
    ),
    "another mistake besides": Case(
        world(V),
        world("", "a: {command: hi, instance_type: it_x, upload_code: false}"),
        {"volume.v": "delete", "task.a": "create"},
        errors=("task.a has no price", LOST),
        code=1,
    ),
    "destroy is asked for": Case(world(V), world(V), {"volume.v": "delete"}, destroy=True, losses=V_DATA),
    "a gone volume loses nothing more": Case(
        world(V), world(""), {"volume.v": "forget"}, see={"gone": ["volume.v"]}, losses={"volume.v": ()}
    ),
    "a renamed volume loses nothing": Case(
        world(V), world(f"v: {volume('name: other')}"), {"volume.v": "update"}, losses={"volume.v": ()}
    ),
    "a task's boot disk is no data of a volume": Case(
        world("", f"a: {task()}"),
        world("", f"a: {task('image: x')}"),
        {"task.a": "replace"},
        losses={"task.a": ("WORK", "BOOT_DISK", "QUEUE_AGE")},
    ),
    # -- shared and exclusive volumes
    "a shared volume on many": Case(
        None,
        world(V, f"a: {task(MV)}, b: {task(MV + ', num_instances: 4')}"),
        {"volume.v": "create", "task.a": "create", "task.b": "create"},
    ),
    "a block volume on one": Case(
        None, world(B, f"a: {task(MV)}"), {"volume.v": "create", "task.a": "create"}
    ),
    "a block volume on two tasks": Case(
        None,
        world(B, f"a: {task(MV)}, b: {task(MV)}"),
        {"volume.v": "create", "task.a": "create", "task.b": "create"},
        errors=("task.a and task.b both use volume.v, which can be used by one at a time",),
    ),
    "a block volume on two tasks in turn": Case(
        None,
        world(
            B,
            f"a: {task(MV + ', terminate_on_exit: true')}, b: {task(MV + ', depends_on: {task.a: completed}')}",
        ),
        {"volume.v": "create", "task.a": "create", "task.b": "create"},
        steps=["create volume.v", "create task.a", "await task.a completed", "create task.b"],
    ),
    "a block volume on two tasks in turn, the first not ending": Case(
        None,
        world(B, f"a: {task(MV)}, b: {task(MV + ', depends_on: {task.a: completed}')}"),
        {"volume.v": "create", "task.a": "create", "task.b": "create"},
        errors=("task.a and task.b both use volume.v, which can be used by one at a time",),
    ),
    "a block volume on two reservations": Case(
        None,
        world(B, "", f"r: {RV}, q: {RV}"),
        {"volume.v": "create", "reservation.q": "create", "reservation.r": "create"},
        errors=("reservation.q and reservation.r both use volume.v, which can be used by one at a time",),
    ),
    "a block volume goes from one task to another": Case(
        world(f"{B}, {C}", f"a: {task(TWO)}, b: {task()}"),
        world(f"{B}, {C}", f"a: {task(MV)}, b: {task(MW)}"),
        {"task.a": "update", "task.b": "replace"},
        {},
        ["update task.a", "delete task.b", "create task.b"],
    ),
    "a block volume goes from a replaced task": Case(
        world(B, f"a: {task(MV)}, b: {task()}"),
        world(B, f"a: {task('image: x')}, b: {task(MV)}"),
        {"task.a": "replace", "task.b": "replace"},
    ),
    "a block volume goes from a removed task": Case(
        world(B, f"a: {task(MV)}"),
        world(B, f"b: {task(MV)}"),
        {"task.a": "delete", "task.b": "create"},
        {},
        ["delete task.a", "create task.b"],
        warnings=("task.a and task.b look like one resource with a new name",),
    ),
    # -- attachments of reservations
    "attached in place": Case(
        world(V, "", f"r: {R0}"),
        world(V, "", f"r: {RV}"),
        {"reservation.r": "update"},
        {"reservation.r": ("volumes changed in the stack",)},
        ["update reservation.r"],
    ),
    "detached in place": Case(
        world(V, "", f"r: {RV}"),
        world(V, "", f"r: {R0}"),
        {"reservation.r": "update"},
        {},
        ["update reservation.r"],
    ),
    "a new volume is made before it is attached": Case(
        world(V, "", f"r: {RV}"),
        world(f"{V}, {W}", "", f"r: {RVW}"),
        {"volume.w": "create", "reservation.r": "update"},
        {},
        ["create volume.w", "update reservation.r"],
    ),
    "a volume is detached before it is destroyed": Case(
        world(f"{V}, {W}", "", f"r: {RVW}"),
        world(V, "", f"r: {RV}"),
        {"volume.w": "delete", "reservation.r": "update"},
        {},
        ["update reservation.r", "delete volume.w"],
        asked=ALL,
    ),
    "one off, another on": Case(
        world(f"{V}, {W}", "", f"r: {RV}"),
        world(f"{V}, {W}", "", f"r: {RW}"),
        {"reservation.r": "update"},
        {},
        ["detach reservation.r", "update reservation.r"],
    ),
    "two swap their block volumes": Case(
        world(f"{B}, {C}", "", f"r: {RV}, q: {RW}"),
        world(f"{B}, {C}", "", f"r: {RW}, q: {RV}"),
        {"reservation.q": "update", "reservation.r": "update"},
        {},
        ["detach reservation.q", "detach reservation.r", "update reservation.q", "update reservation.r"],
    ),
    "taken off by another hand": Case(
        world(V, "", f"r: {RV}"),
        world(V, "", f"r: {RV}"),
        {"reservation.r": "update"},
        {"reservation.r": ("volume_ids was changed outside of flowplan",)},
        see={"drift": {"reservation.r": {"volume_ids": []}}},
    ),
    "the order of volumes does not matter": Case(
        world(f"{V}, {W}", "", f"r: {RVW}"),
        world(f"{V}, {W}", "", f"r: {RVW}"),
        see={"drift": {"reservation.r": {"volume_ids": ["vol_w", "vol_v"]}}},
        steps=[],
    ),
    # -- names
    "a name passes to another volume": Case(
        world(f"v: {volume('name: one')}"),
        world(f"w: {volume('name: one').replace('10', '20')}"),
        {"volume.v": "delete", "volume.w": "create"},
        {},
        ["delete volume.v", "create volume.w"],
        asked=ALL,
    ),
}
