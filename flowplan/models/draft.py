"""A model's values as plain data, checked and settled without the model: for stacks, where thousands of bodies are.

`settled` gives what ``unstructure(structure(model, data))`` gives, in half the time, or None where anything is wrong or
out of the ordinary; then that way is gone, and finds the words. It runs the very same hooks, checks and rules, on an
object that has nothing but the model's methods and a mapping of values. A property test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any

import attrs

from flowplan.models.model import Field, Model, blueprint
from flowplan.models.scalars import volumes_hook
from flowplan.models.volume import VolumeSpec
from flowplan.values.classes import frozen
from flowplan.values.convert import Invalid, Mismatch, unstructure

_PLAIN = frozenset({str, int, float, bool, type(None)})
_Rule = tuple[frozenset[str], Callable[[Any], Iterator[Any]], bool]
"""The fields that a rule looks at, the rule, and whether it has nothing to say where all of them are as they are unset."""


@frozen
class _Mould:
    """What drafts of one model are made from."""

    shell: type
    """A class with the model's methods, whose instances hold their values in a mapping."""
    unset: Mapping[str, Any]
    made: tuple[tuple[str, Callable[[], Any]], ...]
    fields: Mapping[str, Field]
    required: frozenset[str]
    rules: tuple[_Rule, ...]


_moulds: dict[type, _Mould] = {}
_shells: set[type] = set()


def settled(model: type[Model], data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Every field of ``model`` as JSON-shaped data, from ``data`` or its default; None where only the model itself can say."""
    draft = _draft(model, data)
    if draft is None:
        return None
    draft._finish()
    return _public(draft)


def _draft(model: type[Model], data: Mapping[str, Any]) -> Any:
    mould = _moulds.get(model)
    if mould is None:
        mould = _moulds[model] = _cast(model)
    fields = mould.fields
    given = data.keys()
    if not fields.keys() >= given or not mould.required <= given:
        return None
    values = {**mould.unset, **data}
    for name, make in mould.made:
        if name not in data:
            values[name] = make()
    for name, value in data.items():
        one = fields[name]
        if value is one.default:
            continue
        if type(value) not in one.exact:
            if one.own is volumes_hook:
                turned = _volumes(value)
                if turned is None:
                    return None
            else:
                try:
                    turned = one.hook(value, one.kind)
                except (Mismatch, Invalid):
                    return None
            values[name] = value = turned
        if one.check is not None and one.check(value) is not None:
            return None
    draft: Any = object.__new__(mould.shell)
    draft.__dict__ = values
    draft._derive(_NONE_BAD)
    for inputs, rule, is_clean in mould.rules:
        if is_clean and inputs.isdisjoint(given):
            continue
        for _ in rule(draft):
            return None
    return draft


_NONE_BAD: frozenset[str] = frozenset()


def _volumes(value: Any) -> list[Any] | None:
    if type(value) is not list:
        return None
    drafts = []
    for item in value:
        draft = _draft(VolumeSpec, item) if type(item) is dict else None
        if draft is None:
            return None
        draft._finish()
        drafts.append(draft)
    return drafts


def _public(draft: Any) -> dict[str, Any]:
    return {name: value if type(value) in _PLAIN else _data(value) for name, value in draft.__dict__.items()}


def _data(value: Any) -> Any:
    kind = type(value)
    if kind is list:
        return [
            item
            if (inner := type(item)) in _PLAIN
            else _public(item)
            if inner in _shells
            else unstructure(item)
            for item in value
        ]
    return unstructure(value)


def _cast(model: type[Model]) -> _Mould:
    """The mould of a model."""
    plan = blueprint(model)
    methods: dict[str, Any] = {}
    for base in reversed(model.__mro__[:-1]):
        for name, member in vars(base).items():
            if isinstance(member, (FunctionType, property)) and not name.startswith("__"):
                methods[name] = member
    shell = type(f"{model.__name__}Draft", (), methods)
    _shells.add(shell)
    known = {one.name: one for one in plan.fields}
    hidden = dict(plan.hidden)
    unset: dict[str, Any] = {}
    for attribute in attrs.fields(model):  # type: ignore[arg-type]  # every documented model is an attrs class
        name = attribute.name
        if name.startswith("_"):
            continue
        one = known.get(name)
        unset[name] = (
            hidden.get(name) if one is None else None if one.required or one.factory else one.default
        )
    made = tuple((one.name, one.factory) for one in plan.fields if one.factory)
    required = frozenset(one.name for one in plan.fields if one.required)
    blank: Any = object.__new__(shell)
    blank.__dict__ = {**unset, **{name: make() for name, make in made}}
    if not required:
        blank._derive(_NONE_BAD)
    rules: list[_Rule] = []
    for inputs, name in plan.rules:
        rule = getattr(model, name)
        # Why not with required fields: they have no value unset, which no rule expects.
        rules.append((inputs, rule, not required and next(iter(rule(blank)), None) is None))
    return _Mould(shell, unset, made, known, required, tuple(rules))
