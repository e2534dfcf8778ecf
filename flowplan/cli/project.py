"""The texts of a stack, and (from `flowplan.wiring`) the project it belongs to."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from flowplan.lang.files import VARIABLES_FILE, decode, is_stack_file
from flowplan.lang.stack import Source
from flowplan.values.bounded import read_at_most
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.wiring import Project, find_project, prepare_state

__all__ = [
    "Project", "StackFiles", "find_project", "prepare_state", "read_source", "read_stack_files", "same_stack", "shown_path",
]  # fmt: skip

LIMIT_BYTES = 64 * 1024 * 1024
"""A larger stack file is refused before it is read."""
LIMIT_FOLDER_BYTES = 256 * 1024 * 1024
LIMIT_FILES = 10_000
"""How much the files of a stack's folder may hold altogether, and how many they may be."""


@frozen
class StackFiles:
    """A stack's texts. ``label`` names it within its project: a path relative to the root."""

    folder: Path
    label: str
    sources: tuple[Source, ...]
    vars_text: Source | None = None

    @property
    def all_sources(self) -> tuple[Source, ...]:
        """The texts, and the file of values beside them if there is one."""
        return (*self.sources, self.vars_text) if self.vars_text else self.sources


def read_stack_files(path: Path, project: Project, values: Collection[str] = ()) -> StackFiles:
    """The texts of the stack at ``path``: one file, or a folder whose YAML files share one namespace.

    ``values`` are files of values that the user named (``--var-file``): in a folder they are no part of the stack.

    Raises:
        FlowplanError: there is nothing to read, or it cannot be read.
    """
    if path.is_dir():
        folder = path
        apart = {Path(name).resolve() for name in values}
        names = sorted(
            entry.name
            for entry in path.iterdir()
            if is_stack_file(entry.name) and not entry.name.startswith(".") and entry.resolve() not in apart
        )
        if not names:
            raise FlowplanError(
                Diagnostic.error(
                    f"There is no stack in {path}",
                    "The folder holds no .yaml file.",
                    suggestion="Name the folder or the file of a stack, for example: flowplan plan examples/hello",
                )
            )
    else:
        folder, names = path.parent, [path.name]
    sources = tuple(_read_all(folder, names))
    vars_path = folder / VARIABLES_FILE
    vars_text = read_source(vars_path) if vars_path.is_file() else None
    label = os.path.relpath(path.resolve(), project.root)
    return StackFiles(folder, label, sources, vars_text)


def _read_all(folder: Path, names: Collection[str]) -> Iterator[Source]:
    if len(names) > LIMIT_FILES:
        most = f"A stack may have {LIMIT_FILES:,} files, and there are {len(names):,}."
        raise FlowplanError(Diagnostic.error(f"{folder} has too many files", most))
    left = LIMIT_FOLDER_BYTES
    for name in names:
        source = read_source(folder / name)
        left -= len(source.text)
        if left < 0:
            most = f"They may have {LIMIT_FOLDER_BYTES // 1024**2} MiB altogether."
            raise FlowplanError(Diagnostic.error(f"The stack files in {folder} are too large", most))
        yield source


def same_stack(project: Project, one: str, other: str) -> bool:
    """Whether two labels mean the same text: a folder, and the only stack file in it."""
    for folder, file in ((one, other), (other, one)):
        place, path = project.root / folder, project.root / file
        if place.is_dir() and path.is_file() and path.parent.resolve() == place.resolve():
            names = [e.name for e in place.iterdir() if is_stack_file(e.name) and not e.name.startswith(".")]
            return names == [path.name]
    return False


def read_source(path: Path) -> Source:
    """One text, under the name that its user would type.

    Raises:
        FlowplanError: there is none, it cannot be read, or it is no text.
    """
    return Source(shown_path(path), _read(path))


def shown_path(path: Path) -> str:
    """A path as its user would type it from here."""
    text = os.path.relpath(path)
    return str(path) if text.startswith("..") and path.is_absolute() else text


def _read(path: Path) -> str:
    try:
        data = read_at_most(path, LIMIT_BYTES)
    except FileNotFoundError:
        raise FlowplanError(
            Diagnostic.error(
                f"There is no file {path}",
                suggestion="Name the file or the folder of a stack, or use --chdir.",
            )
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not the name of a file"
        raise FlowplanError(Diagnostic.error(f"{path} cannot be read", f"{reason}.")) from None
    text, found = decode(shown_path(path), data)
    if found:
        raise FlowplanError(*found)
    return text
