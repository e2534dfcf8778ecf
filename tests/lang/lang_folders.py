"""Module folders that are not on disk, and loading a stack with them and with results of lookups."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from fnmatch import fnmatch
from typing import Any

from lang_stacks import Files, shown

from flowplan.lang.entries import NoResult, Results
from flowplan.lang.folders import Folder, FolderError
from flowplan.lang.loader import load_stack
from flowplan.lang.reader import NoFiles
from flowplan.lang.stack import Source, Stack
from flowplan.lang.variables import VariableSource
from flowplan.values.diagnostic import Diagnostics


class ModuleFiles(Files):
    """The files of a module."""

    def list_files(self, pattern: str) -> list[str]:
        return sorted(path for path in self if fnmatch(path, pattern))


class Modules:
    """Folders by their path from the stack's: each a text, or files by name."""

    def __init__(self, folders: Mapping[str, str | Mapping[str, str]]) -> None:
        self.folders = folders
        self.opened: list[str] = []

    def open(self, source: str, caller: str) -> Folder:
        path = posixpath.normpath(posixpath.join(caller, source))
        self.opened.append(path)
        if path not in self.folders:
            raise FolderError(f"the module's folder {source!r} is not there", "Write its path.")
        given = self.folders[path]
        files = {"main.yaml": given} if isinstance(given, str) else dict(given)
        sources = tuple(
            Source(f"{path}/{name}", text)
            for name, text in files.items()
            if name.endswith(".yaml") and not name.endswith(".task.yaml")
        )
        return Folder(path, path, sources, ModuleFiles(files))


def load_with(
    text: str,
    folders: Mapping[str, str | Mapping[str, str]] | None = None,
    results: Mapping[str, Mapping[str, Any] | NoResult] | None = None,
    **variables: object,
) -> tuple[Stack | None, Diagnostics]:
    inputs = [VariableSource("--var", variables)] if variables else []
    modules = Modules(folders) if folders is not None else None
    known: Results = results or {}
    source = Source("s.yaml", f"stack: s\n{text}")
    return load_stack([source], inputs, NoFiles(), "0.1.0", folders=modules, results=known)


def good_with(
    text: str,
    folders: Mapping[str, str | Mapping[str, str]] | None = None,
    results: Mapping[str, Mapping[str, Any] | NoResult] | None = None,
    **variables: object,
) -> Stack:
    stack, found = load_with(text, folders, results, **variables)
    assert stack is not None, shown(found)
    return stack


def places(found: Diagnostics) -> list[str]:
    """Where each diagnostic is and what it says, with the file's name."""
    return [f"{one.span}: {one.summary}" for one in found]
