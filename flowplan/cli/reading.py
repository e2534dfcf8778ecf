"""The texts of a stack with all that is needed to load them, once or again with more beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan import __version__
from flowplan.cli.context import Context, Inputs
from flowplan.cli.given import SecretFolder, variable_sources
from flowplan.cli.project import Project, StackFiles, find_project, read_stack_files
from flowplan.lang.stack import Source, Stack
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostics
from flowplan.values.value import Lookup, NotYetKnown, Reference

if TYPE_CHECKING:
    from flowplan.lang.secret_source import Secrets
    from flowplan.lang.variables import VariableSource


@frozen
class Reading:
    """A stack's texts and the values of variables that were given for it, weakest first; nothing is loaded yet."""

    project: Project
    files: StackFiles
    inputs: Sequence[VariableSource]
    secrets: Secrets | None = None
    """Reads the secrets that variables name; without it they are unknown."""

    @classmethod
    def make(cls, context: Context, path: str, inputs: Inputs) -> Reading:
        """Read the texts of the stack at ``path``.

        Raises:
            FlowplanError: a file cannot be read.
        """
        project = find_project(Path(path), context.environ)
        files = read_stack_files(Path(path), project, inputs.files)
        return cls(project, files, variable_sources(context.environ, inputs), SecretFolder(context.environ))

    def load(self, sources: Sequence[Source]) -> tuple[Stack | None, Diagnostics]:
        """The stack that ``sources`` spell, with this stack's values and files, and what is wrong with it."""
        from flowplan.cli.module_folders import module_folders
        from flowplan.lang.loader import load_stack
        from flowplan.lang.reader import FolderReader

        reader, folders = FolderReader(self.files.folder), module_folders(self.files, self.project)
        return load_stack(sources, self.inputs, reader, __version__, folders=folders, secrets=self.secrets)


def recorded_values(context: Context, reading: Reading, stack: Stack) -> Lookup:
    """Answers references from what is recorded of the stack; nothing is known where nothing is recorded.

    Raises:
        FlowplanError: the state cannot be read.
    """
    from flowplan.resources import kind_of

    records: Any = {}
    if (reading.project.state / "flowplan.db").exists():
        backend = context.backend(reading.project)
        try:
            snapshot = backend.snapshot(stack.name)
        finally:
            backend.close()
        # Why: the state of another stack of the same name says nothing about this one.
        if snapshot.source in ("", reading.files.label):
            records = snapshot.records

    def lookup(reference: Reference) -> Any:
        record = records.get(reference.address)
        kind = kind_of(reference.address.kind)
        name = reference.attribute or kind.id_attribute
        value = (
            None
            if record is None
            else record.id
            if name == kind.id_attribute
            else record.attributes.get(name)
        )
        if value is None:
            raise NotYetKnown(str(reference))
        return value

    return lookup
