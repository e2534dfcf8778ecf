"""JSON Schemas (draft 2020-12) of the documents that programs read: a plan, and what ``validate`` found.

The words in them (actions, modes, what a change takes) come from the enums that `flowplan.plan.document`
writes. Minor versions add properties, so none of these schemas refuses one it does not know.
"""

from __future__ import annotations

from typing import Any

import attrs

from flowplan.lang.stack import Limits
from flowplan.models.schema import DIALECT
from flowplan.plan.books import Standing
from flowplan.plan.change import Action, DriftKind, Mode
from flowplan.plan.document import _ACTIONS as ACTIONS
from flowplan.plan.document import _LOSSES as LOSSES
from flowplan.plan.reason import Cause
from flowplan.resources import Change
from flowplan.state.journal import Operation
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Severity

Schema = dict[str, Any]

_VERSION = {
    "type": "string",
    "pattern": r"^1\.\d+$",
    "description": "Major versions break readers, minor ones add.",
}
_ADDRESS = {"type": "string", "description": 'The address of a resource: task.train, or task.train["key"].'}
_ADDRESSES = {"type": "array", "items": _ADDRESS}
_COUNT = {"type": "integer", "minimum": 0}
_LIMITS = [one.name for one in attrs.fields(Limits) if one.name != "span"]
_MOVE: dict[str, Any] = {"from": _ADDRESS, "to": _ADDRESS}
_VALUE = {
    "description": 'Any value. {"$sensitive": true} stands for one that is not shown, {"$unknown": true} for one '
    "that is known after apply; waits_for names the attributes that decide it."
}
_ACTIONS = {
    "enum": [*(ACTIONS[action] for action in Action), ["create", "delete"]],
    "description": "What is done, in order; a replacement is two actions, the creation first where that is asked for.",
}


def plan_schema() -> Schema:
    """The schema of what ``plan --json`` and ``show --json PLAN`` print."""
    return {
        "$schema": DIALECT,
        "title": "flowplan plan",
        "description": "A plan, as flowplan plan --json prints it.",
        **_object(
            format_version=_VERSION,
            flowplan_version=_text("The version that made the plan."),
            stack=_text("The name of the stack."),
            mode=_words(
                [mode.value for mode in Mode],
                "Whether the plan is to reach the stack or to remove all of it.",
            ),
            digest=_maybe("The digest of what the plan does, for flowplan apply --approve."),
            state=_object(
                "The state that the plan starts from.",
                lineage=_text("The identity of the state; empty before the first apply."),
                serial=_COUNT,
            ),
            refreshed=_flag("Whether the provider was asked how things are."),
            resource_changes=_list(
                "resource_change", "What is done to each resource; one without a change is not listed."
            ),
            resource_drift=_list("drift", "What another hand has changed since the last apply."),
            moved=_list("move", "Records that get another address; nothing changes at the provider."),
            skipped={**_ADDRESSES, "description": "What --target and --exclude leave out."},
            partial=_flag("Whether anything was left out, so that the stack need not be reached."),
            output_changes={"type": "object", "additionalProperties": _ref("output_change")},
            interrupted=_list("interrupted", "Operations of an earlier apply that began and did not end."),
            explanations=_list(
                "explanation",
                "Why each thing is done, and why some are not, down to lines of files and sources of variables.",
            ),
            steps=_list("step", "What apply does, and what each step waits for."),
            costs=_object(
                "What the whole stack costs in the worst case, in US dollars; null where that is not known.",
                hourly_before_usd=_amount("All recorded tasks in an hour, at their limit prices."),
                hourly_usd=_amount("All tasks in an hour after the plan."),
                committed_usd=_amount("What the plan buys outright."),
            ),
            budget=_object(
                "What the stack's budget allows; null where it says nothing.",
                max_hourly_usd=_amount("In an hour, at limit prices."),
                max_committed_usd=_amount("Bought outright."),
            ),
            limits=_object(
                "How large the stack's limits let it become; null where they say nothing.",
                **{name: {"type": ["integer", "null"]} for name in _LIMITS},
            ),
            summary=_object(
                "How many resources.",
                **dict.fromkeys(("add", "change", "destroy", "forget", "import", "unchanged"), _COUNT),
            ),
            empty=_flag("Whether there is nothing to do."),
            errored=_flag("Whether the plan may not be applied."),
            diagnostics=_list("diagnostic", "Warnings and errors."),
        ),
        "$defs": {
            "resource_change": _object(
                address=_ADDRESS,
                kind=_words([kind.value for kind in Kind], "The kind of the resource."),
                id=_maybe("The provider's id of what exists."),
                actions=_ACTIONS,
                reasons={"type": "array", "items": {"type": "string"}, "description": "Why, in words."},
                causes=_list("cause", "The same reasons, for programs."),
                loses=_maybe("What is lost by it."),
                losses={
                    "type": "array",
                    "items": {"enum": list(LOSSES.values())},
                    "description": "The kinds of what is lost for good.",
                },
                committed_usd=_amount("Money already paid that is given up, in US dollars."),
                hourly_before_usd=_amount(
                    "What a task may cost in an hour now, at its limit price, in US dollars."
                ),
                hourly_usd=_amount("What it may cost in an hour after the change."),
                protected=_flag("Whether prevent_destroy is set, in the stack or on record."),
                costs_usd=_amount("About what it commits anew, in US dollars."),
                deposed=_maybe(
                    "The id of an object that a newer one has replaced, where the change is about that."
                ),
                imported=_maybe("The id of an existing object that is taken into the state first."),
                before={"type": ["object", "null"], "description": "The configuration as recorded."},
                after={"type": ["object", "null"], "description": "The configuration as the stack says it."},
                attributes=_list("attribute", "What differs."),
                dependencies={**_ADDRESSES, "description": "What the resource needs."},
            ),
            "cause": _object(
                cause=_words([one.value for one in Cause], "The kind of the reason."),
                words=_text("The reason."),
                address=_maybe("The other resource whose change is behind it."),
                attribute=_maybe("The attribute it is about."),
                file=_maybe("Where the stack says so."),
                line={"type": ["integer", "null"], "description": "The line there."},
            ),
            "explanation": _object("The causes of what is done to one resource.", **_explanation()),
            "link": _link(),
            "move": _object("", **_MOVE),
            "attribute": _object(
                name=_text("The attribute."),
                before=_VALUE,
                after=_VALUE,
                takes=_words(
                    [change.value for change in Change], "What changing it takes (docs/changes.md)."
                ),
                forces_replacement=_flag("Whether it is a reason for a replacement."),
                drift=_flag("Whether another hand has changed it."),
            ),
            "drift": _object(
                address=_ADDRESS,
                gone=_flag("Whether the whole object is gone."),
                kind=_words(
                    [one.value for one in DriftKind], "What it means: harmful is what the plan undoes."
                ),
                by=_maybe("Who did it, where the provider's history says so."),
                attributes=_list("attribute", "What differs from what is recorded."),
            ),
            "output_change": _object(actions=_ACTIONS, before=_VALUE, after=_VALUE),
            "interrupted": _object(
                address=_ADDRESS,
                operation=_words([one.value for one in Operation], "What had begun."),
                begun_at=_text("When, in UTC."),
                outlook=_text("What apply will do about it."),
            ),
            "step": _object(
                id=_text("The name of the step within the plan."),
                needs={
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Steps that come before.",
                },
                tolerates={
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Those that may have failed.",
                },
            ),
            "diagnostic": _diagnostic(),
        },
    }


def _explanation() -> dict[str, Any]:
    return {
        "address": _ADDRESS,
        "actions": _ACTIONS,
        "why": _list("link", "Why the action is taken."),
        "why_not": _list("link", "Why not more is done, or nothing."),
        "leads_to": {**_ADDRESSES, "description": "What something is done to because of this."},
    }


def _link() -> Schema:
    return _object(
        "A link of a chain of causes.",
        kind=_text("Its kind, such as changed, drifted, declared, variable, local, event, other, ignored."),
        words=_text("The cause, in words."),
        attribute=_maybe("The attribute it is about."),
        address=_maybe("Another resource, whose own explanation goes on from here."),
        file=_maybe("Where it stands."),
        line={"type": ["integer", "null"], "description": "The line there."},
        column={"type": ["integer", "null"], "description": "The column there."},
        source=_maybe("Who gave a variable its value."),
        value={"description": "The value; a sensitive one is marked and not shown."},
        because=_list("link", "What is behind it."),
    )


def explain_schema() -> Schema:
    """The schema of what ``explain --json`` prints."""
    return {
        "$schema": DIALECT,
        "title": "flowplan explanation",
        "description": "Why a plan does something to a resource, or does not, as flowplan explain --json prints it.",
        **_object(
            format_version=_VERSION,
            flowplan_version=_text("The version that made the plan."),
            stack=_text("The name of the stack."),
            **_explanation(),
        ),
        "$defs": {"link": _link()},
    }


def validate_schema() -> Schema:
    """The schema of what ``validate --json`` prints."""
    return {
        "$schema": DIALECT,
        "title": "flowplan validate",
        "description": "What is wrong with a stack, as flowplan validate --json prints it.",
        **_object(
            format_version=_VERSION,
            valid=_flag("Whether there is no error."),
            error_count=_COUNT,
            warning_count=_COUNT,
            diagnostics=_list("diagnostic", "Everything that was found."),
        ),
        "$defs": {"diagnostic": _diagnostic()},
    }


def scan_schema() -> Schema:
    """The schema of what ``scan --json`` prints."""
    standings = [one.value for one in Standing]
    return {
        "$schema": DIALECT,
        "title": "flowplan scan",
        "description": "Everything live in a project and whose it is, as flowplan scan --json prints it.",
        **_object(
            format_version=_VERSION,
            project=_text("The provider's id of the project."),
            objects=_list("object", "Every live object, once."),
            missing=_list("missing", "What is on record, and not there any more."),
            stacks_elsewhere={
                "type": "array",
                "items": {"type": "string"},
                "description": "Known stacks whose resources are in other projects.",
            },
            hourly_usd=_object(
                "What the objects of each standing cost by the hour now, as far as prices are told; US dollars.",
                **{standing: {"type": "number"} for standing in standings},
            ),
        ),
        "$defs": {
            "object": _object(
                kind=_words([kind.value for kind in Kind], "The kind of the object."),
                id=_text("The provider's id."),
                name=_text("Its name there."),
                region=_maybe("Where it is."),
                status=_maybe("How it stands, in the words of the models."),
                created_at=_maybe("When it was made, in UTC."),
                standing=_words(standings, "Whose it is."),
                stack=_maybe("The stack whose it is, or may be."),
                address=_maybe("Its address there."),
                note=_maybe("More about that, in words."),
                hourly_usd=_amount("What it costs by the hour now, in US dollars; null where nobody tells."),
                at_most_hourly_usd=_amount(
                    "What it may cost by the hour: its limit price, all instances running."
                ),
                prepaid=_flag("Whether the price is its share of what was paid when it was bought."),
            ),
            "missing": _object(
                stack=_text("The stack."), address=_ADDRESS, id=_text("The provider's id on record.")
            ),
        },
    }


def _diagnostic() -> Schema:
    place = _object(line=_COUNT, column=_COUNT)
    return _object(
        severity=_words(
            [one.value for one in Severity], "An error stops the command before anything is changed."
        ),
        summary=_text("What is wrong."),
        detail=_text("More of it, or empty."),
        address={"anyOf": [_ADDRESS, {"type": "null"}]},
        suggestion=_text("What would be right, or empty."),
        range={
            "anyOf": [_object(file=_text("As the user knows it."), start=place, end=place), {"type": "null"}],
            "description": "Where; lines and columns count from 1 (0: the whole file), the end is exclusive.",
        },
        snippet=_text("The source line it starts on, or empty."),
    )


def _object(_description: str = "", **properties: Schema) -> Schema:
    """An object that has all of these properties."""
    said: Schema = {"description": _description} if _description else {}
    return {**said, "type": "object", "required": list(properties), "properties": properties}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _list(name: str, description: str) -> Schema:
    return {"type": "array", "items": _ref(name), "description": description}


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _maybe(description: str) -> Schema:
    return {"type": ["string", "null"], "description": description}


def _amount(description: str) -> Schema:
    return {"type": ["number", "null"], "description": description}


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def _words(words: list[str], description: str) -> Schema:
    return {"enum": words, "description": description}
