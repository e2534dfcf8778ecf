"""The folders of modules on disk, and the lock file that pins those from outside the repository."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path

from flowplan.cli.project import Project, StackFiles, read_source
from flowplan.lang.files import LOCK_FILE, is_stack_file
from flowplan.lang.folders import Folder, FolderError, digest_of_files, parse_lock
from flowplan.lang.reader import FolderReader
from flowplan.lang.stack import Source
from flowplan.values.diagnostic import FlowplanError, did_you_mean

LIMIT_FILES = 10_000
"""The most files that a module from outside the repository may have."""
LIMIT_BYTES = 256 * 1024 * 1024
"""The most that such a module's files may hold altogether."""
_LOCK = "flowplan modules lock"


class DiskFolders:
    """Gives a stack's module folders, and checks those outside ``root`` against ``pins``, digests by path from the stack.

    Without ``pins``, nothing is checked. ``outside`` are the digests of what was opened outside, by path.
    """

    def __init__(self, files: StackFiles, root: Path, pins: Mapping[str, str] | None) -> None:
        self._folder, self._root, self._pins = files.folder.resolve(), root.resolve(), pins
        # Why from the stack's own texts: a saved plan names its texts as they were named when it was made
        first = files.sources[0].path if files.sources else ""
        self._shown = posixpath.dirname(first)
        self.outside: dict[str, str] = {}

    def open(self, source: str, caller: str) -> Folder:
        """See `flowplan.lang.folders.Folders.open`."""
        if (
            not source
            or "\0" in source
            or Path(source).is_absolute()
            or source.startswith("~")
            or "://" in source
        ):
            raise FolderError(
                f"{source!r} is not the path of a folder",
                "Write a path from this file's folder, such as ./net.",
            )
        base = Path(caller) if caller else self._folder
        try:
            target = (base / source).resolve()
            is_there = target.is_dir()
        except (OSError, RuntimeError, ValueError):
            raise FolderError(f"{source!r} is not the path of a folder", "Write one such as ./net.") from None
        if not is_there:
            kind = "a file, not a folder" if target.is_file() else "not there"
            advice = "A module is a folder; name that." if target.is_file() else _neighbours(target)
            raise FolderError(f"the module's folder {source!r} is {kind}", advice)
        if not target.is_relative_to(self._root):
            self._check(source, target)
        away = Path(os.path.relpath(target, self._folder)).as_posix()
        shown = posixpath.normpath(posixpath.join(self._shown, away))
        return Folder(str(target), shown, _sources(source, target, shown), FolderReader(target))

    def _check(self, source: str, target: Path) -> None:
        """Compare a folder from outside the repository with what is pinned."""
        path = Path(os.path.relpath(target, self._folder)).as_posix()
        digest = digest_of_files(_contents(source, target))
        self.outside[path] = digest
        if self._pins is None:
            return
        pinned = self._pins.get(path)
        if pinned is None:
            raise FolderError(
                f"the module {source!r} lies outside the repository and is not pinned in {LOCK_FILE}",
                f"Look at what is in it, and pin it: {_LOCK}.",
            )
        if pinned != digest:
            raise FolderError(
                f"the module {source!r} has changed: it is pinned as {pinned}, and is {digest}",
                f"Look at what has changed, and pin it again: {_LOCK}.",
            )


def module_folders(files: StackFiles, project: Project) -> DiskFolders:
    """The folders of a stack's modules, checked against the lock file beside it.

    Raises:
        FlowplanError: the lock file cannot be read.
    """
    path = files.folder / LOCK_FILE
    if not path.is_file():
        return DiskFolders(files, project.root, {})
    pins, found = parse_lock(read_source(path))
    if found.has_errors:
        raise FlowplanError(*found.in_order())
    return DiskFolders(files, project.root, pins)


def _neighbours(target: Path) -> str:
    try:
        names = (
            [entry.name for entry in target.parent.iterdir() if entry.is_dir()]
            if target.parent.is_dir()
            else []
        )
    except OSError:
        names = []
    return did_you_mean(target.name, names) or "Write its path from this file's folder."


def _sources(source: str, target: Path, shown: str) -> tuple[Source, ...]:
    try:
        names = sorted(
            entry.name
            for entry in target.iterdir()
            if is_stack_file(entry.name) and not entry.name.startswith(".") and entry.is_file()
        )
    except OSError as error:
        raise FolderError(f"the module's folder {source!r} cannot be read: {error.strerror}") from None
    if not names:
        raise FolderError(
            f"the module's folder {source!r} holds no .yaml file", "Write its files, or name another."
        )
    try:
        return tuple(Source(posixpath.join(shown, name), read_source(target / name).text) for name in names)
    except FlowplanError as error:
        first = error.diagnostics[0]
        raise FolderError(
            f"the module {source!r} cannot be read: {first.summary}", first.suggestion
        ) from None


def _contents(source: str, target: Path) -> dict[str, bytes]:
    """Every file below a folder by its path; a link by what it says. Version control's own files are passed over."""
    found: dict[str, bytes] = {}
    total = 0
    try:
        for folder, folders, names in os.walk(target, onerror=_raise):
            folders[:] = sorted(name for name in folders if name != ".git")
            links = [name for name in folders if (Path(folder) / name).is_symlink()]
            for name in [*sorted(names), *links]:
                path = Path(folder) / name
                if path.is_symlink():
                    content = b"-> " + os.fsencode(path.readlink())
                elif path.is_file():
                    content = path.read_bytes() if path.stat().st_size <= LIMIT_BYTES else b""
                    total += path.stat().st_size
                else:
                    continue
                found[path.relative_to(target).as_posix()] = content
                if len(found) > LIMIT_FILES or total > LIMIT_BYTES:
                    raise FolderError(
                        f"the module {source!r} is too large to be pinned",
                        f"It may have {LIMIT_FILES:,} files and {LIMIT_BYTES // 1024**2} MiB.",
                    )
    except OSError as error:
        raise FolderError(f"the module's folder {source!r} cannot be read: {error.strerror}") from None
    return found


def _raise(error: OSError) -> None:
    raise error
