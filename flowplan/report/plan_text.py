"""A plan document as text, laid out as Terraform users know it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flowplan.report.paint import Paint, clean
from flowplan.report.plan_values import ABSENT, Writer, is_mark, one_line, width_of

_HEADS = {
    "create": "will be created",
    "update": "will be updated in-place",
    "delete,create": "must be replaced",
    "delete": "will be destroyed",
    "create,delete": "must be replaced, the new one first",
    "forget": "will no longer be managed, but will not be destroyed",
    "no-op": "will be imported",
}
_SYMBOLS = {
    "create": "+",
    "update": "~",
    "delete,create": "-/+",
    "create,delete": "+/-",
    "delete": "-",
    "forget": ".",
    "no-op": "=",
}
_LEGEND = {
    "create": "create",
    "update": "update in-place",
    "delete": "destroy",
    "delete,create": "destroy and then create replacement",
    "create,delete": "create replacement and then destroy",
    "forget": "forget (drop from the state, leave as it is)",
    "no-op": "import (record as it is)",
}
_COLOURS = {"+": "green", "~": "yellow", "-": "red", "-/+": "red", "+/-": "red", ".": "blue", "=": "cyan"}
_DRIFT = {
    "expected": "as the provider decides",
    "benign": "left so",
    "harmful": "will be undone",
    "gone": "",
}
_LATER = " -> (known after apply)"


def render_plan(document: Mapping[str, Any], paint: Paint) -> str:
    """The whole plan: drift, changes, outputs, summary."""
    return "\n".join(_lines(document, paint)) + "\n"


def _lines(document: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    for operation in document["interrupted"]:
        yield paint(f"{clean(operation['address'])}: {clean(operation['outlook'])}", "yellow")
    if document["interrupted"]:
        yield ""
    changes = document["resource_changes"]
    yield from _drift(document, paint)
    for move in document["moved"]:
        yield f"  # {clean(move['from'])} has moved to {clean(move['to'])}"
    if document["moved"]:
        yield ""
    if document["empty"]:
        yield paint(_nothing(document), "bold", "green")
        return
    if changes:
        used = sorted({",".join(change["actions"]) for change in changes}, key=list(_LEGEND).index)
        if document["errored"]:
            yield "flowplan planned the following actions, but then encountered a problem."
            yield "They are indicated by these symbols:"
        else:
            yield "flowplan will perform the following actions. They are indicated by these symbols:"
        for action in used:
            yield f"{_symbol(action, paint, 3)} {_LEGEND[action]}"
        yield ""
        for change in changes:
            yield from _resource(change, paint)
            yield ""
    if document["mode"] == "refresh-only":
        yield "The state will be brought up to date with the provider; nothing is changed there."
    elif changes or not document["interrupted"]:
        yield summary_line(document, paint)
        yield from _costs(document["costs"])
    if document["output_changes"]:
        yield ""
        yield "Changes to Outputs:"
        yield from _outputs(document["output_changes"], paint)
    if document["digest"] and not document["errored"]:
        yield ""
        yield paint(f"Digest: {document['digest']}", "dim")


def _nothing(document: Mapping[str, Any]) -> str:
    if document["mode"] == "refresh-only":
        return "No changes. The state matches the provider."
    if document["mode"] == "destroy":
        return "No changes. No objects need to be destroyed."
    return "No changes. Your resources match the stack."


def summary_line(document: Mapping[str, Any], paint: Paint) -> str:
    """``Plan: 1 to add, 0 to change, 0 to destroy.``"""
    counts = document["summary"]
    text = f"{counts['import']} to import, " if counts["import"] else ""
    text += f"{counts['add']} to add, {counts['change']} to change, {counts['destroy']} to destroy"
    if counts["forget"]:
        text += f", {counts['forget']} to forget"
    return paint("Plan:", "bold") + f" {text}."


def _costs(costs: Mapping[str, Any]) -> Iterator[str]:
    """What the whole stack may cost, where the plan changes it."""
    before, after, bought = costs["hourly_before_usd"], costs["hourly_usd"], costs["committed_usd"]
    if after is None:
        yield "Costs: what it costs in an hour is known after apply."
    elif before != after:
        was = f" (was {_usd(before)})" if before else ""
        yield f"Costs: up to {_usd(after)} an hour, at limit prices{was}."
    if bought is None:
        yield "Costs: what is committed at once has not been quoted."
    elif bought:
        yield f"Costs: {_usd(bought)} committed at once."


def _usd(amount: float) -> str:
    return f"${amount:,.2f}"


def _symbol(action: str, paint: Paint, width: int) -> str:
    symbol = _SYMBOLS[action]
    return " " * (width - len(symbol)) + paint(symbol, _COLOURS[symbol])


def _drift(document: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    if not document["resource_drift"]:
        return
    title = "Objects have changed outside of flowplan"
    if document["mode"] == "refresh-only":
        title = "What is recorded differs from what the provider shows"
    yield paint(f"Note: {title}", "bold", "cyan")
    yield ""
    writer = Writer(paint)
    for drift in document["resource_drift"]:
        by = f", by {clean(drift['by'])}" if drift["by"] else ""
        what = "no longer exists at the provider" if drift["gone"] else "has changed"
        meant = _DRIFT[drift["kind"]] if document["mode"] != "refresh-only" else ""
        yield paint(f"  # {clean(drift['address'])} {what}{by}", "bold") + (f" ({meant})" if meant else "")
        attributes = drift["attributes"]
        wide = width_of([attribute["name"] for attribute in attributes])
        for attribute in attributes:
            label = attribute["name"].ljust(wide)
            yield from writer.difference(label, attribute["before"], attribute["after"], 6)
    yield ""


def _notes(change: Mapping[str, Any], action: str, paint: Paint) -> Iterator[str]:
    """The lines above a resource's block: why, what it loses, what it costs."""
    what = f" (deposed object {clean(change['deposed'])})" if change["deposed"] else ""
    yield paint(f"  # {clean(change['address'])}{what} {_HEADS[action]}", "bold")
    for reason in change["reasons"]:
        if action != "create" or reason != "it is not in the state yet":
            yield f"  # (because {clean(reason)})"
    if change["protected"] and "delete" in change["actions"]:
        yield paint("  # PROTECTED: prevent_destroy is set, so this is refused", "red", "bold")
    if "data" in change["losses"]:
        yield paint(f"  # DATA LOSS: {change['loses']} is gone for good", "red", "bold")
    elif change["loses"]:
        yield paint(f"  # this loses {change['loses']}", "red")
    if "money" in change["losses"]:
        amount = change["committed_usd"]
        paid = f"{_usd(amount)} already paid" if amount is not None else "money already paid"
        yield paint(f"  # COMMITTED: {paid} is given up", "red", "bold")
    if change["costs_usd"] is not None:
        more = " more" if action == "update" else ", paid when it is made"
        about = "about " if action == "update" else ""
        yield f"  # this costs {about}{_usd(change['costs_usd'])}{more}"
    before, after = change["hourly_before_usd"], change["hourly_usd"]
    if "create" in change["actions"] and after is not None:
        yield f"  # this costs up to {_usd(after)} an hour"
    elif action == "update" and after is not None and before is not None and before != after:
        yield f"  # this costs up to {_usd(after)} an hour (was {_usd(before)})"


def _resource(change: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    action = ",".join(change["actions"])
    yield from _notes(change, action, paint)
    kind, _, name = change["address"].rpartition(f"{change['kind']}.")
    yield f"{_symbol(action, paint, 3)} {clean(kind)}{change['kind']} {json.dumps(name, ensure_ascii=False)} {{"
    writer = Writer(paint)
    if action == "create":
        yield from _body(writer, "+", change["after"], "")
    elif action == "delete":
        yield from _body(writer, "-", {"id": change["id"], **(change["before"] or {})}, " -> null")
    elif action == "forget":
        yield f"        id   = {one_line(change['id'])}"
        if change["before"]:
            yield f"        name = {one_line(change['before'].get('name'))}"
    else:
        yield from _differences(writer, change, paint)
    yield "    }"


def _body(writer: Writer, sign: str, values: Mapping[str, Any], tail: str) -> Iterator[str]:
    names = [name for name, value in values.items() if value not in ABSENT]
    wide = width_of(names)
    for name in names:
        yield from writer.assignment(sign, name.ljust(wide), values[name], 6, tail)


def _differences(writer: Writer, change: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    attributes = change["attributes"]
    wide = max(width_of([attribute["name"] for attribute in attributes]), 2)
    renewed = paint(_LATER, "dim") if "create" in change["actions"] else ""
    lead = writer.paint("~", "yellow") if renewed else " "
    yield f"      {lead} {'id'.ljust(wide)} = {one_line(change['id'])}{renewed}"
    for attribute in attributes:
        note = paint(" # forces replacement", "red") if attribute["forces_replacement"] else ""
        note += paint(" # changed outside of flowplan", "cyan") if attribute["drift"] else ""
        if attribute["takes"] == "in place, paused":
            note += paint(" # paused meanwhile", "dim")
        elif attribute["takes"] == "local":
            note += paint(" # recorded only", "dim")
        before, after = attribute["before"], attribute["after"]
        yield from writer.difference(attribute["name"].ljust(wide), before, after, 6, note)
    known = [
        name for name, value in (change["after"] or {}).items() if not is_mark(value) or "$sensitive" in value
    ]
    changed = {attribute["name"] for attribute in attributes}
    yield from writer.hidden(len([name for name in known if name not in changed]), "attribute", 6)


def _outputs(outputs: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    wide = width_of(list(outputs))
    writer = Writer(paint)
    for name, change in outputs.items():
        action, label = ",".join(change["actions"]), name.ljust(wide)
        if action == "create":
            yield from writer.assignment("+", label, change["after"], 2)
        elif action == "delete":
            yield from writer.assignment("-", label, change["before"], 2, " -> null")
        else:
            yield from writer.difference(label, change["before"], change["after"], 2)
