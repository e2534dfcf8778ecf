"""The JSON Schema (draft 2020-12) of what the task commands print with ``--json``; minor versions add."""

from __future__ import annotations

from typing import Any

from flowplan.models.schema import DIALECT
from flowplan.report.task_text import Standing

Schema = dict[str, Any]
WAITED = {
    "reached": "It came as far as was asked.",
    "failed": "Its command ended with another exit code than 0.",
    "ended": "It was cancelled or lost, or never made, so it can never come that far; status tells which.",
    "timed out": "The time ran out; it goes on.",
}
"""What can come of waiting for a task."""
CANCELLED = {
    "cancelled": "It was ended now.",
    "already_cancelled": "It had been cancelled before.",
    "released": "It had completed; the instances that it still held are ended.",
    "completed": "It had completed.",
    "not_made": "Its creation was interrupted, and it was never made.",
    "failed": "It could not be ended, or no one knows whether it was.",
}
"""What can come of cancelling a task."""
_MEANINGS = {
    Standing.INTERRUPTED: "its creation began and did not end",
    Standing.PENDING: "it waits for capacity, or its instances start",
    Standing.RUNNING: "it runs",
    Standing.PAUSED: "it is paused",
    Standing.PREEMPTING: "it is about to lose its instances",
    Standing.PREEMPTED: "it lost its instances and waits for others",
    Standing.COMPLETED: "its command ended with exit code 0",
    Standing.FAILED: "its command ended with another exit code",
    Standing.CANCELLED: "flowplan cancel ended it",
    Standing.LOST: "it is gone at the provider, and neither completed nor cancelled by flowplan",
    Standing.UNKNOWN: "the provider cannot be asked",
}


def _text(words: str, null: str = "") -> Schema:
    """A text; ``null`` says when there is none."""
    return {
        "type": ["string", "null"] if null else "string",
        "description": f"{words}{null and f' Null {null}.'}",
    }


def _instant(words: str, null: str) -> Schema:
    return {**_text(words, null), "format": "date-time"}


def _choice(words: str, meanings: dict[str, str]) -> Schema:
    told = " ".join(f"{word}: {meaning}" for word, meaning in meanings.items())
    return {"enum": list(meanings), "description": f"{words} {told}"}


def _object(words: str, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "description": words,
        "properties": properties,
        "required": list(properties),
    }


def _tasks(words: str, item: Schema) -> Schema:
    return {"type": "array", "description": words, "items": item}


def _place() -> dict[str, Schema]:
    return {
        "stack": _text("The name of its stack."),
        "address": _text('Its address: task.train, or task.train["key"].'),
    }


def _row() -> dict[str, Schema]:
    unmade = "where it was never made, or that is not known"
    return {
        **_place(),
        "status": _choice("How it stands.", {one.value: f"{meaning}." for one, meaning in _MEANINGS.items()}),
        "id": _text("Its id at the provider.", "where it was never made"),
        "name": _text("Its name at the provider.", unmade),
        "instance_type": _text("The type of its instances.", unmade),
        "num_instances": {
            "type": ["integer", "null"],
            "minimum": 1,
            "description": f"How many instances it has. Null {unmade}.",
        },
        "region": _text("Where it runs.", unmade),
        "cost_per_hour": _text("What an instance costs in an hour, such as $3.00.", unmade),
        "total_cost": _text("What it has cost so far.", "where that is not known"),
        "created_at": _instant("When it was submitted.", unmade),
        "started_at": _instant("When it first ran.", "where it has not, or that is not known"),
        "ended_at": _instant("When it ended.", "while it goes on, and where that is not known"),
        "exit_code": {
            "type": ["integer", "null"],
            "description": "The exit code of its command. Null while it goes on, and where it has none.",
        },
        "ssh_host": _text("The host of its first instance.", "while it has none"),
        "message": _text("How it stands, in words.", "where there is nothing to add"),
    }


def _version() -> Schema:
    return {
        "type": "string",
        "pattern": r"^1\.\d+$",
        "description": "The version of this form: major versions break readers, minor ones add.",
    }


def tasks_schema() -> Schema:
    """What ``status``, ``wait``, ``cancel``, ``run`` and ``shell`` print as JSON, and each line of ``logs``."""
    row = {"$ref": "#/$defs/task"}
    waited = {"outcome": _choice("What came of it.", WAITED)}
    outcome = _choice("What came of it.", CANCELLED)
    number: Schema = {"type": "integer", "minimum": 0}
    documents = {
        "status": _object(
            "What flowplan status prints.",
            format_version=_version(),
            tasks=_tasks("The tasks, by stack and address.", row),
        ),
        "wait": _object(
            "What flowplan wait prints.",
            format_version=_version(),
            condition={"enum": ["running", "completed"], "description": "What was waited for."},
            tasks=_tasks("The tasks, as they stood at the end.", {"$ref": "#/$defs/waited"}),
        ),
        "cancel": _object(
            "What flowplan cancel prints.",
            format_version=_version(),
            tasks=_tasks(
                "The tasks.",
                _object(
                    "A task.", **_place(), id=_text("Its id.", "where it was not ended"), outcome=outcome
                ),
            ),
        ),
        "run": {
            **_object("What flowplan run prints.", format_version=_version(), **_row()),
        },
        "shell": _object(
            "What flowplan shell prints of a command.",
            format_version=_version(),
            results=_tasks(
                "What the command gave on each task.",
                _object(
                    "One task.",
                    **_place(),
                    node={**number, "description": "On which of its instances."},
                    exit_code={
                        "type": "integer",
                        "description": "The command's exit code, 128 + number for a signal.",
                    },
                    stdout=_text("What it wrote."),
                    stderr=_text("What it wrote to its standard error."),
                ),
            ),
        ),
        "line": _object(
            "A line that flowplan logs prints.",
            **_place(),
            node={**number, "description": "Which of its instances wrote it."},
            stream={
                "enum": ["stdout", "stderr", "both", "startup", "host"],
                "description": "Which log it is from.",
            },
            text=_text("The line, without its end."),
        ),
    }
    documents["run"]["properties"] |= waited  # only where the run was waited for
    return {
        "$schema": DIALECT,
        "title": "What the task commands of flowplan print with --json",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in documents],
        "$defs": {
            **documents,
            "task": _object("A recorded task.", **_row()),
            "waited": _object("A task, and what came of waiting for it.", **_row(), **waited),
        },
    }
