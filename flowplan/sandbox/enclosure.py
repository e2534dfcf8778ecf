"""A private root file system and process tree for one machine, made of Linux namespaces by an ordinary user.

System folders show the host's files; what a machine writes to them goes to its own disk (an overlay) where the
kernel allows that, and is refused otherwise: never does it reach the host. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWUSER, _CLONE_NEWPID = 0x20000, 0x4000000, 0x10000000, 0x20000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
_FLAGS = {
    "nosuid": 0x2,
    "nodev": 0x4,
    "noexec": 0x8,
    "noatime": 0x400,
    "nodiratime": 0x800,
    "relatime": 0x200000,
}
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_OWN = (
    "data",
    "home/ubuntu",
    "mnt",
    "root",
    "run",
    "srv",
    "var/lib",
    "var/log/flow",
    "var/log/foundry",
    "var/spool",
    "workspace",
)
SIGNALS = "signals"
"""The folder of a machine's folder that it sees as /opt/mithril."""
_SHARED = ("usr", "etc", "opt", "bin", "sbin", "lib", "lib32", "lib64", "libx32")


def die_with_parent(number: int) -> None:
    """Have the kernel signal this process when its parent ends."""
    _libc().prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every process below whose own parent ends."""
    _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def can_enclose() -> bool:
    """Whether this system lets us make namespaces and mount in them; tried in a child process."""
    pid = os.fork()
    if pid == 0:
        try:
            unshare()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def unshare() -> None:
    """Move to new user, mount, host-name and (for children) process namespaces, as their root.

    Raises:
        OSError: the system does not allow it.
    """
    uid, gid = os.geteuid(), os.getegid()
    _check(_libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWUTS), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        Path(f"/proc/self/{name}").write_text(text)
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)


def make_disk(root: Path) -> None:
    """Make the folders that are a machine's own, where they are missing."""
    for name in _OWN:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(0o1777)
    if not os.path.lexists(root / "var/run"):
        (root / "var/run").symlink_to("/run")


def build_root(
    root: Path, upper: Path, hostname: str, hosts: str, volumes: Mapping[str, str], extra: list[str]
) -> None:
    """Mount a machine's file system at ``root``: called in the new namespaces, by their first process.

    ``upper`` is where changes to system folders are kept, ``volumes`` maps names to folders, ``extra`` are
    further folders of the host to show.

    Raises:
        OSError: something essential could not be mounted.
    """
    with contextlib.suppress(OSError):
        socket.sethostname(hostname)
    for name in _SHARED:
        _share(Path("/") / name, root / name, upper / name)
    for name in ("dev", "sys", "proc"):
        (root / name).mkdir(exist_ok=True)
    _mount("/dev", str(root / "dev"), "", _MS_BIND | _MS_REC)
    with contextlib.suppress(OSError):
        _bind_readonly(Path("/sys"), root / "sys")
    try:
        _mount("proc", str(root / "proc"), "proc", 0)
        _bind_readonly(root / "proc/sys", root / "proc/sys")
    except OSError:
        if not (root / "proc/self").exists():
            _bind_readonly(Path("/proc"), root / "proc")
    for place in extra:
        if place != "/" and Path(place).parts[1] not in _SHARED:
            target = root / place.lstrip("/")
            target.mkdir(parents=True, exist_ok=True)
            _bind_readonly(Path(place), target)
    for name, place in volumes.items():
        target = root / "mnt" / name
        target.mkdir(parents=True, exist_ok=True)
        _mount(place, str(target), "", _MS_BIND | _MS_REC)
    with contextlib.suppress(OSError):
        # Not there where the system's folders can only be shown as they are.
        (root / "opt/mithril").mkdir(parents=True, exist_ok=True)
        _mount(str(root.parent / SIGNALS), str(root / "opt/mithril"), "", _MS_BIND)
    with contextlib.suppress(OSError):
        servers = Path("/etc/resolv.conf").read_text()
        _replace(root / os.path.realpath("/etc/resolv.conf").lstrip("/"), servers, upper)
    _replace(root / "etc/hosts", hosts, upper)
    _replace(root / "etc/hostname", hostname + "\n", upper)


def _replace(path: Path, text: str, upper: Path) -> None:
    """Give a machine its own version of a system file, if need be by mounting it over the host's."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Why not just write: the file belongs to the host's root, which an ordinary user's root is not.
        path.unlink(missing_ok=True)
        path.write_text(text)
    except OSError:
        own = upper / path.name
        with contextlib.suppress(OSError):
            own.write_text(text)
            _mount(str(own), str(path), "", _MS_BIND)


def _share(source: Path, target: Path, upper: Path) -> None:
    if source.is_symlink():
        if not os.path.lexists(target):
            target.symlink_to(source.readlink())
        return
    if not source.is_dir():
        return
    target.mkdir(parents=True, exist_ok=True)
    changes, work = upper / "changes", upper / "work"
    changes.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(exist_ok=True)
    try:
        options = f"lowerdir={source},upperdir={_escape(changes)},workdir={_escape(work)},userxattr"
        _mount("overlay", str(target), "overlay", 0, options)
    except OSError:
        _bind_readonly(source, target)


def _escape(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:")


def _bind_readonly(source: Path, target: Path) -> None:
    """Show ``source`` and all that is mounted below it at ``target``, not to be written to."""
    _mount(str(source), str(target), "", _MS_BIND | _MS_REC)
    real = os.path.realpath(target)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        place = fields[4].encode().decode("unicode_escape").encode("latin-1").decode()
        if place == real or place.startswith(real + "/"):
            kept = sum(_FLAGS.get(option, 0) for option in fields[5].split(","))
            _mount("none", place, "", _MS_REMOUNT | _MS_BIND | _MS_RDONLY | kept)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    status = _libc().mount(
        os.fsencode(source), os.fsencode(target), kind.encode() or None, flags, os.fsencode(options) or None
    )
    _check(status, f"mount {target}")


def _libc() -> ctypes.CDLL:
    found = ctypes.CDLL(None, use_errno=True)
    found.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
    return found


def _check(status: int, what: str) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
