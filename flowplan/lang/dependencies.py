"""``depends_on``: the predecessors that a resource, or a module's call, declares (stack-language.md, decision 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from flowplan.lang.declared import declared, meant, parse_address, reach
from flowplan.lang.descent import describe
from flowplan.lang.document import Map, Seq
from flowplan.lang.meta import unknown_key
from flowplan.lang.scope import Scope, Silent
from flowplan.lang.stack import Condition, Dependency
from flowplan.lang.template import is_template
from flowplan.lang.words import ExpressionError
from flowplan.values.address import Address, Kind, module_part, module_path
from flowplan.values.diagnostic import did_you_mean

if TYPE_CHECKING:
    from flowplan.lang.world import World

_CONDITIONS = {condition.value: condition for condition in Condition}
_NOWHERE = Address(Kind.TASK, "")


def depends_on(scope: Scope, body: Map, world: World) -> tuple[Dependency, ...]:
    """The declared predecessors, one for each instance they stand for; mistakes are reported."""
    if "depends_on" not in body:
        return ()
    node, at = body["depends_on"], body.value_at("depends_on")
    found: list[Dependency] = []
    if type(node) is Seq:
        for item, place in zip(node, node.marks, strict=True):
            found += _dependencies(scope, world, item, place, Condition.CREATED, False)
    elif type(node) is Map:
        for index, (key, value) in enumerate(node.items()):
            place, value_at = node.marks[2 * index], node.marks[2 * index + 1]
            condition, failed_ok = _condition(scope, value, value_at)
            if condition is not None:
                found += _dependencies(scope, world, key, place, condition, failed_ok)
    elif node is not None:
        advice = f"Write [{node}]." if isinstance(node, str) else ""
        scope.fail(at, f"depends_on takes a list of addresses or a mapping, not {describe(node)}", advice)
    return tuple(found)


def _condition(scope: Scope, node: Any, at: int) -> tuple[Condition | None, bool]:
    words = ", ".join(_CONDITIONS)
    failed_ok: Any = False
    if node is None:
        return Condition.CREATED, False
    if type(node) is Map:
        for key in node:
            if key not in ("condition", "failed_ok"):
                unknown_key(scope, node, key, "a dependency", ("condition", "failed_ok"))
        if "failed_ok" in node:
            failed_ok = scope.shape(node["failed_ok"], node.value_at("failed_ok"), "failed_ok", bool)
        if "condition" in node:
            at = node.value_at("condition")
        node = node.get("condition", "created")
    word = scope.shape(node, at, "a condition")
    if word is None:
        return None, False
    if not isinstance(word, str) or word not in _CONDITIONS:
        near = did_you_mean(word, _CONDITIONS) if isinstance(word, str) else ""
        shown = repr(word) if isinstance(word, str) else describe(word)
        scope.fail(at, f"there is no condition {shown}", near or f"Write one of: {words}.")
        return None, False
    return _CONDITIONS[word], bool(failed_ok)


def _dependencies(
    scope: Scope, world: World, node: Any, at: int, condition: Condition, failed_ok: bool
) -> list[Dependency]:
    if (
        isinstance(node, str)
        and is_template(node)
        and node.strip().startswith("{{")
        and "[" not in node.split("}}")[0]
    ):
        inner = node.strip().removeprefix("{{").removesuffix("}}").strip()
        if parse_address(inner) is not None:
            scope.fail(at, "depends_on takes addresses, not expressions", f"Write {inner}, without braces.")
            return []
    text = scope.shape(node, at, "an address in depends_on", str)
    if text is None:
        return []
    quoted = scope.document.text[at : at + 1] in ("'", '"')
    span = scope.document.span(at, at + (len(node) + 2 * quoted if isinstance(node, str) else 1))
    if module_path(text) is not None:
        return _of_module(scope, world, text, at, Dependency(_NOWHERE, condition, failed_ok, span))
    try:
        address = Address.parse(text)
    except ValueError as error:
        summary, _, advice = str(error).partition("; ")
        scope.fail(at, summary, meant(world, text) or f"{advice[:1].upper()}{advice[1:]}.")
        return []
    if not declared(scope, world, address, at):
        return []
    if condition is not Condition.CREATED and address.kind is not Kind.TASK:
        scope.fail(
            at,
            f"a {address.kind.value} is never {condition.value}",
            "Only a task runs and completes; write created.",
        )
        return []
    declaration = world.find(evolve(address, module=(*world.module, *address.module)))
    assert declaration is not None, "it is declared"
    try:
        instances = declaration.instances()
    except (Silent, ExpressionError):
        scope.broken = True
        return []
    chosen = list(instances.values()) if address.key is None else [instances[address.key]]
    if scope.address in [instance.address for instance in chosen]:
        scope.fail(at, f"{scope.address} depends on itself", "Remove it.")
        return []
    return [Dependency(i.address, condition, failed_ok, span) for i in chosen if i.desired]


def _of_module(scope: Scope, world: World, text: str, at: int, model: Dependency) -> list[Dependency]:
    """Every resource of a module; a condition that only tasks have is waited for by the tasks in it."""
    path = module_path(text) or ()
    outer = reach(world, path[:-1])
    name, bracket, _ = path[-1].partition("[")
    call = outer.modules.get(name) if outer is not None else None
    if call is None:
        known = [f"module.{one}" for one in world.modules]
        listed = f"The modules are: {', '.join(known[:20])}." if known else "Declare it under modules:."
        scope.fail(at, f"there is no {text} in this stack", did_you_mean(text, known) or listed)
        return []
    try:
        keys = {module_part(name, key): key for key in call.worlds()}
        if path[-1] not in keys and (bracket or not call.has_each):
            shown = ", ".join(repr(key) for key in list(call.worlds())[:20] if key is not None)
            advice = f"Its keys are: {shown}." if shown else "It has no for_each; leave the key out."
            scope.fail(at, f"there is no {text} in this stack", advice)
            return []
        addresses = list(call.addresses(keys[path[-1]] if bracket else None))
    except Silent:
        scope.broken = True
        return []
    except ExpressionError as error:
        scope.fail(at, error.message, error.suggestion)
        return []
    created = evolve(model, condition=Condition.CREATED)
    return [evolve(model if one.kind is Kind.TASK else created, address=one) for one in addresses]
