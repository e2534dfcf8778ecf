"""Sources to a `Stack`: every section read, every expression evaluated, every mistake reported at once."""

from __future__ import annotations

import gc
import posixpath
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from flowplan.lang.assemble import assemble, items
from flowplan.lang.budget import read_budget, read_limits
from flowplan.lang.checks import read_checks
from flowplan.lang.declaration import Instance
from flowplan.lang.files import LOCK_FILE, VARIABLES_FILE, is_stack_file
from flowplan.lang.findings import Findings
from flowplan.lang.folders import Folders
from flowplan.lang.header import PROVIDER_FIELDS as _PROVIDER_FIELDS
from flowplan.lang.header import PROVIDERS as _PROVIDERS
from flowplan.lang.header import check_name, check_requires, read_provider, read_text
from flowplan.lang.origins import absence_of
from flowplan.lang.reader import Reader
from flowplan.lang.refactoring import read_imports, read_moved, read_removed
from flowplan.lang.scope import Silent
from flowplan.lang.secret_source import Secrets
from flowplan.lang.sections import LATER, SECTIONS, Sections
from flowplan.lang.shared import KindOf, Shared
from flowplan.lang.stack import Resource, Source, Stack
from flowplan.lang.variables import Declared, VariableSource, declare, parse_variables, settle
from flowplan.lang.world import World
from flowplan.resources import kind_of
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Diagnostics

if TYPE_CHECKING:
    from flowplan.lang.entries import Results

__all__ = [
    "LATER", "SECTIONS", "_PROVIDERS", "_PROVIDER_FIELDS", "load_stack",
]  # fmt: skip
_ONCE = ("stack", "requires", "description", "provider", "budget", "limits")


def load_stack(
    sources: Sequence[Source],
    inputs: Sequence[VariableSource],
    reader: Reader,
    tool_version: str,
    kinds: KindOf = kind_of,
    folders: Folders | None = None,
    results: Results | None = None,
    secrets: Secrets | None = None,
) -> tuple[Stack | None, Diagnostics]:
    """The stack that ``sources`` spell with the variable values in ``inputs`` (weakest first), and what is wrong.

    The stack is None when anything is an error; diagnostics come in file order and never hold a sensitive
    value. A source named ``flowplan.vars.yaml`` gives values weaker than all inputs; task files are skipped.
    ``folders`` gives the folders of modules. ``results`` are what came of lookups, by `Query.key`: one that is not
    there is unknown, and what depends on it for its shape is left out of the stack, with a warning. ``secrets`` reads
    the secrets that variables name; without it they are unknown.
    """
    running = gc.isenabled()
    gc.disable()  # Why: what is built here is kept, so the collector finds nothing, and finds it often
    try:
        findings = Findings()
        shared = Shared(findings, kinds, folders, results, secrets)
        return _load(sources, inputs, shared, reader, tool_version)
    finally:
        if running:
            gc.enable()


def _load(
    sources: Sequence[Source],
    inputs: Sequence[VariableSource],
    shared: Shared,
    reader: Reader,
    tool_version: str,
) -> tuple[Stack | None, Diagnostics]:
    findings = shared.findings
    sections = Sections(findings)
    values: list[VariableSource] = []
    for source in sources:
        name = source.path.rsplit("/", 1)[-1]
        if name == VARIABLES_FILE:
            given, found = parse_variables(source)
            values.append(given)
            findings.extend(found)
        elif is_stack_file(source.path) or (len(sources) == 1 and name != LOCK_FILE):
            sections.read(source)
    order = [source.path for source in sources]
    folder = posixpath.dirname(order[0]) if order else ""
    # Why not at all: every name declared in a text that cannot be read would be reported as missing
    stack = (
        None
        if sections.unreadable
        else _stack(sections, [*values, *inputs], World(shared, reader, folder), tool_version)
    )
    found = findings.finish([*order, *shared.texts])
    if stack is None or found.has_errors:
        return None, found
    texts = tuple(Source(path, text) for path, text in shared.texts.items())
    return evolve(stack, sources=(*sources, *texts)), found


def _stack(
    sections: Sections, inputs: Sequence[VariableSource], world: World, tool_version: str
) -> Stack | None:
    """Evaluate everything; None where anything is wrong."""
    findings, shared = world.findings, world.shared
    check_requires(findings, sections, tool_version)
    for section in _ONCE:
        sections.one(section)
    check_name(findings, sections)
    declared: dict[str, Declared] = {}
    for entry in items(world, sections, "variables", "var", "variable"):
        declared[entry.name] = declare(world, entry.name, entry.document, entry.at, entry.node, entry.node_at)
    world.given = variables = settle(
        world, declared, () if "var" in world.opaque else inputs, sections.doubtful
    )
    # The name comes first: resources that have no name of their own are called after it.
    name = world.stack_name = read_text(world, sections, "stack")
    assemble(world, sections, None)
    for thing in world.things():
        world.order.prepare(thing)
    for module in shared.sections.values():
        if module is not None:
            check_requires(findings, module, tool_version)
    description = read_text(world, sections, "description")
    provider = read_provider(world, sections)
    moved, removed = read_moved(world, sections), read_removed(world, sections)
    imports = read_imports(world, sections)
    checks = read_checks(world, sections)
    budget, limits = read_budget(world, sections), read_limits(world, sections)
    if findings.has_errors:
        return None
    outputs = {one.name: one for value in world.outputs.values() if (one := value.output()) is not None}
    return Stack(
        name=name,
        resources=_resources(shared),
        outputs=outputs,
        variables=variables,
        provider=provider,
        description=description,
        moved=moved,
        removed=removed,
        imports=imports,
        budget=budget,
        limits=limits,
        checks=checks,
        lookups=tuple(shared.asked[key] for key in sorted(shared.asked)),
        modules=dict(shared.calls),
        absence_of=lambda address: absence_of(world, address),
    )


def _resources(shared: Shared) -> dict[Address, Resource]:
    """The finished resources in sorted order."""
    found = {instance.address: instance for world in shared.worlds.values() for instance in _instances(world)}
    made = {address: found[address].resource() for address in sorted(found, key=_sort_key)}
    if not shared.is_open:
        return made
    # Why: what is left out because a lookup was not carried out may be referred to from what is not
    return {
        address: evolve(
            resource,
            references=tuple(one for one in resource.references if one.address in made),
            depends_on=tuple(one for one in resource.depends_on if one.address in made),
        )
        for address, resource in made.items()
    }


def _instances(world: World) -> Iterator[Instance]:
    for kind in Kind:
        for declaration in world.resources[kind].values():
            try:
                instances = declaration.instances()
            except Silent:
                continue
            yield from (one for one in instances.values() if one.desired and one.ok)


def _sort_key(address: Address) -> Any:
    return address.sort_key
