"""The JSON Schema (draft 2020-12) of stack files, for editors: made from the models' own declarations.

It takes whatever `flowplan.lang.loader` takes, and refuses what a look at one place alone shows to be wrong:
names that do not exist, values of another type or out of range. Wherever a value may stand, an expression may.
"""

from __future__ import annotations

from flowplan.lang import schema_sections
from flowplan.lang.schema_pieces import (
    ADDRESS,
    EXPRESSION,
    IS_EXPRESSION,
    TARGET,
    Schema,
    closed,
    named,
    opened,
    or_expression,
    or_null,
    text,
)
from flowplan.models import ReservationSpec, TaskConfig, VolumeSpec
from flowplan.models.schema import DIALECT, model_schema
from flowplan.values.address import NAME, Kind


def stack_schema() -> Schema:
    """The schema of one stack file. Of a folder's files one says ``stack:``, so none is required to."""
    definitions: dict[str, Schema] = {
        "expression": {
            "type": "string",
            "pattern": IS_EXPRESSION,
            "description": "A text with an {{ expression }}.",
        },
        "address": {
            "description": 'The address of a resource: task.train, or task.train["key"].',
            "anyOf": [{"type": "string", "pattern": ADDRESS}, EXPRESSION],
        },
        "target": {
            "description": "The address of a resource, or of a whole module: module.net.",
            "anyOf": [{"type": "string", "pattern": TARGET}, EXPRESSION],
        },
    }
    bodies = {
        Kind.VOLUME: _volume(definitions),
        Kind.RESERVATION: _reservation(definitions),
        Kind.TASK: _task(definitions),
    }
    definitions |= schema_sections.definitions()
    definitions |= {kind.value: body for kind, body in bodies.items()}
    definitions |= {f"{kind.value}_defaults": _defaults(body) for kind, body in bodies.items()}
    around = schema_sections.sections()
    order = ["requires", "description", "provider", "variables", "locals", "data", "modules", "defaults"]
    name = text("The stack's name: its state is kept under it.", pattern=f"^{NAME.pattern}$")
    return {
        "$schema": DIALECT,
        "title": "flowplan stack",
        "description": "What one plan or apply works on. One of a folder's files gives its name with stack:.",
        "type": "object",
        "additionalProperties": False,
        "patternProperties": {"^x-": {"description": "Passed over: a place for anchors."}},
        "properties": {
            "stack": or_expression(name),
            **{section: around.pop(section) for section in order},
            **{kind.section: named(kind.value, f"The stack's {kind.section}, by name.") for kind in Kind},
            **around,
        },
        "$defs": definitions,
    }


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
    fields["volume"] = text('A declared volume, as in "{{ volume.data }}", or the id of one that exists.')
    definitions["mount"] = {
        "description": "A volume that the task mounts.",
        **closed({name: or_null(or_expression(opened(field))) for name, field in fields.items()}),
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
        definitions[name] = opened(definition)
    fields = {
        name: or_null(or_expression(opened(field)))
        for name, field in model["properties"].items()
        if name not in refused
    }
    # Why not the model's words: in a stack a resource is called after its own place.
    fields["name"] = {
        **fields["name"],
        "description": "What it is called at the provider, if not after its name here.",
    }
    fields["name"].pop("default", None)
    return {"description": model["description"], **closed({**fields, **_meta_fields()})}


def _meta_fields() -> dict[str, Schema]:
    return {
        "for_each": {"$ref": "#/$defs/for_each"},
        "when": or_expression(
            {"description": "False means not wanted: an existing one is removed.", "type": "boolean"}
        ),
        "depends_on": {"$ref": "#/$defs/depends_on"},
        **_shared_meta_fields(),
        "require": {"$ref": "#/$defs/require"},
        "file": text("A file with the model's own fields, beside the stack; fields written here win."),
    }


def _shared_meta_fields() -> dict[str, Schema]:
    """The meta-fields that may stand in ``defaults`` too."""
    return {"lifecycle": {"$ref": "#/$defs/lifecycle"}, "timeouts": {"$ref": "#/$defs/timeouts"}}


def _defaults(body: Schema) -> Schema:
    """The fields of a declaration that may be said for all of its kind; none of them is required."""
    apart = {"name", *_meta_fields()} - {*_shared_meta_fields()}
    fields = {name: field for name, field in body["properties"].items() if name not in apart}
    found = {"description": "Fields for all of them.", **closed(fields)}
    return {**found, "type": ["object", "null"]}
