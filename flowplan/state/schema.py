"""The JSON Schema (draft 2020-12) of the document that ``state pull`` prints and ``state push`` takes."""

from __future__ import annotations

from typing import Any

from flowplan.models.schema import DIALECT
from flowplan.state.document import STATE_VERSION

Schema = dict[str, Any]

_ADDRESS = {"type": "string", "description": 'The address of a resource: task.train, or task.train["key"].'}
_VALUES = {
    "type": "object",
    "description": 'Values by name. {"$fingerprint": "…"} stands for a secret; a key that starts with $ has one more.',
}


def state_schema() -> Schema:
    """The schema of a state document."""
    return {
        "$schema": DIALECT,
        "title": "flowplan state",
        "description": "A recorded state, as flowplan state pull prints it and flowplan state push takes it.",
        **_object(
            "",
            flowplan_state={"const": STATE_VERSION, "description": "The version of this document."},
            stack=_text("The name of the stack.", minLength=1),
            lineage=_text("The identity of the state, made once.", minLength=1),
            serial={
                "type": "integer",
                "minimum": 1,
                "description": "Grows with each thing that is recorded.",
            },
            project=_text("The provider's project that the resources live in; empty while there are none."),
            source=_text("The file or folder of the stack, from the root of the project."),
            outputs={**_VALUES, "description": "The outputs of the stack, with secrets as in resources."},
            resources={"type": "array", "items": {"$ref": "#/$defs/resource"}},
        ),
        "$defs": {
            "resource": _object(
                "What is recorded of one resource.",
                address=_ADDRESS,
                id=_text("The provider's id.", minLength=1),
                name=_text("Its name at the provider."),
                created_at={"type": ["string", "null"], "description": "When it was made, in UTC."},
                config={**_VALUES, "description": f"The configuration as last applied. {_VALUES['description']}"},
                attributes={**_VALUES, "description": "The provider's side as last seen."},
                dependencies={"type": "array", "items": _ADDRESS, "description": "What it is built on."},
                prevent_destroy=_flag("Whether it is kept from being destroyed."),
                retain=_flag("Whether it stays at the provider when it leaves the stack."),
                triggers={**_VALUES, "description": "What replace_triggered_by saw, by reference."},
                deposed={
                    "type": "array",
                    "items": {"$ref": "#/$defs/deposed"},
                    "description": "Objects that it has replaced and that are still to be destroyed.",
                },
            ),
            "deposed": _object(
                "An object that was replaced.",
                id=_text("The provider's id.", minLength=1),
                name=_text("Its name at the provider."),
                dependencies={"type": "array", "items": _ADDRESS, "description": "What it is built on."},
            ),
        },
    }  # fmt: skip


def _object(description: str, **properties: Schema) -> Schema:
    said = {"description": description} if description else {}
    return {**said, "type": "object", "required": list(properties), "properties": properties}


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", **more, "description": description}


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}
