"""Pieces that the JSON Schema of stack files is made of: above all, an expression wherever a value may stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.values.address import NAME, Kind

Schema = dict[str, Any]

IS_EXPRESSION = r"\{[{%]"
"""What a text holds that is more than a text."""
EXPRESSION: Schema = {"$ref": "#/$defs/expression"}
"""A reference to the definition of an expression."""
_KEY = r"""(?:\[(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\])?"""
_IN_MODULES = rf"(?:module\.{NAME.pattern}{_KEY}\.)*"
ADDRESS = rf"^{_IN_MODULES}(?:{'|'.join(kind.value for kind in Kind)})\.{NAME.pattern}{_KEY}$"
"""The address of a resource."""
TARGET = rf"{ADDRESS[:-1]}$|^{_IN_MODULES}module\.{NAME.pattern}{_KEY}$"
"""The address of a resource or of a whole module."""
DURATION = r"^\s*(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+\s*$"
"""A duration such as 30s."""
MONEY = r"^-?\s*\$?\s*(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?$"
"""An amount of dollars, as a text."""


def named(definition: str | None, description: str) -> Schema:
    """A section that holds things by name."""
    items: Schema = {"$ref": f"#/$defs/{definition}"} if definition else {}
    return {
        "description": description,
        "type": ["object", "null"],
        "propertyNames": {"pattern": f"^{NAME.pattern}$"},
        "additionalProperties": items,
    }


def rows(description: str, fields: Mapping[str, Schema], required: list[str]) -> Schema:
    """A section that is a list of mappings."""
    row = {**closed(fields), "required": required}
    return {"description": description, "type": ["array", "null"], "items": row}


def text(description: str, null: bool = False, **limits: str) -> Schema:
    """Any text."""
    return {"description": description, "type": ["string", "null"] if null else "string", **limits}


def closed(properties: Mapping[str, Schema]) -> Schema:
    """A mapping that has these fields and no other."""
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}


def opened(schema: Schema) -> Schema:
    """The schema with an expression allowed for each value inside it."""
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {
            name: or_expression(opened(field)) for name, field in schema["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            result[key] = or_expression(opened(schema[key]))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            result[key] = [opened(arm) for arm in schema[key]]
    return result


def or_expression(schema: Schema) -> Schema:
    """The schema, or an expression; what editors show stays on the outside."""
    return _or(schema, EXPRESSION) if not _takes_anytext(schema) else schema


def or_null(schema: Schema) -> Schema:
    """The schema, or null."""
    arms = schema.get("anyOf", [schema])
    if any("null" in arm.get("type", ()) for arm in arms):
        return schema
    if schema.get("type") == "string":
        return {**schema, "type": ["string", "null"]}
    return _or(schema, {"type": "null"})


def _takes_anytext(schema: Schema) -> bool:
    limits = set(schema) - {"description", "default", "type"}
    return not limits and ("type" not in schema or "string" in schema["type"])


def _or(schema: Schema, other: Schema) -> Schema:
    shown: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    inner = {key: value for key, value in schema.items() if key not in shown}
    arms = inner["anyOf"] if set(inner) == {"anyOf"} else [inner]
    held = any(arm == other or (_takes_anytext(arm) and other == EXPRESSION) for arm in arms)
    return {**shown, "anyOf": arms if held else [*arms, other]}
