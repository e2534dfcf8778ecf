"""The JSON Schema (draft 2020-12) of a line of ``apply --json``; minor versions add, so it refuses nothing unknown."""

from __future__ import annotations

from typing import Any

from flowplan.models.schema import DIALECT
from flowplan.plan.change import Mode, StepKind
from flowplan.plan.document import _ACTIONS as ACTIONS
from flowplan.plan.schema import _diagnostic as diagnostic_schema
from flowplan.ports import EventKind
from flowplan.values.address import Kind

Schema = dict[str, Any]

MEANINGS: dict[str, str] = {
    "version": "The first line of every stream: the version of its form.",
    EventKind.PLANNED.value: "One change of the plan.",
    EventKind.PLAN.value: "The plan as a whole, after its changes.",
    EventKind.STARTED.value: "A step has begun.",
    EventKind.PROGRESS.value: "A step is still under way; at growing intervals. Without an address: so are others.",
    EventKind.STATUS.value: "The task that a step waits for stands otherwise than before.",
    EventKind.DONE.value: "A step has succeeded, and what came of it is recorded.",
    EventKind.FAILED.value: "A step has failed, or its outcome is unknown.",
    EventKind.SKIPPED.value: "A step will not be done, because what it needs was not.",
    EventKind.RECOVERED.value: "What an interrupted run had begun is settled.",
    EventKind.NOTICE.value: "Something worth knowing, in words.",
    "diagnostic": "An error or a warning.",
    EventKind.OUTPUTS.value: "The outputs of the stack, at the end of an apply that did everything.",
    EventKind.SUMMARY.value: "The last line: what came of it all.",
}
"""What each type of line tells."""
_COMMON = ("type", "at")
_STEP = ("address", "kind", "operation")
_PARTS: dict[str, tuple[str, ...]] = {
    "version": ("format_version", "flowplan_version"),
    "planned": ("address", "kind", "actions", "reasons"),
    "plan": ("stack", "mode", "digest", "changes"),
    "started": _STEP,
    "progress": ("elapsed_s",),
    "status": (*_STEP, "status", "condition"),
    "done": (*_STEP, "elapsed_s"),
    "failed": (*_STEP, "diagnostic"),
    "skipped": (*_STEP, "message"),
    "recovered": (*_STEP, "message"),
    "notice": ("message",),
    "diagnostic": ("diagnostic",),
    "outputs": ("outputs",),
    "summary": ("mode", "ok", "interrupted", "exit_code", "changes", *(
        "failed", "unknown", "in_flight", "skipped", "given_up", "not_started", "undone", "kept"), "resume"),
}  # fmt: skip
"""The properties that a line of each type always has, besides its type and time."""


def _text(words: str) -> Schema:
    return {"type": "string", "description": words}


def _list(words: str, **properties: Schema) -> Schema:
    item = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "array", "items": item, "description": words}


def _properties() -> dict[str, Schema]:
    address = _text('The address of a resource: task.train, or task.train["key"].')
    operation: Schema = {
        "enum": [kind.value for kind in StepKind],
        "description": "What the step does; await: it waits for a task to run or to complete.",
    }
    count: Schema = {"type": "integer", "minimum": 0}
    names = ("add", "change", "destroy", "forget")
    return {
        "type": {"enum": list(MEANINGS), "description": "What the line tells."},
        "at": {"type": "string", "format": "date-time", "description": "When, in UTC."},
        "format_version": {
            "type": "string",
            "pattern": r"^1\.\d+$",
            "description": "Major versions break readers, minor ones add.",
        },
        "flowplan_version": _text("The version of the program."),
        "address": address,
        "kind": {"enum": [kind.value for kind in Kind], "description": "The kind of the resource."},
        "operation": operation,
        "actions": {
            "enum": [*ACTIONS.values(), ["create", "delete"]],
            "description": "What is done, in order; a replacement is two actions.",
        },
        "reasons": {"type": "array", "items": {"type": "string"}, "description": "Why, in words."},
        "id": _text("The provider's id of the object."),
        "elapsed_s": {"type": "number", "minimum": 0, "description": "Seconds since the step began."},
        "condition": {"enum": ["running", "completed"], "description": "What is waited for."},
        "status": _text("How the task stands, in the provider's words."),
        "max_usd_per_hour": {
            "type": "number",
            "minimum": 0,
            "description": "What the task costs an hour at most, in US dollars.",
        },
        "message": _text("In words, for people."),
        "diagnostic": {**diagnostic_schema(), "description": "What is wrong, where, and what would be right."},
        "stack": _text("The name of the stack."),
        "mode": {"enum": [mode.value for mode in Mode], "description": "What the plan is for."},
        "digest": {"type": ["string", "null"], "description": "The plan's digest, as --approve takes it."},
        "changes": {
            "type": "object",
            "description": "How many resources are, or were, added, changed, destroyed and forgotten.",
            "properties": dict.fromkeys(names, count),
            "required": list(names),
        },
        "outputs": {
            "type": "object",
            "description": "By name. A sensitive one has no value.",
            "additionalProperties": {
                "type": "object",
                "properties": {"sensitive": {"type": "boolean"}, "value": True},
                "required": ["sensitive"],
            },
        },
        "ok": {"type": "boolean", "description": "Whether everything was done."},
        "interrupted": {"type": "boolean", "description": "Whether a signal asked it to stop."},
        "exit_code": {**count, "description": "What the process ends with (docs/exit-codes.md)."},
        "failed": _list("What failed.", address=address, operation=operation, summary=_text("Why.")),
        "unknown": _list("What no one knows the outcome of.", address=address, operation=operation, summary=_text("Why.")),
        "in_flight": _list("What was cut off; the journal has it.", address=address, operation=operation),
        "skipped": {"type": "array", "items": {"type": "object", "properties": {
            "address": address, "operation": operation, "because": address}, "required": ["address", "because"]},
            "description": "What was not done because something it needs was not."},
        "given_up": _list("Waits that were ended with the apply; their tasks go on.", address=address, operation=operation),
        "not_started": _list("What was not begun.", address=address, operation=operation),
        "undone": _list("What this run had created and destroyed again.", address=address),
        "kept": _list("What this run had created and an undo left alone.", address=address, reason=_text("Why.")),
        "resume": {"type": ["string", "null"], "description": "The command that goes on; null where nothing is left."},
    }  # fmt: skip


def events_schema() -> Schema:
    """The schema of one line of ``apply --json`` and ``destroy --json``."""
    return {
        "$schema": DIALECT,
        "title": "flowplan event",
        "description": "One line of what flowplan apply --json and destroy --json print.",
        "type": "object",
        "properties": _properties(),
        "required": list(_COMMON),
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}}, "then": {"required": list(parts)}}
            for name, parts in _PARTS.items()
        ],
        "$defs": {},
    }


def render_reference() -> str:
    """The tables of docs/events.md."""
    lines = ["| type | tells | always has |", "|---|---|---|"]
    for name, words in MEANINGS.items():
        parts = ", ".join(f"`{part}`" for part in _PARTS[name])
        lines.append(f"| `{name}` | {words} | {parts} |")
    lines += ["", "| property | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {field.get('description', '')} |" for name, field in _properties().items()]
    return "\n".join(lines)
