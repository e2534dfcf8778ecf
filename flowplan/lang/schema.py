"""The JSON Schema (draft 2020-12) of stack files, for editors: made from the models' own declarations.

It takes whatever `flowplan.lang.loader` takes, and refuses what a look at one place alone shows to be wrong:
names that do not exist, values of another type or out of range. Wherever a value may stand, an expression may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.lang.loader import _PROVIDER_FIELDS as PROVIDER_FIELDS
from flowplan.lang.loader import _PROVIDERS as PROVIDERS
from flowplan.lang.meta import CHOICES
from flowplan.lang.stack import Condition
from flowplan.lang.variables import TYPES
from flowplan.models import ReservationSpec, TaskConfig, VolumeSpec
from flowplan.models.schema import DIALECT, model_schema
from flowplan.values.address import NAME, Kind

Schema = dict[str, Any]

_EXPRESSION = r"\{[{%]"
"""What a text holds that is more than a text."""
_EXPRESSION_REF: Schema = {"$ref": "#/$defs/expression"}
_DURATION = r"^\s*(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+\s*$"
_KEY = r"""(?:\[(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\])?"""
_ADDRESS = rf"^(?:{'|'.join(kind.value for kind in Kind)})\.{NAME.pattern}{_KEY}$"
_JSON_TYPES = {
    "string": "string", "int": "integer", "number": "number", "bool": "boolean", "list": "array",
    "map": "object", "object": "object",
}  # fmt: skip
"""The types of variables whose values look in YAML as they do in JSON."""


def stack_schema() -> Schema:
    """The schema of one stack file. Of a folder's files one says ``stack:``, so none is required to."""
    definitions: dict[str, Schema] = {
        "expression": {
            "type": "string",
            "pattern": _EXPRESSION,
            "description": "A text with an {{ expression }}.",
        },
        "address": {
            "description": 'The address of a resource: task.train, or task.train["key"].',
            "anyOf": [{"type": "string", "pattern": _ADDRESS}, _EXPRESSION_REF],
        },
    }
    bodies = {
        Kind.VOLUME: _volume(definitions),
        Kind.RESERVATION: _reservation(definitions),
        Kind.TASK: _task(definitions),
    }
    definitions |= {"lifecycle": _lifecycle(), "timeouts": _timeouts(), "depends_on": _depends_on()}
    definitions |= {"variable": _variable(), "output": _output()}
    definitions |= {kind.value: body for kind, body in bodies.items()}
    return {
        "$schema": DIALECT,
        "title": "flowplan stack",
        "description": "What one plan or apply works on. One of a folder's files gives its name with stack:.",
        "type": "object",
        "additionalProperties": False,
        "patternProperties": {"^x-": {"description": "Passed over: a place for anchors."}},
        "properties": {
            "stack": _or_expression(
                _text("The stack's name: its state is kept under it.", pattern=f"^{NAME.pattern}$")
            ),
            "requires": _text('The versions of flowplan that it works with, such as ">=0.1".'),
            "description": _text("What the stack is for."),
            "provider": _provider(),
            "variables": _named("variable", "Values given from outside, by name: {{ var.NAME }}."),
            "locals": _named(None, "Values that are used more than once, by name: {{ local.NAME }}."),
            **{kind.section: _named(kind.value, f"The stack's {kind.section}, by name.") for kind in Kind},
            "outputs": _named("output", "What the stack gives, by name."),
        },
        "$defs": definitions,
    }


# -- sections around the resources -----------------------------------------------------------------------


def _named(definition: str | None, description: str) -> Schema:
    items: Schema = {"$ref": f"#/$defs/{definition}"} if definition else {}
    return {
        "description": description,
        "type": ["object", "null"],
        "propertyNames": {"pattern": f"^{NAME.pattern}$"},
        "additionalProperties": items,
    }


def _provider() -> Schema:
    told = {
        "type": {
            "description": "The embedded sandbox, which is the default, or Mithril.",
            "enum": [*PROVIDERS, None],
        },
        "project": _text("The project's name or id.", null=True),
        "region": _text("Where resources live that do not say so themselves.", null=True),
        "api_url": _text("The API's address, where it is not the provider's own.", null=True),
    }
    return {
        "description": "Where the stack's resources live.",
        **_closed({name: _or_expression(told[name]) for name in PROVIDER_FIELDS}),
    }


def _variable() -> Schema:
    rule = {
        "type": "string",
        "pattern": _EXPRESSION,
        "description": "An expression over value that must be true.",
    }
    with_message = _closed({"assert": rule, "message": _text("What to say where it is not.")})
    body = _closed(
        {
            "type": {"description": "What its values are.", "enum": list(TYPES)},
            "default": {
                "description": "Its value where none is given: a plain value. Without a default, one must be given.",
                "not": {"type": "string", "pattern": _EXPRESSION},
            },
            "description": _text("What it is for."),
            "sensitive": {
                "description": "Never shown, and stored only as a keyed fingerprint.",
                "type": "boolean",
            },
            "validate": {"description": "What must hold of its value.", "anyOf": [rule, with_message]},
        }
    )
    fits = [
        {
            "if": {"properties": {"type": {"const": kind}}, "required": ["type"]},
            "then": {"properties": {"default": {"type": [of, "null"]}}},
        }
        for kind, of in _JSON_TYPES.items()
    ]
    return {"description": "A variable.", **body, "type": ["object", "null"], "allOf": fits}


def _output() -> Schema:
    flag = {"description": "Not shown; needed where a sensitive value went in.", "type": "boolean"}
    fields = {
        "value": {"description": "The value, usually an expression."},
        "description": _text("What it is."),
        "sensitive": _or_expression(flag),
    }
    return {"description": "An output.", **_closed(fields), "required": ["value"]}


# -- resources -------------------------------------------------------------------------------------------


def _volume(definitions: dict[str, Schema]) -> Schema:
    """A declared volume is the stack's own, so it cannot name an existing one."""
    return _body(model_schema(VolumeSpec), definitions, refused=("volume_id",))


def _reservation(definitions: dict[str, Schema]) -> Schema:
    """The provider section gives the project, and the region where a reservation does not."""
    model = model_schema(ReservationSpec)
    body = _body(model, definitions, refused=("project_id",))
    needed = [name for name in model["required"] if name != "region"]
    return {**body, "anyOf": [{"required": needed}, {"required": ["file"]}]}


def _task(definitions: dict[str, Schema]) -> Schema:
    """A task mounts volumes that exist or are declared; what is only for new ones is refused in its entries."""
    model = model_schema(TaskConfig)
    mounted = model["$defs"].pop("VolumeSpec")
    fields = {k: v for k, v in mounted["properties"].items() if k not in ("iops", "throughput_mb_s")}
    fields["volume"] = _text('A declared volume, as in "{{ volume.data }}", or the id of one that exists.')
    definitions["mount"] = {
        "description": "A volume that the task mounts.",
        **_closed({name: _or_null(_or_expression(_opened(field))) for name, field in fields.items()}),
        "oneOf": [{"required": ["volume"]}, {"required": ["volume_id"]}],
    }
    model["properties"]["volumes"] = {
        "description": "Volumes that the task mounts: declared ones, or ones that exist.",
        "type": "array",
        "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/mount"}]},
    }
    body = _body(model, definitions)
    ways = ("instance_type", "min_gpu_memory_gb", "file")
    return {**body, "anyOf": [{"required": [way]} for way in ways]}


def _body(model: Schema, definitions: dict[str, Schema], refused: tuple[str, ...] = ()) -> Schema:
    """A declaration: the fields of its model, where null is as good as nothing, and the meta-fields."""
    for name, definition in model.get("$defs", {}).items():
        definitions[name] = _opened(definition)
    fields = {
        name: _or_null(_or_expression(_opened(field)))
        for name, field in model["properties"].items()
        if name not in refused
    }
    # Why not the model's words: in a stack a resource is called after its own place.
    fields["name"] = {
        **fields["name"],
        "description": "What it is called at the provider, if not after its name here.",
    }
    fields["name"].pop("default", None)
    return {"description": model["description"], **_closed({**fields, **_meta_fields()})}


def _meta_fields() -> dict[str, Schema]:
    return {
        "for_each": {
            "description": "A list of different texts, or a mapping: one instance each, with each.key and each.value.",
            "anyOf": [
                {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
                {"type": "object"},
                _EXPRESSION_REF,
            ],
        },
        "when": _or_expression(
            {"description": "False means not wanted: an existing one is removed.", "type": "boolean"}
        ),
        "depends_on": {"$ref": "#/$defs/depends_on"},
        "lifecycle": {"$ref": "#/$defs/lifecycle"},
        "timeouts": {"$ref": "#/$defs/timeouts"},
        "file": _text("A file with the model's own fields, beside the stack; fields written here win."),
    }


def _depends_on() -> Schema:
    condition = _or_expression(
        {"description": "How far it must have come.", "enum": [c.value for c in Condition]}
    )
    passing = {"description": "Go on even where it has failed.", "type": "boolean"}
    way = {
        "anyOf": [
            condition,
            _closed({"condition": condition, "failed_ok": _or_expression(passing)}),
            {"type": "null"},
        ]
    }
    return {
        "description": "What comes first: addresses, or a mapping of them to how far each must have come.",
        "anyOf": [
            {"type": "array", "items": {"$ref": "#/$defs/address"}},
            {"type": "object", "propertyNames": {"$ref": "#/$defs/address"}, "additionalProperties": way},
            {"type": "null"},
        ],
    }


def _lifecycle() -> Schema:
    texts = {"type": "array", "items": {"type": "string"}}
    later = "Not supported by this version yet."
    words = {
        "rerun": "What becomes of a task that has completed.",
        "on_lost": "What becomes of a task whose instance has vanished.",
    }
    return {
        "description": "How the resource may be changed and removed.",
        **_closed(
            {
                "prevent_destroy": _or_expression(
                    {"description": "Refuse every plan that would destroy it.", "type": "boolean"}
                ),
                "ignore_changes": {"description": "Attributes whose changes are passed over.", **texts},
                **{
                    name: _or_expression({"description": said, "enum": list(CHOICES[name])})
                    for name, said in words.items()
                },
                "create_before_destroy": {"description": later, "const": False},
                "replace_triggered_by": {"description": later, "type": "array", "maxItems": 0},
                "on_remove": {"description": later, "const": "destroy"},
            }
        ),
        "type": ["object", "null"],
    }


def _timeouts() -> Schema:
    limit = _or_expression(_text("How long it is waited for, as 30s, 10m or 2h.", pattern=_DURATION))
    return {
        "description": "How long steps may take.",
        **_closed({"running": limit, "completed": limit}),
        "type": ["object", "null"],
    }


# -- pieces ----------------------------------------------------------------------------------------------


def _text(description: str, null: bool = False, **limits: str) -> Schema:
    return {"description": description, "type": ["string", "null"] if null else "string", **limits}


def _closed(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}


def _opened(schema: Schema) -> Schema:
    """The schema with an expression allowed for each value inside it."""
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {
            name: _or_expression(_opened(field)) for name, field in schema["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            result[key] = _or_expression(_opened(schema[key]))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            result[key] = [_opened(arm) for arm in schema[key]]
    return result


def _or_expression(schema: Schema) -> Schema:
    """The schema, or an expression; what editors show stays on the outside."""
    return _or(schema, _EXPRESSION_REF) if not _takes_any_text(schema) else schema


def _or_null(schema: Schema) -> Schema:
    """The schema, or null."""
    arms = schema.get("anyOf", [schema])
    if any("null" in arm.get("type", ()) for arm in arms):
        return schema
    if schema.get("type") == "string":
        return {**schema, "type": ["string", "null"]}
    return _or(schema, {"type": "null"})


def _takes_any_text(schema: Schema) -> bool:
    limits = set(schema) - {"description", "default", "type"}
    return not limits and ("type" not in schema or "string" in schema["type"])


def _or(schema: Schema, other: Schema) -> Schema:
    shown: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    inner = {key: value for key, value in schema.items() if key not in shown}
    arms = inner["anyOf"] if set(inner) == {"anyOf"} else [inner]
    held = any(arm == other or (_takes_any_text(arm) and other == _EXPRESSION_REF) for arm in arms)
    return {**shown, "anyOf": arms if held else [*arms, other]}
