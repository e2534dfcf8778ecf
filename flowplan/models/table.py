"""The reference table of all models, made from their declarations: one row for each field."""

from __future__ import annotations

import json
import types
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from flowplan.models.catalogue import all_models
from flowplan.models.model import Fact, Model, bounds_text, fact_of
from flowplan.values.classes import frozen
from flowplan.values.convert import unstructure


@frozen
class Row:
    """One field: its type, default ("required" where there is none) and constraint in words, its meaning."""

    model: str
    field: str
    type: str
    default: str
    constraint: str
    doc: str


def rows(name: str, kind: type[Model]) -> list[Row]:
    """The rows of one model, in the order of its fields."""
    return [
        Row(
            model=name,
            field=attribute.name,
            type=type_text(attribute.type),
            default=_default_text(attribute),
            constraint=_constraint_text(fact_of(attribute)),
            doc=fact_of(attribute).doc,
        )
        for attribute in data_fields(kind)
    ]


def table() -> list[Row]:
    """The rows of all models, in the order of the document."""
    return [row for name, kind in all_models().items() for row in rows(name, kind)]


def data_fields(kind: Any) -> list[attrs.Attribute[Any]]:
    """The fields of a model that are data, with their types resolved."""
    attrs.resolve_types(kind)
    return [attribute for attribute in attrs.fields(kind) if attribute.init]


def type_text(kind: Any) -> str:
    """A type as the documentation writes it: ``str | None``, ``list[VolumeSpec]``, ``'spot' | 'auto'``."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " | ".join(repr(word) for word in inner)
    if origin in (Union, types.UnionType):
        return " | ".join(type_text(arm) for arm in inner)
    if origin is not None:
        return f"{origin.__name__}[{', '.join(type_text(arm) for arm in inner)}]"
    if kind is type(None):
        return "None"
    if kind is Path:
        return "Path"
    return str(getattr(kind, "__name__", kind))


def default_of(attribute: attrs.Attribute[Any]) -> Any:
    """A field's default as data; ``attrs.NOTHING`` where there is none or it is worked out at the time."""
    default: Any = attribute.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        if default.factory in (list, dict, set):
            return [] if default.factory is set else default.factory()
        return {} if isinstance(default.factory, type) else attrs.NOTHING
    return unstructure(default) if isinstance(default, Enum) else default


def _default_text(attribute: attrs.Attribute[Any]) -> str:
    if attribute.default is attrs.NOTHING:
        return "required"
    default = default_of(attribute)
    return "computed" if default is attrs.NOTHING else json.dumps(default)


def _constraint_text(facts: Fact) -> str:
    parts = [bounds_text(facts), facts.shape]
    if facts.max_length is not None:
        parts.append(f"{facts.min_length} to {facts.max_length} characters")
    if facts.items is not None:
        parts.append(f"each {_constraint_text(facts.items)}")
    parts.append(facts.note)
    return "; ".join(part for part in parts if part)
