"""Declares what a folder's sections hold in its world; nothing is evaluated here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flowplan.lang.declaration import Declaration
from flowplan.lang.defaults import read_defaults
from flowplan.lang.descent import describe
from flowplan.lang.document import Map
from flowplan.lang.lazy import Lazy, Local
from flowplan.lang.lookups import Data
from flowplan.lang.modules import ModuleCall
from flowplan.lang.outputs import OutputValue
from flowplan.lang.scope import Scope
from flowplan.lang.sections import Entry, Sections
from flowplan.values.address import Address, Kind

if TYPE_CHECKING:
    from flowplan.lang.world import World


def assemble(world: World, sections: Sections, inputs: Callable[[Entry], Lazy] | None) -> None:
    """Fill a world. ``inputs`` makes a module's inputs; a stack's variables have their values already."""
    world.sections = sections
    if inputs is not None:
        for entry in items(world, sections, "variables", "var", "variable"):
            world.variables[entry.name] = inputs(entry)
    for entry in items(world, sections, "locals", "local", "local"):
        world.locals[entry.name] = Local(world, entry)
    for entry in items(world, sections, "data", "data", "lookup"):
        world.data[entry.name] = Data(world, entry)
    read_defaults(world, sections)
    for kind in Kind:
        for entry in items(world, sections, kind.section, kind.value, kind.value):
            _declare(world, kind, entry)
    for entry in items(world, sections, "modules", "module", "module"):
        world.modules[entry.name] = ModuleCall(world, entry)
    for entry in items(world, sections, "outputs", "output", "output"):
        world.outputs[entry.name] = OutputValue(world, entry)


def items(world: World, sections: Sections, section: str, root: str, what: str) -> list[Entry]:
    """What a section declares; where it cannot be read in full, its root becomes opaque."""
    entries, whole = sections.items(section, what)
    if not whole:
        world.opaque.add(root)
    return entries


def _declare(world: World, kind: Kind, entry: Entry) -> None:
    if type(entry.node) is not Map:
        Scope(world, entry.document, Address(kind, entry.name, None, world.module)).fail(
            entry.at if entry.node is None else entry.node_at,
            f"a {kind.value} is declared by a mapping of its fields, not {describe(entry.node)}",
        )
        world.opaque.add(kind.value)
        return
    world.resources[kind][entry.name] = Declaration(
        world, kind, entry.name, entry.document, entry.at, entry.node
    )
