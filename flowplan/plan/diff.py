"""Comparing configurations and provider-side attributes, attribute by attribute."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flowplan.plan.change import AttributeChange
from flowplan.resources import Attribute, Change, ResourceKind
from flowplan.resources.attribute import Pick
from flowplan.values.value import Sensitive, Unknown, is_known, seal

_MISSING = object()


def _bag(values: Any) -> Any:
    if not isinstance(values, (list, tuple)):
        return values
    return sorted(json.dumps(item, sort_keys=True, default=repr) for item in values)


def same(before: Any, after: Any, attribute: Attribute | None = None) -> bool:
    """Whether two known values are equal; an unordered attribute's lists are compared as bags."""
    if before == after:
        return True
    if attribute is not None and attribute.unordered and is_known(after):
        return bool(_bag(before) == _bag(after))
    return False


def config_changes(
    kind: ResourceKind, before: Mapping[str, Any], after: Mapping[str, Any], key: bytes
) -> Iterator[AttributeChange]:
    """What differs between the recorded (sealed) configuration and the desired one.

    A field that the record does not have yet (it was written before the field existed) is no change.
    """
    if before == after:
        return
    for name, attribute in kind.attributes.items():
        if attribute.computed:
            continue
        old = before.get(name, _MISSING)
        new = after.get(name)
        if old is _MISSING or old == new:
            continue
        sealed = seal(new, key)
        if not same(old, sealed, attribute):
            yield AttributeChange(name, old, _settled(old, new, sealed), attribute.change_for(old, sealed))


def _settled(old: Any, new: Any, sealed: Any) -> Any:
    """``new``, with each sensitive value that has not changed as its fingerprint: so a change of it can be told."""
    if isinstance(new, Sensitive):
        return sealed if sealed == old else new
    if isinstance(new, dict) and isinstance(old, Mapping):
        return {key: _settled(old.get(key), value, sealed[key]) for key, value in new.items()}
    if isinstance(new, (list, tuple)) and isinstance(old, (list, tuple)) and len(new) == len(old):
        return [_settled(*three) for three in zip(old, new, sealed, strict=True)]
    return new


def agree(pick: Pick, first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether what ``pick`` takes is there on both sides and equal; if not, it may still come to the same."""
    try:
        return bool(pick(first) == pick(second))
    except KeyError:
        return False


def drift_changes(
    kind: ResourceKind, recorded: Mapping[str, Any], observed: Mapping[str, Any]
) -> Iterator[AttributeChange]:
    """What another hand has changed: attributes we control that are not as our last apply left them."""
    for name in kind.feeds:
        attribute = kind.attributes[name]
        if name not in recorded or name not in observed:
            continue
        if not same(recorded[name], observed[name], attribute):
            yield AttributeChange(name, recorded[name], observed[name], Change.LOCAL, drift=True)


def update_targets(
    kind: ResourceKind, current: Mapping[str, Any], targets: Mapping[str, Any]
) -> dict[str, Any]:
    """The provider-side attributes that must be sent so that ``current`` becomes ``targets``."""
    needed: dict[str, Any] = {}
    if agree(kind.sendable, current, targets):
        return needed
    for name in kind.feeds:
        attribute = kind.attributes[name]
        if name not in targets or name not in current:
            continue
        wanted = targets[name]
        differs = isinstance(wanted, Unknown) or not same(current[name], wanted, attribute)
        if differs and attribute.change_for(current[name], wanted).sends:
            needed[name] = wanted
    return needed
