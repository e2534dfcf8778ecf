"""Real applies that are killed at random moments, and what must hold after each time they were left in peace."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from random import Random

from attrs import define, field
from flowplan_program import Ended, Project, Proxy, Served, finish

LOSING = ("--allow-data-loss", "**")
"""Whoever kills does not mind."""
TASK = (
    "  {name}: {{instance_type: a100, max_price_per_hour: {price}, upload_code: false, "
    "command: 'true', env: {{A: '{env}'}}, unique_name: {unique}, volumes: [{mounts}], depends_on: [{needs}]}}\n"
)


def random_stack(chance: Random) -> str:
    """A stack of a few volumes and tasks; two of them differ in what is there, in prices, mounts, names and scripts."""
    volumes = [n for n in range(4) if chance.random() < 0.75]
    tasks = [n for n in range(6) if chance.random() < 0.75]
    text = "stack: kills\nprovider: {region: us-central1-b}\n"
    if volumes:
        text += "volumes:\n" + "".join(
            f"  v{n}: {{size_gb: {chance.choice((1, 1, 1, 2))}, interface: file, name: kills-v{n}{chance.choice(('', '', 'x'))}}}\n"
            for n in volumes
        )
    text += "tasks:\n" if tasks else "tasks: {}\n"
    for n in tasks:
        held = [v for v in volumes if chance.random() < 0.4]
        needs = [f"task.t{m}" for m in tasks if m < n and chance.random() < 0.2]
        text += TASK.format(
            name=f"t{n}",
            price=chance.choice((3.0, 3.0, 4.0)),
            env=chance.choice("aab"),
            unique=chance.choice(("true", "true", "false")),
            mounts=", ".join(f"{{volume: '{{{{ volume.v{v} }}}}', mount_path: /v{v}}}" for v in held),
            needs=", ".join(needs),
        )
    return text


class Trap(Proxy):
    """A proxy that calls ``strike`` at a certain request of the process it is set for."""

    def __init__(self, target: str) -> None:
        self._left = 0
        self._when = ""
        self._strike: Callable[[], None] = lambda: None
        super().__init__(target)

    def set(self, number: int, when: str, strike: Callable[[], None]) -> None:
        """``strike`` at the ``number``-th request from now on, ``before`` it is handed on or ``after`` it was answered."""
        with self._lock:
            self._left, self._when, self._strike = number, when, strike

    def _forward(self, content: bytes) -> bytes:
        with self._lock:
            self._left -= 1
            is_it = self._left == 0
        if is_it and self._when == "before":
            self._strike()
        answer = super()._forward(content)
        if is_it and self._when == "after":
            self._strike()
        return answer


@define
class Soak:
    """Kills, counted. ``kills`` are real: the process was alive when it was struck."""

    project: Project
    served: Served
    trap: Trap
    seed: int
    kills: int = 0
    signals: int = 0
    missed: int = 0
    phases: int = 0
    adopted: int = 0
    by_moment: dict[str, int] = field(factory=dict)

    def run(self, kills: int) -> None:
        """Go on until there were so many kills.

        Raises:
            AssertionError: something was orphaned, doubled or lost, or the lock needs a person.
        """
        chance = Random(self.seed)
        while self.kills < kills:
            command = ["apply", *LOSING, "--auto-approve", "--parallelism", str(chance.choice((1, 3, 10)))]
            if chance.random() < 0.15:
                command = ["destroy", "--auto-approve"]
            self.project.write(random_stack(chance))
            for _ in range(chance.randint(2, 6)):
                if self.kills < kills:
                    self._strike(chance, command)
            self._peace(command)
            self.phases += 1

    def _strike(self, chance: Random, command: list[str]) -> None:
        how = chance.choice(("before", "after", "after", "time"))
        number = chance.randint(1, 45)
        signals = [signal.SIGKILL]
        if chance.random() < 0.15:
            signals = chance.choice(
                ([signal.SIGHUP], [signal.SIGINT, signal.SIGINT], [signal.SIGTERM, signal.SIGKILL])
            )
        late = chance.choice((0.0, 0.0, 0.002, 0.01, 0.05))
        process = self.project.start(*command)

        def strike() -> None:
            time.sleep(late)
            for one in signals:
                process.send_signal(one)

        if how == "time":
            try:
                process.wait(chance.uniform(0.1, 2.0))
            except subprocess.TimeoutExpired:
                strike()
        else:
            self.trap.set(number, how, strike)
        ended = finish(process)
        self.trap.set(0, "", lambda: None)
        self.adopted += ended.out.count("adopted [id=")
        if ended.code == -signal.SIGKILL:
            self.kills += 1
            self.by_moment[how] = self.by_moment.get(how, 0) + 1
        elif ended.code in (129, 130, 143, -signal.SIGHUP, -signal.SIGTERM, -signal.SIGINT):
            self.signals += 1
        else:
            self.missed += 1
            assert ended.code in (0, 5, 9), ended

    def _peace(self, command: list[str]) -> None:
        ended: Ended = self.project.run(*command, code=0)
        self.adopted += ended.out.count("adopted [id=")
        listed = self.project.run("state", "list", "--json")
        assert listed.code == 0 or "Nothing is recorded" in listed.err, listed
        rows = listed.json()["resources"] if listed.code == 0 else []
        recorded = sorted(row["id"] for row in rows)
        assert recorded == self.served.live_ids(), (recorded, self.served.live_ids(), ended)
        assert len({row["name"] for row in rows}) == len(rows)
        plan = self.project.run("plan", *(["--destroy"] if command[0] == "destroy" else LOSING), code=0)
        assert "No changes." in plan.out and "interrupted" not in plan.out, plan


def soak(project: Project, served: Served, seed: int, kills: int) -> Soak:
    """Kill so many times, with the proxy that this needs."""
    project.env["FLOWPLAN_VISIBILITY_WINDOW"] = (
        "1s"  # these lists lag by nothing, and waiting is no part of it
    )
    trap = Trap(served.url)
    served.use(trap.url)
    try:
        made = Soak(project, served, trap, seed)
        made.run(kills)
        return made
    finally:
        trap.close()
