"""Files beside a stack: the protocol the language reads them through, and the reader of a folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Protocol

MAX_FILE = 4 * 1024 * 1024
"""The largest file that ``file()`` and its like read, in bytes."""


class Reader(Protocol):
    """Gives texts out of the stack's folder tree, and of nowhere else."""

    def read_text(self, path: str) -> str:
        """The text of the file at ``path``, relative to the stack's folder.

        Raises:
            OSError: there is no such file, or it cannot be read.
            ValueError: it lies outside the folder, is too large, or is not UTF-8; the message says which.
        """
        ...


def inside(path: str) -> str:
    """``path`` as a clean relative path.

    Raises:
        ValueError: it is absolute or leads out of the folder; no file is looked at to know this.
    """
    if not path or "\x00" in path:
        raise ValueError("a file needs a name")
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
        root = self._folder.resolve()
        target = (root / relative).resolve()
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


class NoFiles:
    """A reader for stacks that have no folder, such as one read from standard input."""

    def read_text(self, path: str) -> str:
        """Always refuses."""
        raise FileNotFoundError(f"{path!r} cannot be read: this stack has no folder")
