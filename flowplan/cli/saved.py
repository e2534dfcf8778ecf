"""Saving a plan to a file, and turning such a file back into the same plan."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowplan import __version__
from flowplan.cli.context import Context, Inputs, Loaded
from flowplan.cli.module_folders import module_folders
from flowplan.cli.planning import Planned, with_observation
from flowplan.cli.project import StackFiles, find_project, read_source
from flowplan.lang.loader import VARIABLES_FILE, load_stack
from flowplan.lang.reader import FolderReader
from flowplan.lang.variables import VariableSource, parse_variables
from flowplan.plan.document import build_document
from flowplan.plan.planfile import (
    LIMIT_BYTES,
    PlanFile,
    asked_of,
    check_secrets,
    dump_planfile,
    load_planfile,
    observed_for_plan,
    seal_variables,
    stale,
)
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
    loaded = planned.loaded
    plan_file = PlanFile(
        path=loaded.files.label,
        mode=planned.options.mode,
        region=planned.options.region,
        refreshed=planned.observation is not None,
        lineage=planned.snapshot.lineage,
        serial=planned.snapshot.serial,
        sources=loaded.files.sources,
        variables=seal_variables(loaded.stack, planned.snapshot),
        observation=observed_for_plan(planned.observation, planned.snapshot, loaded.stack),
        document=document,
        asked=asked_of(planned.options),
        lookups=loaded.lookups,
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
        if path.stat().st_size > LIMIT_BYTES:
            raise FlowplanError(Diagnostic.error(f"{path} is too large to be a plan file"))
        return load_planfile(str(path), path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise FlowplanError(Diagnostic.error(f"{path} is not a plan file", "It is not text.")) from None
    except OSError as error:
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


def restore(context: Context, path: Path, plan_file: PlanFile, inputs: Inputs) -> Planned:
    """The plan of a file, worked out again from its own inputs and equal to what was shown.

    Only secrets are taken from outside, and they must be the ones the plan was made with.

    Raises:
        FlowplanError: the state, a secret or a file that the stack reads has changed (exit code 8).
    """
    project = find_project(path, context.environ)
    stack_path = project.root / plan_file.path
    folder = stack_path if stack_path.is_dir() else stack_path.parent
    plain = {k: v for k, v in plan_file.variables.items() if not isinstance(v, Fingerprint)}
    secret = {k for k, v in plan_file.variables.items() if isinstance(v, Fingerprint)}
    for pair in inputs.variables:
        if pair.partition("=")[0] not in secret:
            raise FlowplanError(
                Diagnostic.error(
                    "Variables cannot be changed when a saved plan is applied",
                    f"--var {pair.partition('=')[0]} is not a secret that this plan needs.",
                    suggestion="Leave it out, or make a new plan with it.",
                )
            )
    outside = [
        VariableSource(s.name, {k: v for k, v in s.values.items() if k in secret}, s.is_text, s.lenient)
        for s in [*_values_beside(folder), *context.variable_sources(inputs)]
    ]
    sources = [VariableSource("the saved plan", plain, is_text=False), *outside]
    files = StackFiles(folder, plan_file.path, plan_file.sources)
    stack, found = load_stack(
        plan_file.sources,
        sources,
        FolderReader(folder),
        __version__,
        folders=module_folders(files, project),
        results=plan_file.lookups,
    )
    if stack is None:
        raise FlowplanError(*found.in_order())
    loaded = Loaded(stack, files, project, plan_file.region)
    backend = context.backend(project)
    try:
        snapshot, unfinished = backend.snapshot(stack.name), backend.unfinished(stack.name)
    finally:
        backend.close()
    if (snapshot.lineage, snapshot.serial) != (plan_file.lineage, plan_file.serial) or unfinished:
        was, now = plan_file.serial, snapshot.serial
        raise stale(
            "The state was changed by another operation after the plan was made: "
            + (
                f"it was at serial {was} and is at {now}."
                if snapshot.lineage == plan_file.lineage
                else "it had not been applied then, and has been since."
                if not plan_file.lineage
                else "it is another state."
            )
        )
    if wrong := check_secrets(plan_file, stack, snapshot.key):
        raise stale(f"The plan was made with other values of {', '.join(wrong)} (sensitive).")
    planned = with_observation(loaded, snapshot, plan_file.observation, (), plan_file.options)
    if build_document(planned.plan, __version__) != plan_file.document:
        raise stale("A file that the stack reads, or flowplan itself, has changed since the plan was made.")
    return planned
