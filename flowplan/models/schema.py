"""JSON Schemas (draft 2020-12) of the models, made from the same declarations that validate them.

What one field alone can break, a schema says; rules across fields stay with the models. ``schemas/`` holds
`models_schema` as a file.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

import attrs

from flowplan.models.catalogue import all_models
from flowplan.models.model import Fact, Model, fact_of
from flowplan.models.scalars import env_hook
from flowplan.models.table import data_fields, default_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_SCALARS: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Path: {"type": "string"},
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": ["string", "number"]},
    Any: {},
}


def model_schema(kind: type[Model]) -> Schema:
    """The schema of one model, with the models it holds under ``$defs``."""
    definitions: dict[str, Schema] = {}
    schema = {"$schema": DIALECT, **_object(kind, definitions)}
    definitions.pop(_name_of(kind), None)
    if definitions:
        schema["$defs"] = dict(sorted(definitions.items()))
    return schema


def all_schemas() -> dict[str, Schema]:
    """The schema of each documented model, by name."""
    return {name: model_schema(kind) for name, kind in all_models().items()}


def models_schema() -> Schema:
    """One schema that holds all documented models under ``$defs``, in the order of the document."""
    definitions: dict[str, Schema] = {}
    for kind in all_models().values():
        _reference(kind, definitions)
    return {
        "$schema": DIALECT,
        "title": "Flow models",
        "description": "The documented models, each under $defs.",
        "$defs": {_name_of(kind): definitions[_name_of(kind)] for kind in all_models().values()},
    }


@cache
def _names() -> dict[type[Model], str]:
    return {kind: name for name, kind in all_models().items()}


def _name_of(kind: type[Model]) -> str:
    """What a model is called among ``$defs``: as the document calls it, for two of them share a class name."""
    return _names().get(kind, kind.__name__)


def _object(kind: type[Model], definitions: dict[str, Schema]) -> Schema:
    fields = data_fields(kind)
    properties = {field.name: _property(field, definitions) for field in fields}
    for alias, name in kind._aliases_.items():
        properties[alias] = {**properties[name], "description": f"Another name of {name}."}
    schema: Schema = {
        "title": kind.__name__,
        "description": inspect.cleandoc(kind.__doc__ or "").split("\n")[0],
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    required = [field.name for field in fields if field.default is attrs.NOTHING]
    if required:
        schema["required"] = required
    return schema


def _property(field: attrs.Attribute[Any], definitions: dict[str, Schema]) -> Schema:
    facts = fact_of(field)
    words = facts.doc if not facts.note else f"{facts.doc} ({facts.note})"
    schema: Schema = {"description": words} if words else {}
    if facts.hook is env_hook:
        schema |= {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
    else:
        schema |= _with_facts(_of(field.type, definitions), facts)
    default = default_of(field)
    if default is not attrs.NOTHING:
        schema["default"] = default
    return schema


def _with_facts(schema: Schema, facts: Fact) -> Schema:
    limits: Schema = {
        "minimum": facts.minimum,
        "maximum": facts.maximum,
        "exclusiveMinimum": facts.above,
        "minLength": facts.min_length or None,
        "maxLength": facts.max_length,
        "pattern": f"^(?:{facts.pattern})$" if facts.pattern else None,
    }
    result = schema | {key: limit for key, limit in limits.items() if limit is not None}
    if facts.items is not None:
        result["items"] = _with_facts(result.get("items", {}), facts.items)
    return result


def _of(kind: Any, definitions: dict[str, Schema]) -> Schema:
    if kind in _SCALARS:
        return dict(_SCALARS[kind])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    if isinstance(kind, type) and issubclass(kind, Model):
        return _reference(kind, definitions)
    return _compound(kind, definitions)


def _reference(kind: type[Model], definitions: dict[str, Schema]) -> Schema:
    name = _name_of(kind)
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _object(kind, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _compound(kind: Any, definitions: dict[str, Schema]) -> Schema:
    origin, inner = get_origin(kind), get_args(kind)
    makers: dict[Any, Callable[[], Schema]] = {
        list: lambda: {"type": "array", "items": _of(inner[0], definitions)},
        set: lambda: {"type": "array", "items": _of(inner[0], definitions)},
        dict: lambda: {"type": "object", "additionalProperties": _of(inner[1], definitions)},
        tuple: lambda: {
            "type": "array",
            "prefixItems": [_of(one, definitions) for one in inner],
            "minItems": len(inner),
            "maxItems": len(inner),
        },
        Literal: lambda: {"enum": list(inner)},
        Union: lambda: _either(inner, definitions),
        types.UnionType: lambda: _either(inner, definitions),
    }
    return makers[origin]()


def _either(arms: tuple[Any, ...], definitions: dict[str, Schema]) -> Schema:
    schemas: list[Schema] = []
    for arm in arms:
        one = _of(arm, definitions)
        if one not in schemas:
            schemas.append(one)
    if all(set(one) == {"type"} and isinstance(one["type"], str) for one in schemas):
        names = [one["type"] for one in schemas]
        return {"type": names if len(names) > 1 else names[0]}
    if len(schemas) == 2 and schemas[1] == {"type": "null"} and "enum" in schemas[0]:
        return {"enum": [*schemas[0]["enum"], None]}
    return {"anyOf": schemas}
