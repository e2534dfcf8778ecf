"""``moved``, ``removed`` and ``imports``: refactoring that is declared and reviewed (stack-language.md, decision 8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flowplan.lang.declared import declared, names, reach
from flowplan.lang.descent import describe
from flowplan.lang.document import Document, Map
from flowplan.lang.entries import Import, Moved, Removed
from flowplan.lang.meta import unknown_key
from flowplan.lang.scope import Scope, Silent
from flowplan.lang.sections import Entry, Sections
from flowplan.lang.words import ExpressionError
from flowplan.values.address import Address, module_path
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Span, did_you_mean

if TYPE_CHECKING:
    from flowplan.lang.world import World

Target = Address | tuple[str, ...]
"""What a row is about: a resource, or a whole module by its path."""


@frozen
class _Move:
    """One row of ``moved``, with absolute addresses."""

    origin: Target
    to: Target
    document: Document
    origin_at: int
    to_at: int

    @property
    def span(self) -> Span:
        return self.document.span(self.origin_at)


def read_moved(world: World, sections: Sections) -> tuple[Moved, ...]:
    """The rows of ``moved``, of the modules too; each leads to where its chain ends. Mistakes are reported."""
    moves: list[_Move] = []
    taken: dict[Target, _Move] = {}
    for inner, scope, entry, node in _rows(
        world, sections, "moved", ("from", "to"), "{from: task.a, to: task.b}"
    ):
        origin, to = _target(inner, scope, node, "from"), _target(inner, scope, node, "to")
        if origin is None or to is None:
            continue
        at, to_at = node.value_at("from"), node.value_at("to")
        move = _Move(origin, to, entry.document, at, to_at)
        if type(origin) is not type(to) or (
            isinstance(origin, Address) and isinstance(to, Address) and origin.kind is not to.kind
        ):
            what = f"{_text(origin)} cannot become {_text(to)}: they are of different kinds"
            scope.fail(to_at, what, "Only things of one kind can be moved to each other.")
        elif origin == to:
            scope.fail(to_at, f"{_text(origin)} is moved to itself", "Remove this row.")
        elif origin in (known := {one.origin: one for one in moves}):
            what = f"{_text(origin)} is moved twice"
            scope.fail(at, what, f"The first time is at {known[origin].span}; keep one.")
        elif to in taken:
            what = f"two things are moved to {_text(to)}"
            scope.fail(to_at, what, f"The first is moved at {taken[to].span}; keep one.")
        elif _still_there(inner, origin):
            what = f"{_text(origin)} is still declared, so it cannot be moved"
            scope.fail(at, what, f"Declare {_text(to)} in its place.")
        else:
            moves.append(move)
            taken[to] = move
    return tuple(_ends(world, moves))


def _ends(world: World, moves: list[_Move]) -> Iterator[Moved]:
    """The moves, each to where it ends: what is moved on from there is followed."""
    onward = {move.origin: move for move in moves}
    ends: dict[Target, Target | None] = {}
    for move in moves:
        path: list[_Move] = []
        seen: set[Target] = set()
        here: _Move | None = move
        end: Target | None = move.to
        while here is not None:
            if here.origin in ends:
                end = ends[here.origin]
                break
            path.append(here)
            seen.add(here.origin)
            end = here.to
            if end in seen:
                chain = " → ".join(_text(one.origin) for one in path)
                Scope(world, move.document).fail(
                    move.origin_at, f"these are moved in a circle: {chain} → {_text(end)}", "Remove one of these rows."
                )  # fmt: skip
                end = None
                break
            here = onward.get(end)
        last = path[-1] if path else move
        if end is not None and path and not _is_declared(world, end, last):
            end = None
        for one in path:
            ends[one.origin] = end
    for move in moves:
        end = ends.get(move.origin)
        if end is not None:
            yield Moved(_text(move.origin), _text(end), move.span)


def _is_declared(world: World, target: Target, move: _Move) -> bool:
    return _exists(world, Scope(world, move.document), target, move.to_at)


def read_removed(world: World, sections: Sections) -> tuple[Removed, ...]:
    """The rows of ``removed``, of the modules too; mistakes are reported."""
    found: dict[Target, Removed] = {}
    for inner, scope, entry, node in _rows(
        world, sections, "removed", ("from", "destroy"), "{from: task.a}", 1
    ):
        origin = _target(inner, scope, node, "from")
        destroy: Any = False
        if "destroy" in node:
            destroy = scope.shape(node["destroy"], node.value_at("destroy"), "removed.destroy", bool)
        if origin is None or destroy is None:
            continue
        at = node.value_at("from")
        if origin in found:
            advice = f"The first time is at {found[origin].span}; keep one."
            scope.fail(at, f"{_text(origin)} is removed twice", advice)
        elif _still_there(inner, origin):
            what = f"{_text(origin)} is still declared, so it cannot be removed"
            scope.fail(at, what, "Remove its declaration, or this row.")
        else:
            found[origin] = Removed(_text(origin), destroy, entry.document.span(at))
    return tuple(found.values())


def read_imports(world: World, sections: Sections) -> tuple[Import, ...]:
    """The rows of ``imports``; mistakes are reported."""
    found: dict[Address, Import] = {}
    given: dict[tuple[Any, ...], Address] = {}
    for inner, scope, entry, node in _rows(
        world, sections, "imports", ("to", "id", "name"), "{to: task.a, id: bid_…}", 1
    ):
        to = _target(inner, scope, node, "to")
        if to is None:
            continue
        at = node.value_at("to")
        if not isinstance(to, Address):
            scope.fail(at, "a whole module cannot be imported", "Write one row for each resource in it.")
            continue
        if not _exists(inner, scope, to, at):
            continue
        declaration = inner.find(to)
        if declaration is not None and declaration.has_each and to.key is None:
            try:
                instances = list(declaration.instances())
            except Silent:
                continue  # its shape is broken, which is reported
            keys = ", ".join(f'{to}["{key}"]' for key in instances[:8])
            advice = f"Choose one of them: {keys}." if keys else "Its for_each is empty."
            scope.fail(at, f"{to} has for_each, so it is several resources", advice)
            continue
        named = [key for key in ("id", "name") if key in node]
        if len(named) != 1:
            what = "an import has an id or a name, not both" if named else f"the import of {to} has no id"
            place = node.key_at("name") if named else entry.at
            scope.fail(place, what, "Write id: with the provider's id of it, or name: where that is unique.")
            continue
        value = scope.shape(node[named[0]], node.value_at(named[0]), f"imports.{named[0]}", str)
        if value is None:
            continue
        key = (to.kind, named[0], value)
        if not value:
            scope.fail(
                node.value_at(named[0]), f"imports.{named[0]} is empty", "Write it, or remove the row."
            )
        elif to in found:
            scope.fail(at, f"{to} is imported twice", f"The first time is at {found[to].span}; keep one.")
        elif key in given:
            what = f"{named[0]} {value!r} is imported twice"
            scope.fail(node.value_at(named[0]), what, f"It is imported to {given[key]} too; keep one.")
        else:
            given[key] = to
            span = entry.document.span(at)
            found[to] = Import(to, span=span, **{named[0]: value})
    return tuple(found.values())


def _rows(
    world: World, sections: Sections, section: str, fields: tuple[str, ...], example: str, needed: int = 2
) -> Iterator[tuple[World, Scope, Entry, Map]]:
    """The rows of a section over the stack and its modules, that are mappings with what they need."""
    for inner in list(world.shared.worlds.values()):
        for entry in (inner.sections or sections).rows(section):
            scope = Scope(inner, entry.document)
            if type(entry.node) is not Map:
                what = f"a row of {section} is a mapping, not {describe(entry.node)}"
                scope.fail(entry.node_at, what, f"Write it as in {example}.")
                continue
            for key in entry.node:
                if key not in fields:
                    unknown_key(scope, entry.node, key, f"a row of {section}", fields)
            missing = [field for field in fields[:needed] if field not in entry.node]
            if missing and not scope.broken:
                what = f"a row of {section} needs {' and '.join(missing)}"
                scope.fail(entry.at, what, f"Write it as in {example}.")
            if not missing:
                yield inner, scope, entry, entry.node


def _target(world: World, scope: Scope, node: Map, field: str) -> Target | None:
    """The absolute target in a field of a row; None after a report."""
    at = node.value_at(field)
    text = scope.shape(node[field], at, field, str)
    if text is None:
        return None
    path = module_path(text)
    if path is not None:
        return (*world.module, *path)
    try:
        address = Address.parse(text)
    except ValueError as error:
        summary, _, advice = str(error).partition("; ")
        near = did_you_mean(text, names(world)) if field == "to" else ""
        scope.fail(at, summary, near or f"{advice[:1].upper()}{advice[1:]}.")
        return None
    return Address(address.kind, address.name, address.key, (*world.module, *address.module))


def _text(target: Target) -> str:
    return str(target) if isinstance(target, Address) else ".".join(f"module.{part}" for part in target)


def _still_there(world: World, target: Target) -> bool:
    """Whether the stack still declares what is said to be gone."""
    shared = world.shared
    if not isinstance(target, Address):
        return target in shared.worlds or _has_call(world, target)
    inner = reach(world.root, target.module)
    declaration = inner.resources[target.kind].get(target.name) if inner is not None else None
    if declaration is None:
        return False
    try:
        return target.key in declaration.instances()
    except (Silent, ExpressionError):
        return False


def _has_call(world: World, path: tuple[str, ...]) -> bool:
    """Whether a path without a key names a call that has none either, or one that is switched off."""
    outer = world.shared.worlds.get(path[:-1])
    call = outer.modules.get(path[-1]) if outer is not None else None
    return call is not None and not call.has_each


def _exists(world: World, scope: Scope, target: Target, at: int) -> bool:
    """Whether the stack declares what something becomes; reported where not."""
    if isinstance(target, Address):
        return declared(scope, world.root, target, at)
    outer = reach(world.root, target[:-1])
    name, _, key = target[-1].partition("[")
    call = outer.modules.get(name) if outer is not None else None
    if call is None:
        known = list(outer.modules) if outer is not None else []
        near = did_you_mean(name, known) or "Declare it under modules:."
        scope.fail(at, f"there is no {_text(target)} in this stack", near)
        return False
    if key and target not in world.shared.worlds and call.has_each:
        scope.fail(at, f"{call.label} has no instance [{key}", "Write one of its keys.")
        return False
    return True
