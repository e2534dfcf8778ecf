"""Random stacks, as text, and random edits of them: all kinds, references, for_each, orders and lifecycles."""

from __future__ import annotations

import random
from typing import Any

from attrs import define, field

VOLUMES, TASKS, RESERVATIONS = "uvw", "abcd", "r"
_LIFECYCLES: tuple[str, ...] = (
    "rerun: never", "rerun: always", "on_lost: keep", "create_before_destroy: true", "ignore_changes: [max_price_per_hour]",
    "ignore_changes: [env.*]", "on_remove: retain", "prevent_destroy: true",
)  # fmt: skip

_VOLUME_LIFECYCLES: tuple[str, ...] = (
    "", "", "", "", "on_remove: retain", "prevent_destroy: true", "create_before_destroy: true",
)  # fmt: skip


@define
class Body:
    """One declaration; ``fields`` are written as they are."""

    fields: dict[str, Any]
    mounts: tuple[str, ...] = ()
    waits: dict[str, str] = field(factory=dict)
    lifecycle: str = ""
    keys: tuple[str, ...] = ()
    trigger: str = ""


@define
class Draft:
    """A stack that is being edited."""

    volumes: dict[str, Body] = field(factory=dict)
    tasks: dict[str, Body] = field(factory=dict)
    reservations: dict[str, Body] = field(factory=dict)
    output: str = ""

    def text(self) -> str:
        """The stack file."""
        lines = ["stack: s", "provider: {region: us-central1-b}"]
        for section in ("volumes", "reservations", "tasks"):
            bodies: dict[str, Body] = getattr(self, section)
            if bodies:
                lines.append(f"{section}:")
            for name, body in bodies.items():
                lines.append(f"  {name}:")
                lines += [f"    {line}" for line in self._body(body)]
        if self.output in self.volumes:
            lines.append(f'outputs: {{o: {{value: "at {{{{ volume.{self.output}.volume_id }}}}"}}}}')
        return "\n".join(lines) + "\n"

    def _body(self, body: Body) -> list[str]:
        lines = [f"{name}: {value}" for name, value in body.fields.items()]
        if body.keys:
            lines.append(f"for_each: [{', '.join(body.keys)}]")
        reserved = "quantity" in body.fields
        many = reserved or "num_instances" in body.fields
        mounts = [
            f'"{{{{ volume.{v} }}}}"' if reserved else f'{{volume: "{{{{ volume.{v} }}}}", mount_path: /{v}}}'
            for v in body.mounts
            if v in self.volumes and not (many and self.volumes[v].fields["interface"] == "block")
        ]
        if mounts:
            lines.append(f"volumes: [{', '.join(mounts)}]")
        waits = [f"task.{name}: {how}" for name, how in body.waits.items() if name in self.tasks]
        if waits:
            lines.append(f"depends_on: {{{', '.join(waits)}}}")
        words = [body.lifecycle] if body.lifecycle else []
        if body.trigger in self.volumes:
            words.append(f"replace_triggered_by: [volume.{body.trigger}]")
        if words:
            lines.append(f"lifecycle: {{{', '.join(words)}}}")
        return lines


def _volume(chance: random.Random) -> Body:
    body = Body(
        {"size_gb": chance.choice((10, 20)), "interface": chance.choice(("file", "file", "file", "block"))}
    )
    if chance.random() < 0.2:
        body.fields["name"] = chance.choice(("one", "two"))
    body.lifecycle = chance.choice(_VOLUME_LIFECYCLES)
    return body


def _task(chance: random.Random, draft: Draft, name: str) -> Body:
    body = Body(
        {
            "command": chance.choice(("echo hi", "echo ho")),
            "instance_type": "a100",
            "max_price_per_hour": chance.choice((3.0, 4.0)),
            "upload_code": "false",
        }
    )
    if chance.random() < 0.3:
        body.fields["env"] = f"{{A: '{chance.randint(1, 2)}'}}"
    if chance.random() < 0.3:
        body.fields["num_instances"] = 2
    if chance.random() < 0.25:
        body.keys = tuple(sorted(chance.sample(("x", "y", "z"), chance.randint(1, 2))))
    body.mounts = tuple(v for v in draft.volumes if chance.random() < 0.4)
    # Only earlier names, so that there is no circle.
    body.waits = {
        other: chance.choice(("created", "completed"))
        for other in TASKS[: TASKS.index(name)]
        if other in draft.tasks and chance.random() < 0.3
    }
    if chance.random() < 0.35:
        body.lifecycle = chance.choice(_LIFECYCLES)
    if draft.volumes and chance.random() < 0.1:
        body.trigger = chance.choice(sorted(draft.volumes))
    return body


def _reservation(chance: random.Random, draft: Draft) -> Body:
    body = Body(
        {
            "instance_type": "a100",
            "quantity": chance.choice((2, 3)),
            "start_time_utc": "2026-12-01T00:00:00Z",
            "duration_hours": chance.choice((24, 48)),
            "region": "us-central1-b",
        }
    )
    body.mounts = tuple(v for v in draft.volumes if chance.random() < 0.3)
    return body


def make(chance: random.Random) -> Draft:
    """A random stack."""
    draft = Draft()
    for name in VOLUMES:
        if chance.random() < 0.5:
            draft.volumes[name] = _volume(chance)
    for name in TASKS:
        if chance.random() < 0.6:
            draft.tasks[name] = _task(chance, draft, name)
    if chance.random() < 0.2:
        draft.reservations["r"] = _reservation(chance, draft)
    if draft.volumes and chance.random() < 0.3:
        draft.output = chance.choice(sorted(draft.volumes))
    return draft


def edit(chance: random.Random, draft: Draft) -> str:
    """One random edit in place; says what was done."""
    kind = chance.randrange(11)
    if kind == 0:
        name = chance.choice(VOLUMES)
        if draft.volumes.pop(name, None) is None:
            draft.volumes[name] = _volume(chance)
            return f"add volume.{name}"
        return f"remove volume.{name}"
    if kind in (1, 2):
        name = chance.choice(TASKS)
        if draft.tasks.pop(name, None) is None:
            draft.tasks[name] = _task(chance, draft, name)
            return f"add task.{name}"
        return f"remove task.{name}"
    if kind == 9:
        if not draft.volumes:
            return "nothing"
        name = chance.choice(sorted(draft.volumes))
        draft.volumes[name] = _volume(chance)
        return f"another volume.{name}"
    if kind == 10:
        for bodies in (draft.volumes, draft.tasks):
            for body in bodies.values():
                body.lifecycle = body.lifecycle.replace("prevent_destroy: true", "prevent_destroy: false")
        return "protections lifted"
    if kind == 3:
        if "r" in draft.reservations:
            body = draft.reservations["r"]
            if chance.random() < 0.3:
                del draft.reservations["r"]
                return "remove reservation.r"
            if chance.random() < 0.4:
                body.mounts = tuple(v for v in draft.volumes if chance.random() < 0.4)
                return "mounts of reservation.r"
            body.fields["duration_hours"] += 24
            return "extend reservation.r"
        draft.reservations["r"] = _reservation(chance, draft)
        return "add reservation.r"
    if not draft.tasks:
        return "nothing"
    name = chance.choice(sorted(draft.tasks))
    body = draft.tasks[name]
    if kind == 4:
        body.fields["max_price_per_hour"] = chance.choice((3.0, 4.0, 5.0))
        return f"price of task.{name}"
    if kind == 5:
        body.fields["command"] = chance.choice(("echo hi", "echo ho", "echo hu"))
        return f"command of task.{name}"
    if kind == 6:
        body.mounts = tuple(v for v in draft.volumes if chance.random() < 0.4)
        return f"mounts of task.{name}"
    if kind == 7 and body.keys:
        body.keys = tuple(sorted(chance.sample(("x", "y", "z"), chance.randint(1, 3))))
        return f"keys of task.{name}"
    fresh = _task(chance, draft, name)
    if kind == 7:
        body.waits, body.lifecycle, body.trigger = fresh.waits, fresh.lifecycle, fresh.trigger
        return f"orders and lifecycle of task.{name}"
    draft.tasks[name] = fresh
    return f"another task.{name}"
