"""Random pairs of stacks of all three kinds: what was applied, and what is wanted now. Pure, from a seed."""

from __future__ import annotations

from random import Random
from typing import Any

from attrs import frozen
from plan_builders import stack
from plan_cases import with_life

from flowplan.lang.stack import Stack
from flowplan.plan.change import Mode

_CONDITIONS = ("created", "running", "completed")


@frozen
class Pair:
    """What was applied (None: nothing yet) and what is wanted; ``texts`` for whoever reads a failure."""

    before: Stack | None
    after: Stack
    mode: Mode
    texts: tuple[str, str]


def random_pair(seed: str) -> Pair:
    """The pair that a seed stands for."""
    chance = Random(seed)
    names = {
        "v": [f"v{n}" for n in range(chance.choice((0, 1, 2)))],
        "t": [f"t{n}" for n in range(chance.choice((0, 1, 2, 3)))],
        "r": [f"r{n}" for n in range(chance.choice((0, 0, 1, 2)))],
    }
    if not any(names.values()):
        names["t"] = ["t0"]
    old = {name: _traits(chance, name) for group in names.values() for name in group}
    new = {name: _edited(chance, traits) for name, traits in old.items()}
    was_there = {name for name in old if chance.random() < 0.65}
    stays = {name for name in old if chance.random() < 0.8} or set(old)
    first = {name for name in old if chance.random() < 0.3 and name.startswith("t")}
    destroys = bool(was_there) and chance.random() < 0.12
    for name in old.keys() - was_there:
        # Why: a reservation that is bought late in a schedule must not start in the past by then.
        new[name]["starts"] = old[name]["starts"] = "2026-12-01T00:00:00Z"
    before, text_before = _stack(old, was_there, first) if was_there else (None, "")
    if destroys:
        assert before is not None
        return Pair(before, before, Mode.DESTROY, (text_before, "destroy"))
    after, text_after = _stack(new, stays, first)
    return Pair(before, after, Mode.NORMAL, (text_before, text_after))


def _traits(chance: Random, name: str) -> dict[str, Any]:
    if name[0] == "v":
        return {
            "size_gb": chance.choice((10, 20)),
            "name": chance.choice((f"s-{name}", f"{name}-other")),
            "mount_path": chance.choice(("/x", "/y")),
        }
    mounts = {f"v{n}" for n in range(2) if chance.random() < 0.4}
    if name[0] == "r":
        return {
            "quantity": chance.choice((3, 2)),
            "hours": chance.choice((24, 36)),
            "mounts": mounts,
            "starts": "2026-11-23T12:00:00Z",
        }
    return {
        "price": chance.choice((3.0, 4.5)),
        "env": chance.choice(("", "", "a", "b")),
        "unique": chance.random() < 0.6,
        "ends": chance.random() < 0.3,
        "mounts": mounts,
        "needs": {f"t{n}": chance.choice(_CONDITIONS) for n in range(int(name[1:])) if chance.random() < 0.5},
    }


def _edited(chance: Random, traits: dict[str, Any]) -> dict[str, Any]:
    """The same resource after an edit: most traits stay, and a reservation only grows longer and smaller."""
    other = dict(traits)
    if "size_gb" in traits:
        if chance.random() < 0.3:
            other["size_gb"] = 30 - traits["size_gb"]
        if chance.random() < 0.3:
            other["name"] = traits["name"] + "x"
        if chance.random() < 0.2:
            other["mount_path"] = "/z"
        return other
    if chance.random() < 0.5:
        other["mounts"] = {f"v{n}" for n in range(2) if chance.random() < 0.5}
    if "hours" in traits:
        if chance.random() < 0.5:
            other["hours"] = traits["hours"] + 12
        if chance.random() < 0.5:
            other["quantity"] = traits["quantity"] - 1
        return other
    if chance.random() < 0.5:
        other["price"] = 7.5 - traits["price"]
    if chance.random() < 0.25:
        other["env"] = traits["env"] + "c"
    if chance.random() < 0.2:
        other["needs"] = {}
    return other


def _stack(traits: dict[str, dict[str, Any]], present: set[str], first: set[str]) -> tuple[Stack, str]:
    volumes, tasks, reservations = [], [], []
    for name in sorted(present):
        t = traits[name]
        if name[0] == "v":
            volumes.append(
                f"  {name}: {{size_gb: {t['size_gb']}, interface: file, name: {t['name']}, mount_path: {t['mount_path']}}}"
            )
            continue
        held = sorted(t["mounts"] & present)
        if name[0] == "r":
            listed = ", ".join(f"'{{{{ volume.{v} }}}}'" for v in held)
            reservations.append(
                f"  {name}: {{instance_type: 8xh100, quantity: {t['quantity']}, start_time_utc: '{t['starts']}', "
                f"duration_hours: {t['hours']}, volumes: [{listed}]}}"
            )
            continue
        mounts = ", ".join(f"{{volume: '{{{{ volume.{v} }}}}', mount_path: /{v}}}" for v in held)
        needs = ", ".join(
            f"task.{n}: {condition}" for n, condition in sorted(t["needs"].items()) if n in present
        )
        env = f", env: {{A: {t['env']}}}" if t["env"] else ""
        tasks.append(
            f"  {name}: {{command: echo hi, instance_type: a100, max_price_per_hour: {t['price']}, upload_code: false, "
            f"unique_name: {str(t['unique']).lower()}, terminate_on_exit: {str(t['ends']).lower()}{env}, "
            f"volumes: [{mounts}], depends_on: {{{needs}}}}}"
        )
    parts = [("volumes", volumes), ("tasks", tasks), ("reservations", reservations)]
    text = "".join(f"{word}:\n" + "\n".join(lines) + "\n" for word, lines in parts if lines)
    outputs = [
        f"  o_{name}: {{value: '{{{{ volume.{name} }}}}'}}" for name in sorted(present) if name[0] == "v"
    ]
    if outputs:
        text += "outputs:\n" + "\n".join(outputs) + "\n"
    text = text or "tasks: {}\n"
    life = {f"task.{name}": {"create_before_destroy": True} for name in first & present}
    return with_life(stack(text), life), text
