"""One machine's processes: ``main([instance folder, boots])``, in a process of its own.

The supervisor waits for the boot delay, runs the startup script at the first boot and at later ones what the machine
has in cloud-init's per-boot folder, keeps its output and at last the record of its exit, and ends everything when it
gets SIGTERM. With the further argument ``keep`` it runs
no script: it gives a machine that has no process a place for visitors, for as long as there are any. It belongs to no one: the process that
started it may end. Below it is the machine's first process (`first_process`), which all others descend from.
Standard library only, so that many machines start fast.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import selectors
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowplan.sandbox import enclosure
from flowplan.sandbox.boots import HOOKS, has_hooks, note_run
from flowplan.sandbox.entry import environment, move_in
from flowplan.sandbox.process import identify, kill_below, read_json, write_atomically

GRACE_S = 2
"""Seconds between asking a machine's processes to end and killing them."""
_LOOK_S = 0.1
"""How often a first process without children looks whether anyone is left."""
_SCRIPT = "var/lib/foundry-startup-script"
_LATER = "var/lib/foundry-later-boot"
_NO_ROOM = "No namespaces on this system: the root file system is at $FLOW_ROOT, volumes are at $FLOW_MNT.\n"


def main(arguments: list[str]) -> int:
    """Supervise the machine in the folder given, unless it was stopped or has booted already."""
    folder, boots, keeps = Path(arguments[0]), int(arguments[1]), arguments[2:] == ["keep"]
    if keeps and os.fork():
        # Whoever asked for it need not look after it.
        return 0
    os.chdir("/")
    os.umask(0o022)
    os.closerange(3, 1 << 20)
    waker, woken = os.pipe()
    for descriptor in (waker, woken):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)
    for ignored in (signal.SIGHUP, signal.SIGINT):
        signal.signal(ignored, signal.SIG_IGN)
    lock = _lock(folder, tries=1 if keeps else 10 * (GRACE_S + 2))
    spec = read_json(folder / "spec.json")
    if lock is None or spec is None:
        return 1
    # Why in this order: whoever stops the machine writes its mark first and then looks for this file.
    write_atomically(folder / "supervisor.json", identify(os.getpid()))
    stop = read_json(folder / "stop")
    if stop is not None and int(str(stop["boots"])) >= boots:
        return 0
    if keeps:
        _settle(folder)
        if not _claim(spec, waker):
            return 0
        return _Machine(folder, {**spec, "script": None}, waker).run()
    is_later = (folder / "booted").exists()
    if is_later and not has_hooks(folder):
        return 0
    spec = _boot(folder, waker)
    if spec is None or not _claim(spec, waker):
        return 0
    if is_later:
        # Its hooks run as the script did: with a record of their own, beside which the old stop means nothing.
        (folder / "exit.json").unlink(missing_ok=True)
        spec = {**spec, "script": HOOKS, "place": _LATER}
    note_run(folder, boots)
    return _Machine(folder, spec, waker).run()


def _boot(folder: Path, waker: int) -> dict[str, Any] | None:
    """Wait as long as the machine boots, which SIGUSR1 may change; its specification, or None if it was stopped."""
    with selectors.DefaultSelector() as selector:
        selector.register(waker, selectors.EVENT_READ)
        while True:
            # Why anew: the one read first may have been replaced before we could be told.
            spec = read_json(folder / "spec.json")
            delay: Any = None if spec is None else spec["boot_delay_s"]
            if spec is None or not selector.select(delay):
                return spec
            if signal.SIGTERM in os.read(waker, 64):
                return None


def _claim(spec: Mapping[str, Any], waker: int) -> bool:
    """Become the one writer of the volumes that have one; False if the machine was stopped while another still ended.

    The claim ends with the last process that has it, which is the machine's first.
    """
    for path in spec.get("locks", ()):
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if select.select([waker], [], [], _LOOK_S)[0] and signal.SIGTERM in os.read(waker, 64):
                return False
    return True


def _settle(folder: Path) -> None:
    """Write the record of a script whose supervisor vanished: with a new one it would seem to run still."""
    if (folder / "booted").exists() and not (folder / "exit.json").exists():
        try:
            stopped_at = (folder / "stop").stat().st_mtime
        except OSError:
            stopped_at = None
        record = {"exit_code": 128 + signal.SIGKILL, "started_at": None, "ended_at": None}
        write_atomically(folder / "exit.json", {**record, "stopped_at_s": stopped_at})


def _lock(folder: Path, tries: int) -> int | None:
    """Be the only supervisor of a machine; one that is just ending is waited for."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(tries):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        if tries > 1:
            time.sleep(0.1)
    os.close(lock)
    return None


class _Machine:
    """The running machine as its supervisor sees it."""

    def __init__(self, folder: Path, spec: Mapping[str, Any], waker: int) -> None:
        self._folder = folder
        self._spec = spec
        self._waker = waker
        self._started_at = time.time()
        self._stopped_at: float | None = None

    def run(self) -> int:
        """Start the first process and follow it to its end."""
        root = self._folder / "root"
        enclosure.make_disk(root)
        pipes = [os.pipe() for _ in range(3)]
        is_enclosed = bool(self._spec.get("enclose", True)) and enclosure.can_enclose()
        if is_enclosed:
            enclosure.unshare()
        (self._folder / "ready").unlink(missing_ok=True)
        first = os.fork()
        if first == 0:
            _become_first(self._folder, self._spec, is_enclosed, [write for _, write in pipes])
        for _, write in pipes:
            os.close(write)
        write_atomically(self._folder / "first.json", {**(identify(first) or {}), "enclosed": is_enclosed})
        both = _append(root / "var/log/foundry/startup_script.log")
        files = [(_append(self._folder / "stdout"), both), (_append(self._folder / "stderr"), both)]
        if not is_enclosed and self._spec["script"]:
            # Where the launch script would keep its output itself if it had a root of its own.
            for stream in ("stdout", "stderr"):
                with contextlib.suppress(FileExistsError):
                    os.link(self._folder / stream, root / f"var/log/flow/{stream}.log")
            for descriptor in files[1]:
                os.write(descriptor, _NO_ROOM.encode())
        self._follow(first, [read for read, _ in pipes], files)
        return 0

    def _follow(self, first: int, ends: list[int], files: list[tuple[int, int]]) -> None:
        out, err, result = ends
        targets = {out: files[0], err: files[1]}
        status = b""
        with selectors.DefaultSelector() as selector:
            for end in (*ends, self._waker):
                os.set_blocking(end, False)
                selector.register(end, selectors.EVENT_READ)
            open_ends = set(ends)
            while open_ends:
                left = None
                if self._stopped_at is not None:
                    left = max(0.0, self._stopped_at + GRACE_S + 2 - time.time())
                ready = [key.fd for key, _ in selector.select(left)]
                if not ready and left is not None:
                    break
                # A SIGUSR1 that came too late for the boot means nothing any more.
                is_asked = self._waker in ready and signal.SIGTERM in os.read(self._waker, 64)
                if is_asked and self._stopped_at is None:
                    self._stopped_at = time.time()
                    os.kill(first, signal.SIGTERM)
                for end in (out, err):
                    if end in ready and not _copy(end, targets[end]):
                        selector.unregister(end)
                        open_ends.discard(end)
                if result in ready:
                    chunk = os.read(result, 64)
                    status += chunk
                    if not chunk:
                        selector.unregister(result)
                        open_ends.discard(result)
                    elif status.endswith(b"\n"):
                        # What the script wrote before it ended comes before the record of its end.
                        for end in (out, err):
                            while end in open_ends and _copy(end, targets[end], once=True):
                                pass
                        self._record(int(status))
        if self._spec["script"] and not status.endswith(b"\n"):
            self._record(128 + signal.SIGKILL)
        kill_below(first)
        with contextlib.suppress(ProcessLookupError):
            os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)

    def _record(self, exit_code: int) -> None:
        record = {
            "exit_code": exit_code,
            "started_at": _instant(self._started_at),
            "ended_at": _instant(time.time()),
            "stopped_at_s": self._stopped_at,
        }
        write_atomically(self._folder / "exit.json", record)


def _copy(end: int, files: tuple[int, int], once: bool = False) -> bool:
    """Copy what a pipe holds to its files; False at its end, or with ``once`` when it is empty for now."""
    try:
        chunk = os.read(end, 65536)
    except BlockingIOError:
        return not once
    for descriptor in files:
        rest = memoryview(chunk)
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except OSError:
                break
    return bool(chunk)


def _become_first(folder: Path, spec: Mapping[str, Any], is_enclosed: bool, ends: list[int]) -> None:
    """Turn a forked child into the machine's first process; never returns."""
    code = 1
    try:
        code = first_process(folder, spec, is_enclosed, *ends)
    except BaseException as error:
        os.write(ends[1], f"The sandbox could not start this machine: {error}\n".encode())
    finally:
        os._exit(code)


def first_process(
    folder: Path, spec: Mapping[str, Any], is_enclosed: bool, out: int, err: int, result: int
) -> int:
    """Run the startup script, report its exit code on ``result``, and live on while any process of the machine does.

    A visitor counts as a process. On SIGTERM all are asked to end, and killed when they do not. In namespaces this is process 1, whose
    end is the end of all; elsewhere it adopts every orphan below it and kills by walking the tree.
    """
    os.setsid()
    signal.set_wakeup_fd(-1)
    enclosure.die_with_parent(signal.SIGKILL if is_enclosed else signal.SIGTERM)
    if not is_enclosed:
        enclosure.adopt_orphans()
    me = os.getpid()
    is_ending = False

    def tell(number: int) -> int:
        if not is_enclosed:
            return kill_below(me, number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, number)
        return 0

    def finish(*_: Any) -> None:
        while tell(signal.SIGKILL):
            time.sleep(0.01)

    def end(*_: Any) -> None:
        nonlocal is_ending
        is_ending = True
        signal.signal(signal.SIGALRM, finish)
        signal.alarm(GRACE_S)
        tell(signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    root = folder / "root"
    if spec["script"]:
        script = root / spec.get("place", _SCRIPT)
        script.write_text(spec["script"])
        script.chmod(0o700)
    if is_enclosed:
        volumes, extra = spec["volumes"], spec["show"]
        enclosure.build_root(root, folder / "system", spec["name"], spec["hosts"], volumes, extra)
    else:
        (folder / "mnt").mkdir(exist_ok=True)
        signals = root / "opt/mithril"
        signals.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            signals.symlink_to(folder / enclosure.SIGNALS)
        for name, place in spec["volumes"].items():
            link = folder / "mnt" / name
            link.unlink(missing_ok=True)
            link.symlink_to(place)
    (folder / "ready").touch()
    child = os.fork() if spec["script"] else -1
    if child == 0:
        _become_script(folder, spec, is_enclosed, out, err)
    for descriptor in (out, err):
        os.close(descriptor)
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            if not (is_enclosed and _strangers(root)) and (is_ending or _is_unvisited(folder)):
                return 0
            time.sleep(_LOOK_S)
            continue
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os.write(result, f"{code if code >= 0 else 128 - code}\n".encode())


def _become_script(folder: Path, spec: Mapping[str, Any], is_enclosed: bool, out: int, err: int) -> None:
    """Turn a forked child into the startup script; never returns."""
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        variables = environment(folder, spec, is_enclosed)
        _limit(spec.get("limits", {}))
        place = spec.get("place", _SCRIPT)
        script = f"/{place}" if is_enclosed else str(folder / "root" / place)
        move_in(folder, is_enclosed)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        os.closerange(3, 1 << 20)
        if spec["script"].startswith("#!"):
            with contextlib.suppress(OSError):
                os.execve(script, [script], variables)  # noqa: S606
        for shell in ("/bin/bash", "/bin/sh"):
            with contextlib.suppress(FileNotFoundError):
                os.execve(shell, [shell, script], variables)  # noqa: S606
    except BaseException as error:
        os.write(2, f"The startup script could not be run: {error}\n".encode())
    finally:
        os._exit(127)


def _limit(limits: Mapping[str, int]) -> None:
    """Bound what this process and all it starts may use; never above what it may use already."""
    for name, value in limits.items():
        number = getattr(resource, name)
        _, hard = resource.getrlimit(number)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (most, most))


def _strangers(root: Path) -> list[str]:
    """The processes of this process namespace that are not below its first one: those that entered it."""
    try:
        # Where no proc of our own could be mounted the host's is shown, which tells nothing.
        if str((root / "proc/self").readlink()) != "1":
            return []
        return [at.name for at in (root / "proc").iterdir() if at.name.isdigit() and at.name != "1"]
    except OSError:
        return []


def _is_unvisited(folder: Path) -> bool:
    """Whether no visit lasts; if so, none can begin until this process has ended."""
    lock = os.open(folder / "visitors", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    return True


def _append(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def _instant(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1e6):06d}+00:00"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
