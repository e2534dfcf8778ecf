"""Files beside a stack: the protocol the language reads them through, and the reader of a folder."""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path, PurePosixPath
from typing import Protocol

MAX_FILE = 4 * 1024 * 1024
"""The largest file that ``file()`` and its like read, in bytes."""
MAX_PATH = 1024
"""The longest path of a file, in characters."""
MAX_FILES = 10_000
"""The most files that ``glob`` gives."""
MAX_LOOKED_AT = 100_000
"""The most files and folders that ``glob`` looks at."""


class Reader(Protocol):
    """Gives texts out of the stack's folder tree, and of nowhere else."""

    def read_text(self, path: str) -> str:
        """The text of the file at ``path``, relative to the stack's folder.

        Raises:
            OSError: there is no such file, or it cannot be read.
            ValueError: it lies outside the folder, is too large, or is not UTF-8; the message says which.
        """
        ...

    def list_files(self, pattern: str) -> list[str]:
        """The relative paths of the files that fit ``pattern``, in order: ``*``, ``?``, ``[…]`` and ``**`` for folders.

        Raises:
            OSError: a folder cannot be listed.
            ValueError: the pattern leads out of the folder, or fits too many files; the message says which.
        """
        ...


def inside(path: str) -> str:
    """``path`` as a clean relative path.

    Raises:
        ValueError: it is absolute or leads out of the folder; no file is looked at to know this.
    """
    if not path or "\x00" in path:
        raise ValueError("a file needs a name")
    if len(path) > MAX_PATH:
        raise ValueError(f"the path of a file may have {MAX_PATH:,} characters at most")
    pure = PurePosixPath(path)
    if pure.is_absolute() or path.startswith("~") or "\\" in path:
        raise ValueError(f"{path!r} is not relative to the stack's folder")
    depth = 0
    for part in pure.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            raise ValueError(f"{path!r} lies outside the stack's folder")
    return str(pure)


class FolderReader:
    """Reads below one folder; links that lead out of it are refused."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read_text(self, path: str) -> str:
        """See `Reader.read_text`."""
        relative = inside(path)
        try:
            root = self._folder.resolve()
            target = (root / relative).resolve()
        except RuntimeError:
            raise ValueError(f"{path!r} is a link that leads to itself") from None
        if not target.is_relative_to(root):
            raise ValueError(f"{path!r} leads out of the stack's folder")
        if not target.is_file():
            raise FileNotFoundError(f"there is no file {path!r} in the stack's folder")
        with target.open("rb") as stream:
            raw = stream.read(MAX_FILE + 1)
        if len(raw) > MAX_FILE:
            raise ValueError(f"{path!r} is larger than {MAX_FILE // 1024 // 1024} MB")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{path!r} is not UTF-8 text") from None

    def list_files(self, pattern: str) -> list[str]:
        """See `Reader.list_files`. Hidden files and folders are passed over unless the pattern names them."""
        parts = PurePosixPath(inside(pattern)).parts
        if ".." in parts:
            raise ValueError(f"{pattern!r} must not hold ..")
        if sum(part == "**" for part in parts) > 2:
            raise ValueError(f"{pattern!r} has more than two **")
        root = self._folder.resolve()
        found: set[str] = set()
        looked = 0
        waiting: list[tuple[Path, tuple[str, ...]]] = [(root, parts)]
        while waiting:
            folder, rest = waiting.pop()
            first, below = rest[0], rest[1:]
            if first == "**":
                if below:
                    waiting.append((folder, below))
                first, below = "*", rest
            fits = re.compile(fnmatch.translate(first))
            with os.scandir(folder) as entries:
                for entry in entries:
                    looked += 1
                    if looked > MAX_LOOKED_AT:
                        raise ValueError(f"{pattern!r} looks at more than {MAX_LOOKED_AT:,} files")
                    hidden = entry.name.startswith(".") and not first.startswith(".")
                    if hidden or fits.match(entry.name) is None or entry.is_symlink():
                        continue
                    if entry.is_dir():
                        if below:
                            waiting.append((Path(entry.path), below))
                    elif entry.is_file() and below in ((), ("**",)):
                        found.add(Path(entry.path).relative_to(root).as_posix())
            if len(found) > MAX_FILES:
                raise ValueError(f"{pattern!r} fits more than {MAX_FILES:,} files")
        return sorted(found)


class NoFiles:
    """A reader for stacks that have no folder, such as one read from standard input."""

    def read_text(self, path: str) -> str:
        """Always refuses."""
        raise FileNotFoundError(f"{path!r} cannot be read: this stack has no folder")

    def list_files(self, pattern: str) -> list[str]:
        """Always refuses."""
        raise FileNotFoundError(f"{pattern!r} cannot be listed: this stack has no folder")
