"""Processes by identity: a number alone may come to mean another process, a number and a start time cannot.

Standard library only: supervisors import this.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_PACKAGES = str(Path(__file__).resolve().parents[2])
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from importlib import import_module; "
    "sys.exit(import_module(sys.argv[2]).main(sys.argv[3:]))"
)


def python(module: str, arguments: Sequence[str]) -> list[str]:
    """The argv of a new Python that calls ``main(arguments)`` of a module of ours, and knows nothing else."""
    return [sys.executable, "-I", "-S", "-c", _START, _PACKAGES, module, *arguments]


def start(module: str, arguments: Sequence[str], log: Path) -> int:
    """Start `python` in a session of its own, its output in ``log``; its number.

    Raises:
        OSError: the system has no room for it.
    """
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        return os.posix_spawn(
            sys.executable,
            python(module, arguments),
            {"PATH": os.defpath, "LANG": "C.UTF-8"},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(output)
        os.close(nothing)


def write_atomically(path: Path, document: object) -> None:
    """Write JSON so that a reader sees all of it or the file that was there before."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.write_text(json.dumps(document))
    draft.replace(path)


def read_json(path: Path) -> dict[str, object] | None:
    """The JSON object in a file; None if there is no such file or it holds none."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def identify(pid: int) -> dict[str, object] | None:
    """What tells a running process from every other, past or future; None if it runs no more."""
    fields = _stat(pid)
    if fields is None or fields[0] in ("Z", "X"):
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return {"pid": pid, "start": int(fields[19]), "boot": boot}


def find(path: Path) -> int | None:
    """The number of the process that a file of `identify` names, if that very process still runs."""
    known = read_json(path)
    if known is None or not isinstance(pid := known.get("pid"), int):
        return None
    return pid if identify(pid) == {key: known.get(key) for key in ("pid", "start", "boot")} else None


def send(path: Path, number: int) -> bool:
    """Signal the process that a file names; False if it runs no more."""
    pid = find(path)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    return True


def wait_gone(path: Path, timeout_s: float) -> bool:
    """Wait until the process that a file names has ended; False if it still runs after the time."""
    pid = find(path)
    if pid is None:
        return True
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout_s)[0])
    finally:
        os.close(descriptor)


def descendants(root: int) -> list[int]:
    """Every process below ``root``, however deep, without ``root``."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        fields = _stat(int(entry.name))
        if fields is not None and fields[0] not in ("Z", "X"):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def kill_below(root: int, number: int = signal.SIGKILL) -> int:
    """Signal everything below ``root``; how many there were."""
    below = descendants(root)
    for pid in below:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return len(below)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat after the name: state, parent, group, …"""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()
