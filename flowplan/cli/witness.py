"""Noting what a stack reads besides its own text, so that a saved plan can tell which of it has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from attrs import evolve, field

from flowplan.lang.folders import Folder, Folders
from flowplan.lang.reader import Reader
from flowplan.values.classes import define


@define
class Witness:
    """What was read while a stack was loaded: texts by path relative to ``folder``, lists by the pattern asked for."""

    folder: Path
    texts: dict[str, str] = field(factory=dict, repr=False)

    def note(self, base: Path, name: str, text: str) -> None:
        """Keep one text that was read at ``name`` below ``base``."""
        self.texts[Path(os.path.relpath(base / name, self.folder)).as_posix()] = text

    def reader(self, reader: Reader, base: Path) -> Reader:
        """``reader``, watched; its paths are relative to ``base``."""
        return _Watched(reader, base, self.note)

    def folders(self, folders: Folders) -> Folders:
        """``folders``, watched: modules and all that they read."""
        return _WatchedFolders(folders, self)


@define
class _Watched:
    _reader: Reader
    _base: Path
    _note: Callable[[Path, str, str], None]

    def read_text(self, path: str) -> str:
        text = self._reader.read_text(path)
        self._note(self._base, path, text)
        return text

    def list_files(self, pattern: str) -> list[str]:
        found = self._reader.list_files(pattern)
        self._note(self._base, pattern, "\n".join(found))
        return found


@define
class _WatchedFolders:
    _folders: Folders
    _witness: Witness

    def open(self, source: str, caller: str) -> Folder:
        folder = self._folders.open(source, caller)
        base = Path(folder.identity)
        for text in folder.sources:
            self._witness.note(base, Path(text.path).name, text.text)
        return evolve(folder, reader=self._witness.reader(folder.reader, base))
