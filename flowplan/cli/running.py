"""From a task file (the documented `TaskConfig` form) to a stack of its own, which is planned and applied like any other.

Nothing in a task file is an expression. Volumes that it names without an id follow spec/models.md 2.4: the volume of
that name where there is one, else one is created, and belongs to the run's stack.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from flowplan.cli.context import Context, Loaded
from flowplan.cli.project import StackFiles, find_project, read_source
from flowplan.lang.build import parse_document
from flowplan.lang.document import Document
from flowplan.lang.stack import ProviderSettings, Resource, Source, Stack
from flowplan.models import TaskConfig
from flowplan.ports import Observed
from flowplan.resources import kind_of
from flowplan.values.address import NAME, Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.convert import Problem
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.value import Path as Place
from flowplan.values.value import Reference, Sensitive, Unknown
from flowplan.wiring import api_settings

_FROM_VOLUME = "volume://"


@frozen
class Wanted:
    """A task file and what the command line says besides. ``name`` names the run; ``env`` values are kept secret."""

    path: Path
    name: str | None = None
    env: tuple[str, ...] = ()
    instance_type: str | None = None


def load_run(context: Context, wanted: Wanted) -> tuple[Loaded, Address]:
    """The stack of a run, and its task's address; the provider is asked for volumes where some are named.

    Raises:
        FlowplanError: with everything that is wrong with the file.
    """
    import asyncio

    document = _read(wanted.path)
    body = _plain(document.root)
    _override(body, wanted, context.environ)
    name = str(body.get("name") or TaskConfig.__attrs_attrs__.name.default)
    slug = wanted.name or slug_of(name)
    stack_name = f"run-{wanted.name or f'{slug}-{secrets.token_hex(3)}'}"
    address = Address(Kind.TASK, slug)
    region = body.get("region") if isinstance(body.get("region"), str) else None
    stack = Stack(stack_name, provider=ProviderSettings(_provider(context), region=region))
    project = find_project(Path.cwd(), context.environ)
    source = read_source(wanted.path)
    files = _files(project.root, wanted.path, source)
    loaded = Loaded(stack, files, project, context.region(stack))
    known: Mapping[str, Observed] = {}
    if _names_volumes(body):
        known = asyncio.run(_volumes(context, loaded))
    resources = _resources(document, body, address, stack_name, known)
    return evolve(loaded, stack=evolve(stack, resources=resources, sources=(source,))), address


def slug_of(name: str) -> str:
    """A task's name as the name of a resource."""
    text = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")
    return text if NAME.fullmatch(text) else f"task-{text}".rstrip("-")


def check_name(name: str) -> str:
    """The name for a run that a user gave.

    Raises:
        FlowplanError: it cannot be one.
    """
    given = name.removeprefix("run-")
    if NAME.fullmatch(given) is None or len(given) > 60:
        raise FlowplanError(
            Diagnostic.error(
                f"{name!r} cannot be the name of a run",
                suggestion="Use at most 60 lower-case letters, digits, hyphens and underscores, a letter first.",
            )
        )
    return given


def _read(path: Path) -> Document:
    source = read_source(path)
    document, found = parse_document(source.path, source.text)
    if found.has_errors:
        raise FlowplanError(*found.in_order())
    if not isinstance(document.root, dict):
        raise FlowplanError(
            Diagnostic.error(
                f"{source.path} is no task file",
                "It must be a mapping of the fields of a task.",
                suggestion="Write at least instance_type: and command:.",
            )
        )
    if "stack" in document.root or "tasks" in document.root:
        span, snippet = document.span_of(("stack" if "stack" in document.root else "tasks",), key=True)
        raise FlowplanError(
            Diagnostic.error(
                "this is a stack, not a task file",
                span=span,
                snippet=snippet,
                suggestion=f"Apply it: flowplan apply {path}",
            )
        )
    return document


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _override(body: dict[str, Any], wanted: Wanted, environ: Mapping[str, str]) -> None:
    if wanted.name is not None:
        body["name"] = wanted.name
    if wanted.instance_type is not None:
        body["instance_type"] = wanted.instance_type
        body.pop("min_gpu_memory_gb", None)
    if not wanted.env:
        return
    given = dict(body["env"]) if isinstance(body.get("env"), dict) else {}
    for pair in wanted.env:
        name, equals, value = pair.partition("=")
        if not equals and name not in environ:
            raise FlowplanError(
                Diagnostic.error(
                    f"--env {name} has no value", suggestion=f"Write --env {name}=VALUE, or set {name} here."
                )
            )
        given[name] = Sensitive(value if equals else environ[name])
    body["env"] = given


def _provider(context: Context) -> str:
    """Where a run goes, as for `flowplan.connect`: a served sandbox if one is named, Mithril if there is a key."""
    if context.environ.get("FLOWPLAN_SANDBOX_URL"):
        return "sandbox"
    settings, _ = api_settings(context.environ)
    return "sandbox" if settings.api_key is None else "mithril"


def _files(root: Path, path: Path, source: Source) -> StackFiles:
    """Code is looked for in the current folder, as the Python API does."""
    import os

    return StackFiles(Path.cwd(), os.path.relpath(path.resolve(), root), (source,))


def _names_volumes(body: Mapping[str, Any]) -> bool:
    volumes, mounts = _mappings(body.get("volumes")), _mappings(body.get("data_mounts"))
    return any(not entry.get("volume_id") for entry in volumes) or any(
        str(entry.get("source")).startswith(_FROM_VOLUME) for entry in mounts
    )


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


async def _volumes(context: Context, loaded: Loaded) -> Mapping[str, Observed]:
    """The volumes of the project by name."""
    async with context.connect(loaded.stack, loaded.project) as connection:
        seen = await connection.provider.observe((), [Kind.VOLUME])
    return {one.name: one for one in seen.objects.values() if one.kind is Kind.VOLUME and one.exists}


def _resources(
    document: Document, body: dict[str, Any], task: Address, stack: str, known: Mapping[str, Observed]
) -> dict[Address, Resource]:
    """The run's resources: the volumes that have to be created, and the task.

    Raises:
        FlowplanError: with everything that is wrong.
    """
    found: list[Diagnostic] = []
    made: dict[Address, Resource] = {}
    references: list[Reference] = []
    body = {**body, "volumes": _mounts(body, known, found)}
    for place, entry in enumerate(body["volumes"] if isinstance(body["volumes"], list) else ()):
        if not isinstance(entry, dict) or entry.get("volume_id"):
            continue
        if (there := known.get(str(entry.get("name")))) is not None:
            interface = there.attributes.get("interface")
            entry |= {"volume_id": there.id} | ({"interface": interface} if interface else {})
            continue
        name = entry.get("name") or f"{stack}-{place}"
        address = Address(Kind.VOLUME, slug_of(str(name)))
        config, problems = kind_of(Kind.VOLUME).normalise(dict(entry), str(name))
        found += [_said(document, problem, ("volumes", place)) for problem in problems]
        span, snippet = document.span_of(("volumes", place))
        made[address] = Resource(address, config, span=span, snippet=snippet)
        reference = Reference(address, "volume_id")
        references.append(reference)
        entry |= {"name": name, "volume_id": Unknown((reference,), str(address))}
        for only_new in ("iops", "throughput_mb_s"):
            entry.pop(only_new, None)
    config, problems = kind_of(Kind.TASK).normalise(body, str(TaskConfig.__attrs_attrs__.name.default))
    found += [_said(document, problem) for problem in problems]
    if found:
        unique = {(d.span, d.summary): d for d in found}
        raise FlowplanError(*unique.values())
    span, snippet = document.span_of(())
    made[task] = Resource(
        task, config, tuple(references), span=span, snippet=snippet, span_of=document.span_of
    )
    return dict(sorted(made.items(), key=lambda pair: pair[0].sort_key))


def _mounts(body: dict[str, Any], known: Mapping[str, Observed], found: list[Diagnostic]) -> Any:
    """The task's volumes, with those that its data mounts name; such a data mount is a volume at its target."""
    volumes, mounts = body.get("volumes") or [], body.get("data_mounts") or []
    if not isinstance(volumes, list) or not isinstance(mounts, list):
        return volumes
    entries = [dict(entry) if isinstance(entry, dict) else entry for entry in volumes]
    left = []
    for mount in mounts:
        source = str(mount.get("source")) if isinstance(mount, dict) else ""
        if not source.startswith(_FROM_VOLUME):
            left.append(mount)
            continue
        name = source.removeprefix(_FROM_VOLUME)
        there = known.get(name) or next((one for one in known.values() if one.id == name), None)
        if there is None:
            advice = "Create it first, or declare it under volumes: with its size_gb."
            found.append(Diagnostic.error(f"there is no volume {name!r} to mount", suggestion=advice))
            continue
        interface = there.attributes.get("interface") or "file"
        entries.append(
            {
                "name": there.name,
                "volume_id": there.id,
                "mount_path": mount.get("target"),
                "interface": interface,
            }
        )
    body["data_mounts"] = left
    return entries


def _said(document: Document, problem: Problem, base: Place = ()) -> Diagnostic:
    # Where the name of a field is what is wrong, it is the name that is pointed at.
    is_name = problem.message.endswith("is not a field")
    span, snippet = document.span_of((*base, *problem.path), key=is_name)
    return Diagnostic.error(problem.message, span=span, snippet=snippet, suggestion=problem.suggestion)
