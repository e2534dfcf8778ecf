"""Where a value comes from: what its expression names, what that is made of in turn, down to who gave a variable.

Nothing is evaluated here that was not evaluated when the stack was read, and all of it only when someone asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flowplan.lang.document import Document, Map, Seq
from flowplan.lang.entries import Absence, Origin
from flowplan.lang.inputs import Input
from flowplan.lang.lazy import Lazy
from flowplan.lang.scope import Silent
from flowplan.lang.stack import VariableValue
from flowplan.lang.template import program_of, templates
from flowplan.lang.words import ExpressionError, PathExpr
from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.value import Path, Sensitive

if TYPE_CHECKING:
    from flowplan.lang.declaration import Declaration, Instance
    from flowplan.lang.modules import ModuleCall
    from flowplan.lang.world import World

_DEEPEST = 20
"""How far a chain is followed."""
_MOST = 50
"""The most origins of one value that are told."""
_KINDS = {kind.value: kind for kind in Kind}
_WORDS = {"local": "local", "data": "lookup", "var": "variable"}


@frozen
class _Place:
    """Where texts stand: their world, their document, and what ``each`` is there."""

    world: World
    document: Document
    each: tuple[str, Any] | None = None
    shape: Map | None = None
    """The declaration whose ``for_each`` makes ``each``."""


def origins_of(instance: Instance, path: Path) -> tuple[Origin, ...]:
    """What the value at a path of a resource's declaration is made of; empty for a value that is written out."""
    declaration = instance.declaration
    place = _Place(declaration.world, declaration.document, instance.each, declaration.body)
    return tuple(_origins(instance.written(path), place, frozenset(), _DEEPEST))


def _origins(node: Any, place: _Place, seen: frozenset[str], depth: int) -> Iterator[Origin]:
    found: dict[str, PathExpr] = {}
    for text in templates(node):
        try:
            program = program_of(text)
        except ExpressionError:
            continue
        for path in program.paths:
            found.setdefault(path.text, path)
    for path in list(found.values())[:_MOST]:
        if (origin := _origin(path, place, seen, depth)) is not None:
            yield origin


def _origin(path: PathExpr, place: _Place, seen: frozenset[str], depth: int) -> Origin | None:
    world, name = place.world, path.parts[0] if path.parts else ""
    label = f"{world.prefix}{path.root}.{name}"
    if not isinstance(name, str) or label in seen or depth <= 0:
        return None
    seen |= {label}
    if path.root == "each":
        return _each(path, place, seen, depth)
    thing: Any = {
        "var": world.variables,
        "local": world.locals,
        "data": world.data,
    }.get(path.root, {}).get(name)
    if path.root == "var" and not isinstance(thing, Lazy):
        return _variable(world, name)
    if path.root == "module":
        return _output(path, place, seen, depth)
    if path.root in _KINDS:
        return _attribute(path, place, seen, depth)
    if not isinstance(thing, Lazy):
        return None
    inner = _Place(world, thing.document)
    node, at = thing.node, (thing.at, thing.end)
    document = thing.document
    if isinstance(thing, Input):
        if name not in thing.given:
            span, snippet = document.locate(*at)
            return Origin("input", label, _value(thing), "default", span, snippet)
        document, node = thing.call.document, thing.given[name]
        at = (thing.given.value_at(name), None)  # type: ignore[assignment]
        inner = _Place(thing.world, document, thing.each, thing.call.body)
    span, snippet = document.locate(*at)
    made_of = tuple(_origins(node, inner, seen, depth - 1))
    return Origin(
        _WORDS[path.root] if not isinstance(thing, Input) else "input",
        label,
        _value(thing),
        "",
        span,
        snippet,
        made_of,
    )


def _value(thing: Lazy) -> Any:
    try:
        return thing.get()
    except (Silent, ExpressionError):
        return None


def _variable(world: World, name: str) -> Origin | None:
    given: VariableValue | None = world.given.get(name)
    if given is None:
        return None
    entry = (
        next((e for e in world.sections.items("variables", "variable")[0] if e.name == name), None)
        if (world.sections is not None)
        else None
    )
    span, snippet = entry.document.locate(entry.at, entry.end) if entry is not None else (None, "")
    value = (
        Sensitive(given.value) if given.sensitive and not isinstance(given.value, Sensitive) else given.value
    )
    return Origin("variable", f"var.{name}", value, given.source.replace("*", name), span, snippet)


def _each(path: PathExpr, place: _Place, seen: frozenset[str], depth: int) -> Origin | None:
    if place.each is None or place.shape is None or "for_each" not in place.shape:
        return None
    key, value = place.each
    node, at = place.shape["for_each"], place.shape.value_at("for_each")
    if isinstance(node, Map) and key in node:
        node, at = node[key], node.value_at(key)
    span, snippet = place.document.locate(at)
    outer = _Place(place.world, place.document)
    made_of = tuple(_origins(node, outer, seen, depth - 1))
    return Origin("for_each", path.text, key if path.parts[0] == "key" else value, "", span, snippet, made_of)


def _output(path: PathExpr, place: _Place, seen: frozenset[str], depth: int) -> Origin | None:
    call = place.world.modules.get(str(path.parts[0]))
    if call is None or path.is_dynamic:
        return None
    try:
        output, _ = call.output(path.parts[1:], path.text)
    except (Silent, ExpressionError):
        return None
    span, snippet = output.document.locate(output.at, output.end)
    inner = _Place(output.world, output.document)
    node = output.node.get("value") if isinstance(output.node, Map) else None
    return Origin(
        "module output",
        path.text,
        _value(output),
        "",
        span,
        snippet,
        tuple(_origins(node, inner, seen, depth - 1)),
    )


def _attribute(path: PathExpr, place: _Place, seen: frozenset[str], depth: int) -> Origin | None:
    """A configured attribute of another resource; one that the provider gives is told by that resource's action."""
    world = place.world
    declaration = world.resources[_KINDS[path.root]].get(str(path.parts[0]))
    if declaration is None or path.is_dynamic:
        return None
    rest = path.parts[1:]
    key = rest[0] if declaration.has_each and rest else None
    name = (rest[1:] if declaration.has_each else rest)[:1]
    try:
        instance = declaration.instance(key, path.text)
        value = instance.config().get(str(name[0])) if name else None
    except (Silent, ExpressionError):
        return None
    attribute = world.kinds[declaration.kind].attributes.get(str(name[0])) if name else None
    if attribute is None or attribute.computed:
        span, snippet = declaration.document.locate(declaration.at, declaration.end)
        return Origin("resource", path.text, None, "", span, snippet, address=instance.address)
    where, snippet = instance.locate((str(name[0]),))
    inner = _Place(declaration.world, declaration.document, instance.each, declaration.body)
    made_of = tuple(_origins(instance.written((str(name[0]),)), inner, seen, depth - 1))
    return Origin("resource", path.text, value, "", where, snippet, made_of, instance.address)


def absence_of(world: World, address: Address) -> Absence | None:
    """Why an address that is declared in some way stands for no resource; None for one that is not declared at all."""
    try:
        for part in address.module:
            name, bracket, key = part.partition("[")
            call = world.modules.get(name)
            if call is None:
                return None
            found = _absent(call.worlds(), _key_of(key) if bracket else None, call.body, call, part)
            if isinstance(found, Absence):
                return found
            world = found
        declaration = world.resources[address.kind].get(address.name)
        if declaration is None:
            return None
        instances = {k: i if i.desired else None for k, i in declaration.instances().items()}
    except (Silent, ExpressionError):
        return None
    absent = _absent(instances, address.key, declaration.body, declaration, str(address))
    return absent if isinstance(absent, Absence) else None


def _key_of(text: str) -> str:
    import json

    return str(json.loads(text.removesuffix("]")))


def _absent(found: Any, key: str | None, body: Map, owner: Declaration | ModuleCall, label: str) -> Any:
    """What stands under a key; or why nothing does."""
    if key in found and found[key] is not None:
        return found[key]
    field = "when" if key in found else "for_each"
    if field not in body:
        span, snippet = owner.document.locate(owner.at, owner.end)
        return Absence(
            f"{label} is declared without for_each, so it has no instances with keys", span, snippet
        )
    words = (
        f"when is false for {label}"
        if field == "when"
        else (
            f"for_each of {owner.label} has no key {key!r}"
            if key is not None
            else f"{label} has for_each, so each instance has a key"
        )
    )
    span, snippet = owner.document.span_of((field,), body)
    place = _Place(owner.world, owner.document)
    return Absence(words, span, snippet, tuple(_origins(body[field], place, frozenset(), _DEEPEST)))


def written_at(layers: tuple[Map, ...], path: Path) -> Any:
    """What is written at a path, in the first layer that has it; as deep as the path leads."""
    for layer in layers:
        if not path or path[0] not in layer:
            continue
        node: Any = layer
        for part in path:
            inside = (isinstance(node, Map) and part in node) or (
                isinstance(node, Seq) and part in range(len(node))
            )
            if not inside:
                break
            node = node[part]
        return node
    return None
