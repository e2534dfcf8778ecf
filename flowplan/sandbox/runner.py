"""What the simulated provider does to real processes and folders: starting and stopping machines, wiping disks."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from flowplan.sandbox import process
from flowplan.sandbox.boots import has_hooks
from flowplan.sandbox.enclosure import SIGNALS
from flowplan.sandbox.world.records import Instance, Rules
from flowplan.sandbox.world.world import Effect, World

NOTICE = "MITHRIL_SIGNAL.yml"
_REAP_AT = 32


class Runner:
    """Performs effects in one sandbox's folder. Every effect may be performed twice without harm."""

    def __init__(self, home: Path, boot_delay_s: float, enclose: bool = True) -> None:
        self._instances = home.absolute() / "instances"
        self._volumes = home.absolute() / "volumes"
        self._boot_delay_s = boot_delay_s
        self._enclose = enclose
        self._children: list[int] = []

    def perform(self, world: World, effect: Effect, now: datetime) -> None:
        """Do what an effect says, unless the world has gone on and it is no longer so.

        ``now`` is the world's time; while it stands still, what has not booted by then does not boot.
        """
        if effect.verb == "wipe":
            _remove(self._volumes / effect.fid)
            self._lock_of(effect.fid).unlink(missing_ok=True)
            return
        instance = world.instances.get(effect.fid)
        folder = self._instances / effect.fid
        if effect.verb == "stop":
            _stop(folder, effect.boots)
        elif effect.verb == "notice":
            if instance is not None and folder.is_dir():
                _notify(folder, instance, world)
        elif effect.verb == "refresh":
            if instance is not None and (instance.boots, instance.state) == (effect.boots, "PAUSED"):
                process.wait_gone(folder / "supervisor.json", 10)
                _remove(folder / "root")
                (folder / "booted").unlink(missing_ok=True)
        elif (
            instance is not None
            and instance.boots == effect.boots
            and instance.state in ("RUNNING", "PREEMPTING")
        ):
            if effect.verb == "boot":
                _hurry(folder, _left_s(world, instance, now))
            else:
                self._start(world, instance, folder, now)

    def reset(self) -> None:
        """End every machine and remove every instance and volume."""
        folders = list(self._instances.iterdir()) if self._instances.is_dir() else []
        for folder in folders:
            _stop(folder, sys.maxsize)
        for folder in folders:
            if not process.wait_gone(folder / "supervisor.json", 10):
                process.send(folder / "first.json", signal.SIGKILL)
                process.send(folder / "supervisor.json", signal.SIGKILL)
                process.wait_gone(folder / "supervisor.json", 10)
        self._reap()
        _remove(self._instances)
        _remove(self._volumes)

    def _start(self, world: World, instance: Instance, folder: Path, now: datetime) -> None:
        order = world.bids.get(instance.bid or "") or world.reservations[instance.reservation or ""]
        volumes, locks = {}, []
        for fid in order.launch.volumes:
            (self._volumes / fid).mkdir(parents=True, exist_ok=True)
            volumes[world.volumes[fid].name] = str(self._volumes / fid)
            if world.volumes[fid].interface == "Block":
                locks.append(str(self._lock_of(fid)))
        nodes = [world.instances[fid] for fid in order.instances]
        script = None if order.launch.script is None else world.texts.read(order.launch.script)
        folder.mkdir(parents=True, exist_ok=True)
        _notify(folder, instance, world)
        process.write_atomically(
            folder / "spec.json",
            {
                "name": instance.name,
                "script": script,
                "environment": _environment(instance, nodes),
                "hosts": _hosts(nodes),
                "volumes": volumes,
                "locks": locks,
                "show": [sys.base_prefix],
                "boot_delay_s": _left_s(world, instance, now),
                "limits": _limits(world.rules),
                "enclose": self._enclose,
                "boots": instance.boots,
            },
        )
        if not script or ((folder / "booted").exists() and not has_hooks(folder)):
            return
        if len(self._children) >= _REAP_AT:
            self._reap()
        arguments = [str(folder), str(instance.boots)]
        self._children.append(
            process.start("flowplan.sandbox.supervisor", arguments, folder / "supervisor.log")
        )

    def _lock_of(self, volume: str) -> Path:
        """What a machine holds while it may write to a volume that has one writer."""
        return self._volumes / f"{volume}.lock"

    def _reap(self) -> None:
        left = []
        for pid in self._children:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    left.append(pid)
        self._children = left


def _stop(folder: Path, boots: int) -> None:
    """Have a machine's processes ended, whatever stage its start is at; does not wait for the end."""
    if not folder.is_dir():
        return
    process.write_atomically(folder / "stop", {"boots": boots})
    if not process.send(folder / "supervisor.json", signal.SIGTERM):
        process.send(folder / "first.json", signal.SIGTERM)


def _notify(folder: Path, instance: Instance, world: World) -> None:
    """Leave the notice of preemption where the machine looks for it, or take it away (provider.md 2.1).

    What the provider writes into it is not published; that it is there is what counts.
    """
    place = folder / SIGNALS
    place.mkdir(exist_ok=True)
    if instance.state != "PREEMPTING":
        (place / NOTICE).unlink(missing_ok=True)
        return
    bid = world.bids[instance.bid or ""]
    ends = "" if bid.due_at is None else bid.due_at.isoformat()
    draft = place / f".{NOTICE}"
    draft.write_text(f"signal: PREEMPTING\ninstance: {instance.fid}\nbid: {bid.fid}\nends_at: {ends}\n")
    draft.replace(place / NOTICE)


def _left_s(world: World, instance: Instance, now: datetime) -> float | None:
    """How long a machine still boots, in seconds; None if it does and the clock stands still."""
    if instance.running_at is None or instance.running_at <= now:
        return 0.0
    return None if world.clock.frozen_at is not None else (instance.running_at - now).total_seconds()


def _hurry(folder: Path, left_s: float | None) -> None:
    """Tell a machine that still boots how long, after the clock was moved."""
    spec = process.read_json(folder / "spec.json")
    if spec is not None:
        process.write_atomically(folder / "spec.json", {**spec, "boot_delay_s": left_s})
        process.send(folder / "supervisor.json", signal.SIGUSR1)


def _limits(rules: Rules) -> dict[str, int]:
    """What a process of a machine may use, by the names of the resource limits."""
    found = {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": rules.open_files}
    if rules.memory_gb is not None:
        found["RLIMIT_AS"] = int(rules.memory_gb * (1 << 30))
    if rules.processes is not None:
        found["RLIMIT_NPROC"] = rules.processes
    return found


def _environment(instance: Instance, nodes: list[Instance]) -> dict[str, str]:
    return {
        "USER": "root",
        "LOGNAME": "root",
        "LANG": "C.UTF-8",
        "SHELL": "/bin/bash",
        "HOSTNAME": instance.name,
        "NODE_RANK": str([node.fid for node in nodes].index(instance.fid)),
        "NUM_NODES": str(len(nodes)),
        "HEAD_NODE": nodes[0].name,
        "HEAD_NODE_IP": nodes[0].private_ip,
    }


def _hosts(nodes: list[Instance]) -> str:
    # The head node comes last, as on the provider's machines.
    lines = [f"{node.private_ip} {node.name}" for node in reversed(nodes)]
    return "\n".join(["127.0.0.1 localhost", "::1 localhost", *lines, ""])


def _remove(path: Path) -> None:
    """Remove a folder with everything in it, also what its machine made unreadable."""

    def retry(action: Callable[..., Any], name: str, _: Any) -> None:
        for place in (Path(name).parent, Path(name)):
            with contextlib.suppress(OSError):
                if not place.is_symlink():
                    place.chmod(stat.S_IMODE(place.lstat().st_mode) | 0o700)
        with contextlib.suppress(OSError):
            if Path(name).is_dir() and not Path(name).is_symlink():
                shutil.rmtree(name, ignore_errors=True)
            else:
                action(name)

    shutil.rmtree(path, onerror=retry)
