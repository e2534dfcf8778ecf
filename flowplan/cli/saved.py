"""Saving a plan to a file, and turning such a file back into the same plan."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowplan import __version__
from flowplan.cli.context import Context, Inputs, Loaded
from flowplan.cli.fitting import code_digests, edited_files, edited_sources
from flowplan.cli.given import SecretFolder, variable_sources
from flowplan.cli.module_folders import module_folders
from flowplan.cli.planning import Planned, with_observation
from flowplan.cli.project import Project, StackFiles, find_project, read_source
from flowplan.cli.witness import Witness
from flowplan.lang.files import VARIABLES_FILE
from flowplan.lang.loader import load_stack
from flowplan.lang.reader import FolderReader
from flowplan.lang.variables import VariableSource, parse_variables
from flowplan.plan.planfile import (
    LIMIT_BYTES,
    PlanFile,
    asked_of,
    check_secrets,
    dump_planfile,
    file_digest,
    load_planfile,
    observed_for_plan,
    seal_variables,
    stale,
)
from flowplan.plan.staleness import changed_records, record_digests
from flowplan.state.snapshot import Snapshot
from flowplan.values.bounded import read_at_most
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.value import Fingerprint


def save(planned: Planned, document: Mapping[str, Any], out: Path) -> None:
    """Write a plan file, readable by its owner only, in one step: a reader never sees half of it.

    Raises:
        FlowplanError: it cannot be written, or work was interrupted and has to be settled first.
    """
    if planned.unfinished:
        raise FlowplanError(
            Diagnostic.error(
                "The plan was not saved",
                "An earlier apply was interrupted, and what it began must be settled before a plan can be exact.",
                suggestion="Run flowplan apply on the stack first.",
            )
        )
    loaded, snapshot = planned.loaded, planned.snapshot
    salt = b"" if snapshot.key else secrets.token_bytes(32)
    key = snapshot.key or salt
    plan_file = PlanFile(
        path=loaded.files.label,
        mode=planned.options.mode,
        region=planned.options.region,
        refreshed=planned.observation is not None,
        lineage=snapshot.lineage,
        serial=snapshot.serial,
        sources=loaded.files.sources,
        variables=seal_variables(loaded.stack, snapshot, salt),
        observation=observed_for_plan(planned.observation, snapshot, loaded.stack),
        document=document,
        asked=asked_of(planned.options),
        lookups=loaded.lookups,
        files={
            **{path: file_digest(text, key) for path, text in loaded.read.items()},
            **code_digests(planned, key, out),
        },
        records=record_digests(snapshot),
        salt=salt,
    )
    try:
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(dump_planfile(plan_file))
            Path(name).replace(out)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FlowplanError(Diagnostic.error(f"{out} cannot be written", f"{error.strerror}.")) from None


def is_plan_file(path: Path) -> bool:
    """Whether a path that was given to apply or show is a saved plan rather than a stack."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(1) == b"{" and path.suffix not in (".yaml", ".yml")


def read(path: Path) -> PlanFile:
    """The plan in a file.

    Raises:
        FlowplanError: it is none, or damaged.
    """
    try:
        return load_planfile(str(path), read_at_most(path, LIMIT_BYTES).decode("utf-8"))
    except UnicodeDecodeError:
        raise FlowplanError(Diagnostic.error(f"{path} is not a plan file", "It is not text.")) from None
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise FlowplanError(
                Diagnostic.error(
                    f"{path} is too large to be a plan file",
                    f"A plan file may have {LIMIT_BYTES // 1024**2} MiB.",
                    suggestion="Make a new one with flowplan plan --out FILE.",
                )
            ) from None
        raise FlowplanError(Diagnostic.error(f"{path} cannot be read", f"{error.strerror}.")) from None


def _values_beside(folder: Path) -> list[VariableSource]:
    """The values in the variables file beside the stack, which no plan file holds when they are secret."""
    path = folder / VARIABLES_FILE
    if not path.is_file():
        return []
    values, found = parse_variables(read_source(path))
    if found.has_errors:
        raise FlowplanError(*found.in_order())
    return [values]


def _project(context: Context, path: Path, plan_file: PlanFile) -> Project:
    """The project that a plan belongs to: the one around its file, or else the one around the current folder.

    Raises:
        FlowplanError: neither holds the stack.
    """
    names = [Path(source.path).name for source in plan_file.sources]
    for place in (path, Path.cwd()):
        project = find_project(place, context.environ)
        stack_path = project.root / plan_file.path
        if stack_path.is_file() or any((stack_path / name).is_file() for name in names):
            return project
    raise FlowplanError(
        Diagnostic.error(
            f"{path} is a plan for the stack {plan_file.path}, which is not here",
            "Neither the project around the plan file nor the one around the current folder holds it.",
            suggestion="Apply it in a checkout of the project, or name its folder with --chdir.",
        )
    )


def _only_secrets(plan_file: PlanFile, inputs: Inputs) -> set[str]:
    """The names of the plan's secrets, the only variables that are given again when it is applied."""
    secret = {name for name, value in plan_file.variables.items() if isinstance(value, Fingerprint)}
    for pair in inputs.variables:
        if pair.partition("=")[0] not in secret:
            raise FlowplanError(
                Diagnostic.error(
                    "Variables cannot be changed when a saved plan is applied",
                    f"--var {pair.partition('=')[0]} is not a secret that this plan needs.",
                    suggestion="Leave it out, or make a new plan with it.",
                )
            )
    return secret


def restore(context: Context, path: Path, plan_file: PlanFile, inputs: Inputs) -> Planned:
    """The plan of a file, worked out again from its own inputs and equal to what was shown.

    Only secrets are taken from outside, and they must be the ones the plan was made with. Where the stack's own text
    was edited since, a warning says which file; the plan is what it was.

    Raises:
        FlowplanError: the state, a secret or a file that the stack reads has changed (exit code 8).
    """
    secret = _only_secrets(plan_file, inputs)
    project = _project(context, path, plan_file)
    stack_path = project.root / plan_file.path
    folder = stack_path if stack_path.is_dir() else stack_path.parent
    plain = {k: v for k, v in plan_file.variables.items() if not isinstance(v, Fingerprint)}
    outside = [
        VariableSource(s.name, {k: v for k, v in s.values.items() if k in secret}, s.is_text, s.lenient)
        for s in [*_values_beside(folder), *variable_sources(context.environ, inputs)]
    ]
    files = StackFiles(folder, plan_file.path, plan_file.sources)
    witness = Witness(folder.resolve())
    stack, found = load_stack(
        plan_file.sources,
        [VariableSource("the saved plan", plain, is_text=False), *outside],
        witness.reader(FolderReader(folder), witness.folder),
        __version__,
        folders=witness.folders(module_folders(files, project)),
        results=plan_file.lookups,
        secrets=SecretFolder(context.environ),
    )
    state = _state_of(context, project, plan_file)
    edited = edited_files(plan_file, witness, state.key)
    if stack is None:
        if edited:
            raise stale(
                f"Since the plan was made {_were(edited)} changed, and the stack cannot be read any more."
            )
        raise FlowplanError(*found.in_order())
    loaded = Loaded(stack, files, project, plan_file.region, read=witness.texts)
    if wrong := check_secrets(plan_file, stack, state.key):
        raise stale(f"The plan was made with other values of {', '.join(wrong)} (sensitive).")
    planned = with_observation(loaded, state, plan_file.observation, (), plan_file.options)
    shown = {key: value for key, value in plan_file.document.items() if key != "explanations"}
    same = planned.document() == shown
    edited += _code_edits(planned, plan_file, path)
    if edited:
        raise stale(f"Since the plan was made {_were(edited)} changed, and the stack reads that.")
    if not same:
        raise stale("flowplan itself has changed since the plan was made: it would plan something else now.")
    context.warn(edited_sources(plan_file, folder, stack_path.is_dir()))
    return planned


def _code_edits(planned: Planned, plan_file: PlanFile, path: Path) -> list[str]:
    """The code folders whose content is not what the plan was made with."""
    now = code_digests(planned, planned.snapshot.key or plan_file.salt, path)
    return [name for name, digest in now.items() if plan_file.files.get(name) != digest]


def _were(names: list[str]) -> str:
    return f"{names[0]} was" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} were"


def _state_of(context: Context, project: Project, plan_file: PlanFile) -> Snapshot:
    """The state as the plan knew it.

    Raises:
        FlowplanError: the state is another now (exit code 8); the message names what has changed in it.
    """
    name = str(plan_file.document["stack"])
    backend = context.backend(project)
    try:
        snapshot, unfinished = backend.snapshot(name), backend.unfinished(name)
    finally:
        backend.close()
    refuse_other_state(plan_file.lineage, plan_file.serial, plan_file.records, snapshot)
    if unfinished:
        told = ", ".join(sorted({f"{entry.operation.value} of {entry.address}" for entry in unfinished}))
        raise stale(f"Another apply began work on the state and did not end it: {told}.")
    return snapshot


def refuse_other_state(lineage: str, serial: int, records: Mapping[str, str], now: Snapshot) -> None:
    """Refuse a saved plan whose state has moved on, with what has changed in it.

    Raises:
        FlowplanError: it has (exit code 8).
    """
    if (now.lineage, now.serial) == (lineage, serial):
        return
    if now.lineage != lineage:
        said = (
            "it had not been applied then, and has been since"
            if not lineage
            else "it is another state (its lineage differs)"
            if now.lineage
            else "there is no state any more"
        )
    else:
        said = f"it was at serial {serial} and is at {now.serial}"
    changes = changed_records(records, now)
    told = "\n".join(f"- {line}" for line in changes)
    raise stale(
        f"The state was changed by another operation after the plan was made: {said}."
        + (f"\n{told}" if told else " No resource's record differs.")
    )
