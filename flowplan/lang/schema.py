"""The JSON Schema (2020-12) of stack files, for editors: made from the models' own declarations.

Wherever a value may stand, a text that holds an expression may stand too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.lang.stack import Condition
from flowplan.lang.variables import TYPES
from flowplan.models import ReservationSpec, TaskConfig, VolumeSpec
from flowplan.models.schema import model_schema
from flowplan.values.address import NAME

_EXPRESSION = {"$ref": "#/$defs/expression"}
_NAMES = {"pattern": f"^{NAME.pattern}$"}
_MODELS = {"volumes": VolumeSpec, "reservations": ReservationSpec, "tasks": TaskConfig}
_REFUSED = {"volumes": {"volume_id"}, "reservations": {"project_id"}, "tasks": set[str]()}


def stack_schema() -> dict[str, Any]:
    """The schema of one stack file (of several, when a stack is a folder: ``stack`` stands in one of them)."""
    definitions: dict[str, Any] = {
        "expression": {"type": "string", "pattern": r"\{[{%]", "description": "A text that holds an expression."}
    }
    sections: dict[str, Any] = {}
    for section, model in _MODELS.items():
        sections[section] = {
            "description": f"The {section} of the stack, by name.",
            "type": "object",
            "propertyNames": _NAMES,
            "additionalProperties": _body(section, model_schema(model), definitions),
        }
    text = {"type": "string"}
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "flowplan stack",
        "type": "object",
        "additionalProperties": False,
        "patternProperties": {"^x-": {"description": "Passed over: a place for anchors."}},
        "required": ["stack"],
        "properties": {
            "stack": {**text, **_NAMES, "description": "The stack's name: its state is kept under it."},
            "requires": {**text, "description": "The versions of flowplan it works with, such as >=0.1."},
            "description": {**text, "description": "What the stack is for."},
            "provider": _provider(),
            "variables": _named(_variable(), "Values given from outside, by name."),
            "locals": {"type": "object", "propertyNames": _NAMES, "description": "Values worked out once, by name."},
            **sections,
            "outputs": _named(_output(), "Results of the stack, by name."),
        },
        "$defs": definitions,
    }
    return schema


def _named(items: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": "object", "propertyNames": _NAMES, "additionalProperties": items, "description": description}


def _provider() -> dict[str, Any]:
    return {
        "description": "Where resources live that do not say so themselves.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "type": {"enum": ["sandbox", "mithril"], "description": "The embedded sandbox (default) or Mithril."},
            "project": {"type": "string", "description": "The project's name or id."},
            "region": {"type": "string", "description": "The region of what names none."},
            "api_url": {"type": "string", "description": "The API's address, where it is not the provider's own."},
        },
    }


def _variable() -> dict[str, Any]:
    return {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {
            "type": {"enum": list(TYPES), "description": "What its values are."},
            "default": {"description": "Its value when none is given; without one, a value must be given."},
            "description": {"type": "string"},
            "sensitive": {"type": "boolean", "description": "Never shown, and stored as a keyed fingerprint only."},
            "validate": {"description": "An expression over value that must be true."},
            "deprecated": {"type": "string", "description": "What to use instead."},
        },
    }


def _output() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["value"],
        "properties": {
            "value": {"description": "The value, usually an expression."},
            "description": {"type": "string"},
            "sensitive": {"type": ["boolean", "string"], "description": "Not shown; needed where a secret went in."},
        },
    }


def _body(section: str, model: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A declaration: the model's fields, the meta-fields, and expressions in place of any value."""
    for name, definition in model.pop("$defs", {}).items():
        definitions[name] = _lenient(definition)
    fields = {k: v for k, v in model["properties"].items() if k not in _REFUSED[section]}
    if section == "tasks":
        mount = definitions["VolumeSpec"]
        mount["properties"]["volume"] = {"type": "string", "description": 'A declared volume: "{{ volume.NAME }}".'}
        fields["file"] = {"type": "string", "description": "A task's own YAML file; fields beside it win."}
    properties = {name: _or_expression(_lenient(field)) for name, field in fields.items()}
    return {
        "type": ["object", "null"],
        "description": model.get("description", ""),
        "additionalProperties": False,
        "properties": {**properties, **_meta()},
    }


def _meta() -> dict[str, Any]:
    flag = _or_expression({"type": "boolean"})
    texts = {"type": "array", "items": {"type": "string"}}
    condition = {"enum": [c.value for c in Condition]}
    waits = {"type": "object", "additionalProperties": False, "properties": {"condition": condition, "failed_ok": flag}}
    duration = {"type": "string", "description": "Such as 30s, 10m, 2h or 1h30m."}
    return {
        "for_each": {
            "type": ["array", "object", "string"],
            "description": "One instance per text or key, which are each.key and each.value.",
        },
        "when": {**flag, "description": "False: not wanted; one that exists is removed."},
        "depends_on": {
            "description": "Addresses it comes after, or how far each of them must have come.",
            "anyOf": [texts, {"type": "object", "additionalProperties": {"anyOf": [condition, waits, _EXPRESSION]}}],
        },
        "lifecycle": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "prevent_destroy": {**flag, "description": "Refuse every plan that would destroy it."},
                "ignore_changes": {**texts, "description": "Attributes whose changes are passed over."},
                "create_before_destroy": flag,
                "replace_triggered_by": texts,
                "on_remove": {"enum": ["destroy", "retain"]},
                "rerun": {"enum": ["on_change", "always", "never"], "description": "Of a task that has completed."},
                "on_lost": {"enum": ["recreate", "keep", "fail"], "description": "Of a task that vanished."},
            },
        },
        "timeouts": {
            "type": "object",
            "additionalProperties": False,
            "properties": dict.fromkeys(("create", "update", "delete", "running", "completed"), duration),
        },
    }


def _or_expression(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema, or an expression; what editors show stays on the outside."""
    shown = {key: schema[key] for key in ("description", "default") if key in schema}
    inner = {key: value for key, value in schema.items() if key not in shown}
    return {**shown, "anyOf": [inner, _EXPRESSION]} if inner else shown


def _lenient(schema: Any) -> Any:
    """The schema with an expression allowed for each value inside it."""
    if isinstance(schema, list):
        return [_lenient(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {}
    for key, value in schema.items():
        if key == "properties":
            result[key] = {name: _or_expression(_lenient(field)) for name, field in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            result[key] = _or_expression(_lenient(value))
        elif key in ("anyOf", "oneOf", "allOf"):
            result[key] = _lenient(value)
        elif key == "required":
            continue  # Why: an expression or the provider section may give what the model demands
        else:
            result[key] = value
    return result
