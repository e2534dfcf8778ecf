"""The meta-fields ``lifecycle`` and ``timeouts`` of a resource (stack-language.md, decision 7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from attrs import evolve

from flowplan.lang.declared import declared, parse_address
from flowplan.lang.descent import describe
from flowplan.lang.document import Map, Seq
from flowplan.lang.scope import Scope
from flowplan.lang.stack import Lifecycle
from flowplan.values.address import Kind
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
NO_LIFECYCLE = Lifecycle()
"""What holds where a resource says nothing."""
NO_TIMEOUTS: Mapping[str, timedelta] = {}
"""No bounds."""
_PATH = r"[a-z_]+(?:\.(?:\*|[A-Za-z0-9_-]+)|\[(?:\*|[0-9]+|\"[^\"]+\"|'[^']+')\])*"


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
        example = "{running: 10m}" if name == "timeouts" else "{prevent_destroy: true}"
        summary = f"{name} must be a mapping, not {describe(node)}"
        scope.fail(body.value_at(name), summary, f"Write it as in {name}: {example}.")
        return None
    return node


def lifecycle(scope: Scope, body: Map, world: World, kind: Kind, base: Lifecycle = NO_LIFECYCLE) -> Lifecycle:
    """The ``lifecycle`` block of a declaration over what ``base`` says; mistakes are reported."""
    if "lifecycle" not in body:
        return base
    node = _block(scope, body, "lifecycle")
    if node is None:
        return NO_LIFECYCLE if "lifecycle" in body and body["lifecycle"] is None else base
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
            checked = [check(scope, world, kind, text, place) for text, place in items]
            found[key] = tuple(text for text in checked if text)
        else:
            unknown_key(scope, node, key, "lifecycle", (*_FLAGS, *_LISTS, *CHOICES))
    return evolve(base, **found)


def _texts(scope: Scope, node: Any, at: int, what: str) -> list[tuple[str, int]]:
    if type(node) is not Seq:
        advice = f"Write [{node}]." if isinstance(node, str) else ""
        scope.fail(at, f"{what} must be a list of texts, not {describe(node)}", advice)
        return []
    found = []
    for item, place in zip(node, node.marks, strict=True):
        text = scope.shape(item, place, f"an item of {what}", str)
        if text is not None:
            found.append((text, place))
    return found


def _ignored(scope: Scope, world: World, kind: Kind, text: str, at: int) -> str:
    """The path of attributes to ignore, "" after a report."""
    names = world.kinds[kind].configurable
    if text == "*":
        return text
    first = text.split(".", 1)[0].split("[", 1)[0]
    if first in world.kinds[kind].computed:
        scope.fail(at, f"{first} is decided by the provider, and never a reason for a change", "Remove it.")
        return ""
    if first not in names:
        near = did_you_mean(first, names) or f"The attributes are: {', '.join(names)}."
        scope.fail(at, f"a {kind.value} has no configurable attribute {first!r} to ignore", near)
        return ""
    if re.fullmatch(_PATH, text) is None:
        advice = "Write it as image, env.NAME, env.*, volumes[0] or volumes[*].mount_path."
        scope.fail(at, f"{text!r} is no path of attributes", advice)
        return ""
    return text


def _trigger(scope: Scope, world: World, kind: Kind, text: str, at: int) -> str:
    """The reference of a trigger with its absolute address, "" after a report."""
    address, attribute = parse_address(text), ""
    if address is None and "." in text:
        bare, attribute = text.rsplit(".", 1)
        address = parse_address(bare)
    if address is None:
        scope.fail(at, f"{text!r} is no reference", "Write one as volume.data or volume.data.size_gb.")
        return ""
    if not declared(scope, world, address, at):
        return ""
    names = world.kinds[address.kind].attributes
    if attribute and attribute not in names:
        near = did_you_mean(attribute, names) or f"Its attributes are: {', '.join(names)}."
        scope.fail(at, f"{address} has no attribute {attribute!r}", near)
        return ""
    absolute = evolve(address, module=(*world.module, *address.module))
    if scope.address is not None and absolute in (scope.address, scope.address.resource):
        advice = "Its own changes are planned anyway; name another resource."
        scope.fail(at, f"{scope.address} cannot be triggered by itself", advice)
        return ""
    return f"{absolute}.{attribute}" if attribute else str(absolute)


def timeouts(scope: Scope, body: Map, base: Mapping[str, timedelta] = NO_TIMEOUTS) -> Mapping[str, timedelta]:
    """The ``timeouts`` block of a declaration over what ``base`` says; mistakes are reported."""
    if "timeouts" not in body:
        return base
    node = _block(scope, body, "timeouts")
    found: dict[str, timedelta] = {} if body["timeouts"] is None else dict(base)
    for key, value in (node or Map()).items():
        assert node is not None
        if key not in TIMEOUTS:
            unknown_key(scope, node, key, "timeouts", TIMEOUTS)
            continue
        at = node.value_at(key)
        text = scope.shape(value, at, f"timeouts.{key}")
        if text is None:
            continue
        if not isinstance(text, (str, int, float)) or isinstance(text, bool):
            scope.fail(
                at, f"timeouts.{key} must be a duration, not {describe(text)}", "Write it as 30s, 10m or 2h."
            )
            continue
        try:
            found[key] = parse_duration(str(text))
        except ValueError as error:
            scope.fail(at, str(error).partition(";")[0], "Write a number with its unit: 30s, 10m or 2h.")
    return found
