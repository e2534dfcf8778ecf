"""The meta-fields of a resource: ``lifecycle``, ``timeouts`` and ``depends_on`` (stack-language.md, decision 7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flowplan.lang.descent import describe
from flowplan.lang.document import Map, Seq
from flowplan.lang.scope import Scope, Silent
from flowplan.lang.stack import Condition, Dependency, Lifecycle
from flowplan.lang.template import is_template
from flowplan.lang.words import ExpressionError
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import did_you_mean
from flowplan.values.quantity import parse_duration

if TYPE_CHECKING:
    from flowplan.lang.world import World

TIMEOUTS = ("create", "update", "delete", "running", "completed")
"""The steps that ``timeouts`` may bound."""
CHOICES: Mapping[str, tuple[str, ...]] = {
    "on_remove": ("destroy", "retain"),
    "rerun": ("on_change", "always", "never"),
    "on_lost": ("recreate", "keep", "fail"),
}
"""The words that a ``lifecycle`` field takes."""
_FLAGS = ("prevent_destroy", "create_before_destroy")
_LISTS = ("ignore_changes", "replace_triggered_by")
_DEFAULT = Lifecycle()
_NO_TIMEOUTS: Mapping[str, timedelta] = {}
_CONDITIONS = {condition.value: condition for condition in Condition}


def unknown_key(scope: Scope, node: Map, key: Any, what: str, known: Iterable[str]) -> None:
    """Report a key that a section does not have."""
    names = list(known)
    near = did_you_mean(str(key), names) or f"It has: {', '.join(names)}."
    scope.fail(node.key_at(key), f"{what} has no field {key!r}", near)


def _block(scope: Scope, body: Map, name: str) -> Map | None:
    node = body[name]
    if node is None:
        return None
    if type(node) is not Map:
        scope.fail(body.value_at(name), f"{name} must be a mapping, not {describe(node)}")
        return None
    return node


_LATER = {
    "create_before_destroy": "Leave it out: a replacement is made after the old one is destroyed.",
    "replace_triggered_by": "Leave it out, and change a field of this resource to have it replaced.",
    "on_remove": "Leave it out: what is removed from the stack is destroyed.",
}
"""What the language knows and the planner does not do yet, and what to do meanwhile."""
_LATER_TIMEOUTS = ("create", "update", "delete")


def lifecycle(scope: Scope, body: Map, world: World, kind: Kind) -> Lifecycle:
    """The ``lifecycle`` block of a declaration; mistakes are reported."""
    if "lifecycle" not in body:
        return _DEFAULT
    node = _block(scope, body, "lifecycle")
    if node is None:
        return _DEFAULT
    found: dict[str, Any] = {}
    for key, value in node.items():
        at = node.value_at(key)
        if key in _FLAGS:
            flag = scope.shape(value, at, f"lifecycle.{key}", bool)
            if flag is not None:
                found[key] = flag
        elif key in CHOICES:
            word = scope.shape(value, at, f"lifecycle.{key}", str)
            if word is not None and word not in CHOICES[key]:
                near = did_you_mean(word, CHOICES[key]) or f"Write one of: {', '.join(CHOICES[key])}."
                scope.fail(at, f"lifecycle.{key} has no choice {word!r}", near)
            elif word is not None:
                found[key] = word
        elif key in _LISTS:
            items = _texts(scope, value, at, f"lifecycle.{key}")
            check = _ignored if key == "ignore_changes" else _trigger
            found[key] = tuple(text for text, place in items if check(scope, world, kind, text, place))
        else:
            unknown_key(scope, node, key, "lifecycle", (*_FLAGS, *_LISTS, *CHOICES))
        # Why refused: to read what one does not do yet would be to promise it.
        if found.get(key) not in (None, False, (), "destroy") and key in _LATER:
            scope.fail(at, f"lifecycle.{key} is not supported by this version yet", _LATER[key])
    return Lifecycle(**found)


def _texts(scope: Scope, node: Any, at: int, what: str) -> list[tuple[str, int]]:
    if type(node) is not Seq:
        scope.fail(at, f"{what} must be a list of texts, not {describe(node)}")
        return []
    found = []
    for item, place in zip(node, node.marks, strict=True):
        text = scope.shape(item, place, f"an item of {what}", str)
        if text is not None:
            found.append((text, place))
    return found


def _ignored(scope: Scope, world: World, kind: Kind, text: str, at: int) -> bool:
    names = world.kinds[kind].configurable
    first = text.split(".", 1)[0].split("[", 1)[0]
    if first in names:
        return True
    near = did_you_mean(first, names) or f"The attributes are: {', '.join(names)}."
    scope.fail(at, f"a {kind.value} has no configurable attribute {first!r} to ignore", near)
    return False


def _trigger(scope: Scope, world: World, kind: Kind, text: str, at: int) -> bool:
    bare, attribute = text, ""
    address = _parse(bare)
    if address is None and "." in text:
        bare, attribute = text.rsplit(".", 1)
        address = _parse(bare)
    if address is None:
        scope.fail(at, f"{text!r} is no reference", "Write one as volume.data or volume.data.size_gb.")
        return False
    if not _declared(scope, world, address, at):
        return False
    names = world.kinds[address.kind].attributes
    if attribute and attribute not in names:
        near = did_you_mean(attribute, names) or f"Its attributes are: {', '.join(names)}."
        scope.fail(at, f"{address} has no attribute {attribute!r}", near)
        return False
    return True


def _parse(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except ValueError:
        return None


def timeouts(scope: Scope, body: Map) -> Mapping[str, timedelta]:
    """The ``timeouts`` block of a declaration; mistakes are reported."""
    if "timeouts" not in body:
        return _NO_TIMEOUTS
    node = _block(scope, body, "timeouts")
    found: dict[str, timedelta] = {}
    for key, value in (node or Map()).items():
        assert node is not None
        if key not in TIMEOUTS:
            unknown_key(scope, node, key, "timeouts", TIMEOUTS)
            continue
        at = node.value_at(key)
        if key in _LATER_TIMEOUTS:
            scope.fail(
                at,
                f"timeouts.{key} is not supported by this version yet",
                "Leave it out; running and completed bound how long a task is waited for.",
            )
            continue
        text = scope.shape(value, at, f"timeouts.{key}")
        if text is None:
            continue
        try:
            found[key] = parse_duration(text if isinstance(text, str) else str(text))
        except ValueError as error:
            scope.fail(at, str(error), "A number needs its unit: 30s, 10m or 2h.")
    return found


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
        scope.fail(at, f"depends_on takes a list of addresses or a mapping, not {describe(node)}")
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
        if _parse(inner) is not None:
            scope.fail(at, "depends_on takes addresses, not expressions", f"Write {inner}, without braces.")
            return []
    text = scope.shape(node, at, "an address in depends_on", str)
    if text is None:
        return []
    try:
        address = Address.parse(text)
    except ValueError as error:
        scope.fail(at, str(error))
        return []
    if not _declared(scope, world, address, at):
        return []
    if condition is not Condition.CREATED and address.kind is not Kind.TASK:
        scope.fail(
            at,
            f"a {address.kind.value} is never {condition.value}",
            "Only a task runs and completes; write created.",
        )
        return []
    declared = world.resources[address.kind][address.name]
    try:
        instances = declared.instances()
    except (Silent, ExpressionError):
        scope.broken = True
        return []
    chosen = list(instances.values()) if address.key is None else [instances[address.key]]
    if scope.address in [instance.address for instance in chosen]:
        scope.fail(at, f"{scope.address} depends on itself", "Remove it.")
        return []
    quoted = scope.document.text[at : at + 1] in ("'", '"')
    span = scope.document.span(at, at + (len(node) + 2 * quoted if isinstance(node, str) else 1))
    return [Dependency(i.address, condition, failed_ok, span) for i in chosen if i.desired]


def _declared(scope: Scope, world: World, address: Address, at: int) -> bool:
    """Whether an address names something the stack declares; reported where not."""
    if address.module:
        scope.fail(at, "modules are not supported by this version yet")
        return False
    if address.kind.value in world.opaque:
        scope.broken = True
        return False
    declared = world.resources[address.kind].get(address.name)
    if declared is None:
        known = [f"{kind.value}.{name}" for kind, named in world.resources.items() for name in named]
        near = did_you_mean(str(address.resource), known)
        listed = f"The stack declares: {', '.join(known[:20])}." if known else ""
        scope.fail(at, f"there is no {address.resource} in this stack", near or listed)
        return False
    if address.key is None:
        return True
    try:
        keys = declared.instances()
    except (Silent, ExpressionError):
        scope.broken = True
        return False
    if address.key in keys:
        return True
    listed = ", ".join(repr(key) for key in list(keys)[:20] if key is not None)
    suggestion = f"Its keys are: {listed}." if listed else "It has no for_each; leave the key out."
    scope.fail(at, f"{address.resource} has no instance {address.key!r}", suggestion)
    return False
