"""Starting something inside a machine: ``main`` is a program of its own, the parent of what it starts.

A machine whose script has ended has no process any more. Whoever enters it has its surroundings made again, and
they last while anyone is inside (`Visit`). Standard library only, so that it starts fast.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from flowplan.sandbox import enclosure, process
from flowplan.sandbox.boots import awaits_hooks
from flowplan.sandbox.confined import Root

NOT_THERE = 255
"""The exit code when there is nothing to enter; as ssh's."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_COMES_UP_S = 10.0
_POLL_S = 0.01


class NotThere(Exception):
    """The machine does not run."""


def environment(folder: Path, spec: Mapping[str, Any], is_enclosed: bool) -> dict[str, str]:
    """The environment of everything that starts in a machine: its own, nothing of the host's."""
    found = dict(spec["environment"])
    found["PATH"] = ":".join([_PATH, *(f"{place}/bin" for place in spec["show"])])
    root = folder / "root"
    if is_enclosed:
        return {**found, "HOME": "/root"}
    return {
        **found,
        "HOME": f"{root}/root",
        "TMPDIR": str(root / "tmp"),
        "FLOW_ROOT": str(root),
        "FLOW_MNT": str(folder / "mnt"),
    }


def move_in(folder: Path, is_enclosed: bool) -> None:
    """Make the machine's root folder (or, without namespaces, its home folder) this process's own."""
    root = folder / "root"
    if is_enclosed:
        os.chroot(root)
        os.chdir("/root")
    else:
        os.chdir(root / "root")


class Visit:
    """Being in a machine: while one lasts, the machine's surroundings do, unless the machine is stopped.

    ``first`` is the number of the machine's first process, ``is_enclosed`` whether it has namespaces.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.first = 0
        self.is_enclosed = False
        self._lock = -1

    def __enter__(self) -> Visit:
        """Wait until the machine can be entered, making its surroundings if there are none.

        Raises:
            NotThere: it was stopped, never started, or does not come up in 10 s.
        """
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._lock = os.open(self.folder / "visitors", flags, 0o600)
            # Only a first process that is about to end has it exclusively.
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            self._wait()
        except OSError as error:
            self.leave()
            raise NotThere(f"its folder cannot be used: {error}") from error
        except BaseException:
            self.leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """End the visit; may be called again."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def root(self) -> Root:
        """The machine's files, with what is mounted in it."""
        if self.is_enclosed:
            # Mounts made in the machine's namespace are seen through its first process.
            return Root(f"/proc/{self.first}/root{self.folder}/root")
        spec = process.read_json(self.folder / "spec.json") or {}
        volumes: Any = spec.get("volumes", {})
        mounts = {f"/mnt/{name}": place for name, place in volumes.items()}
        return Root(
            str(self.folder / "root"),
            mounts,
            {str(self.folder / "root"): "", str(self.folder / "mnt"): "/mnt"},
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + _COMES_UP_S
        while True:
            spec = process.read_json(self.folder / "spec.json")
            stop = process.read_json(self.folder / "stop")
            if spec is None or (stop is not None and int(str(stop["boots"])) >= int(str(spec["boots"]))):
                raise NotThere("it does not run")
            known = process.read_json(self.folder / "first.json")
            # The order matters: a new first process is named only after the mark of the old one is gone.
            pid = process.find(self.folder / "first.json")
            if known is not None and pid is not None and (self.folder / "ready").exists():
                self.first, self.is_enclosed = pid, bool(known.get("enclosed"))
                return
            if process.find(self.folder / "supervisor.json") is None and (
                not spec["script"]
                or ((self.folder / "booted").exists() and not awaits_hooks(self.folder, spec))
            ):
                keeper = process.start(
                    "flowplan.sandbox.supervisor",
                    [str(self.folder), str(spec["boots"]), "keep"],
                    self.folder / "supervisor.log",
                )
                # It goes on in a child of its own.
                os.waitpid(keeper, 0)
            if time.monotonic() > deadline:
                raise NotThere("it has not come up yet")
            time.sleep(_POLL_S)


def arguments(folder: Path, command: str | Sequence[str] | None, way: str) -> list[str]:
    """The argv of a process of the host that runs ``command`` inside (a text by bash; None: a shell for a person).

    ``way`` is ``here`` (in the terminal it is called from), ``apart`` (in a session of its own) or ``terminal``
    (in a session of its own whose terminal is its standard input).
    """
    if command is None:
        what = ["shell"]
    elif isinstance(command, str):
        what = ["line", command]
    else:
        what = ["words", *command]
    return process.python("flowplan.sandbox.entry", [str(folder), way, *what])


def main(arguments: list[str]) -> int:
    """Run what `arguments` says and end with its exit code (128 + number for a signal)."""
    folder, way, kind, words = Path(arguments[0]), arguments[1], arguments[2], arguments[3:]
    if way != "here":
        # Whoever wanted the result is gone then.
        enclosure.die_with_parent(signal.SIGHUP)
    try:
        visit = Visit(folder).__enter__()
    except NotThere as reason:
        if way == "here":
            print(f"The instance cannot be entered: {reason}", file=sys.stderr)
        return NOT_THERE
    ends = os.pidfd_open(visit.first)
    spec = process.read_json(folder / "spec.json")
    assert spec is not None, "a visit reads it first"
    if visit.is_enclosed:
        _join(visit.first)
    else:
        enclosure.adopt_orphans()
    child = os.fork()
    if child == 0:
        _become(folder, spec, visit.is_enclosed, way, kind, words)
    return _attend(child, ends, way, visit.is_enclosed)


def _join(pid: int) -> None:
    """Move to a process's namespaces; children are in its process namespace."""
    places = [
        os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        for name in ("user", "mnt", "uts", "pid")
    ]
    libc = ctypes.CDLL(None, use_errno=True)
    for place in places:
        if libc.setns(place, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"setns: {os.strerror(number)}")
        os.close(place)


def _become(
    folder: Path, spec: Mapping[str, Any], is_enclosed: bool, way: str, kind: str, words: list[str]
) -> None:
    """Turn a forked child into the program; never returns."""
    try:
        enclosure.die_with_parent(signal.SIGKILL)
        if way != "here":
            os.setsid()
        if way == "terminal":
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        for number in (
            signal.SIGTERM,
            signal.SIGHUP,
            signal.SIGINT,
            signal.SIGQUIT,
            signal.SIGPIPE,
            signal.SIGTTOU,
        ):
            signal.signal(number, signal.SIG_DFL)
        variables = environment(folder, spec, is_enclosed)
        if "TERM" in os.environ:
            variables["TERM"] = os.environ["TERM"]
        move_in(folder, is_enclosed)
        os.closerange(3, 1 << 20)
        if kind == "words":
            os.execvpe(words[0], words, variables)  # noqa: S606
        for shell in ("/bin/bash", "/bin/sh"):
            argv = [shell, "-c", *words] if kind == "line" else [f"-{Path(shell).name}"]
            with contextlib.suppress(FileNotFoundError):
                os.execve(shell, argv, variables)  # noqa: S606
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(2, f"{words[0] if words else 'A shell'} cannot be run: {error}\n".encode())
    finally:
        os._exit(127)


def _attend(child: int, machine: int, way: str, is_enclosed: bool) -> int:
    """Pass signals on and wait; with the machine's end everything below ends too."""

    def forward(number: int, _: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            if way == "here":
                # The terminal sends its own signals to the whole group, the child included.
                if number in (signal.SIGTERM, signal.SIGHUP):
                    os.kill(child, number)
                return
            try:
                os.killpg(child, number)
            except ProcessLookupError:
                os.kill(child, number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, forward)
    watched = os.pidfd_open(child)
    ready = select.select([watched, machine], [], [])[0]
    if watched not in ready:
        if not is_enclosed:
            process.kill_below(os.getpid())
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not is_enclosed:
        # Without namespaces nothing else would end what it left running when the machine ends.
        process.kill_below(os.getpid())
    if way == "here":
        _take_terminal_back()
    return code if code >= 0 else 128 - code


def _take_terminal_back() -> None:
    """A shell inside cannot name the group of processes that had the terminal before it."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.tcsetpgrp(0, os.getpgrp())
