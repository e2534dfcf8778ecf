"""``flowplan modules``: the modules of a stack, and the lock that pins those from outside the repository."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowplan.cli.context import Context
from flowplan.cli.options import stack_path

if TYPE_CHECKING:
    from flowplan.cli.module_folders import DiskFolders
    from flowplan.cli.project import StackFiles


@click.group("modules", invoke_without_command=False)
def command() -> None:
    """Pin the modules of a stack."""


@command.command("lock")
@stack_path
@click.option("--check", is_flag=True, help="Write nothing; exit 3 if the lock would change.")
def lock(path: str, check: bool) -> int:
    """Pin the modules that lie outside the repository, by their content, in flowplan.lock.yaml beside the stack."""
    from flowplan.cli.module_folders import DiskFolders
    from flowplan.cli.project import find_project, read_source, read_stack_files
    from flowplan.lang.files import LOCK_FILE
    from flowplan.lang.folders import dump_lock

    context = Context.make()
    project = find_project(Path(path), context.environ)
    files = read_stack_files(Path(path), project)
    folders = DiskFolders(files, project.root, None)
    _walk(files, folders)
    target = files.folder / LOCK_FILE
    before = read_source(target).text if target.is_file() else ""
    after = dump_lock(folders.outside) if folders.outside else ""
    count = len(folders.outside)
    noun = "module" if count == 1 else "modules"
    if before == after:
        said = f"{count} {noun} pinned" if count else "No module lies outside the repository"
        click.echo(f"{said}; nothing to write.")
        return 0
    if check:
        click.echo(f"{target} is not up to date.", err=True)
        return 3
    if after:
        _write(target, after)
        click.echo(f"Pinned {count} {noun} in {target}.")
    else:
        target.unlink()
        click.echo(f"No module lies outside the repository any more; {target} was removed.")
    return 0


def _walk(files: StackFiles, folders: DiskFolders) -> None:
    """Open every module that the stack calls, directly or through others.

    Raises:
        FlowplanError: a text, or a module's folder, cannot be read.
    """
    from flowplan.lang.calls import module_sources
    from flowplan.lang.folders import FolderError
    from flowplan.values.diagnostic import Diagnostic, Diagnostics, FlowplanError

    found = Diagnostics()
    seen: set[str] = set()
    waiting = [("", files.sources)]
    while waiting:
        caller, sources = waiting.pop()
        calls, problems = module_sources(sources, caller != "")
        found.extend(problems)
        for call in calls:
            try:
                folder = folders.open(call.source, caller)
            except FolderError as error:
                found.add(
                    Diagnostic.error(
                        error.summary, span=call.span, snippet=call.snippet, suggestion=error.suggestion
                    )
                )
                continue
            if folder.identity not in seen:
                seen.add(folder.identity)
                waiting.append((folder.identity, folder.sources))
    if found.has_errors:
        raise FlowplanError(*found.in_order())


def _write(target: Path, text: str) -> None:
    """Write a file in one step: a reader never sees half of it."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
