"""A plan document as text, laid out as Terraform users know it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from flowplan.report.paint import Paint, clean

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

_ABSENT: tuple[Any, ...] = (None, [], {}, "")


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
    if document["output_changes"]:
        yield ""
        yield "Changes to Outputs:"
        for name, change in document["output_changes"].items():
            yield _output(name, change, paint)
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
    text = f"{counts['add']} to add, {counts['change']} to change, {counts['destroy']} to destroy"
    if counts["forget"]:
        text += f", {counts['forget']} to forget"
    return paint("Plan:", "bold") + f" {text}."


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
    for drift in document["resource_drift"]:
        by = f", by {clean(drift['by'])}" if drift["by"] else ""
        if drift["gone"]:
            yield f"  # {clean(drift['address'])} no longer exists at the provider{by}"
        for attribute in drift["attributes"]:
            before, after = _value(attribute["before"]), _value(attribute["after"])
            yield f"  # {clean(drift['address'])}: {attribute['name']} {before} -> {after}{by}"
    yield ""


def _resource(change: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    action = ",".join(change["actions"])
    what = f" (deposed object {clean(change['deposed'])})" if change["deposed"] else ""
    yield paint(f"  # {clean(change['address'])}{what} {_HEADS[action]}", "bold")
    for reason in change["reasons"]:
        if action != "create" or reason != "it is not in the state yet":
            yield f"  # (because {clean(reason)})"
    if change["loses"] and "delete" in change["actions"]:
        yield paint(f"  # this loses {change['loses']}", "red")
    if "data" in change["losses"]:
        yield paint("  # DATA LOSS", "red", "bold")
    if "money" in change["losses"]:
        amount = change["committed_usd"]
        paid = (
            f"${amount:,.2f} already paid is given up"
            if amount is not None
            else "money already paid is given up"
        )
        yield paint(f"  # COMMITTED: {paid}", "red", "bold")
    if change["costs_usd"] is not None:
        yield f"  # this costs about ${change['costs_usd']:,.2f} more"
    kind, _, name = change["address"].rpartition(f"{change['kind']}.")
    yield f"{_symbol(action, paint, 3)} {clean(kind)}{change['kind']} {json.dumps(name, ensure_ascii=False)} {{"
    if action == "create":
        yield from _body(change["after"], "+", paint)
    elif action in ("delete", "forget"):
        yield f"        id = {_value(change['id'])}" + (" -> null" if action == "delete" else "")
        if change["before"]:
            yield f"        name = {_value(change['before'].get('name'))}" + (
                " -> null" if action == "delete" else ""
            )
    else:
        yield from _differences(change, action, paint)
    yield "    }"


def _body(after: Mapping[str, Any], sign: str, paint: Paint) -> Iterator[str]:
    names = [name for name, value in after.items() if value not in _ABSENT]
    width = max((len(name) for name in names), default=0)
    for name in names:
        yield from _assignment(name.ljust(width), after[name], f"      {paint(sign, _COLOURS[sign])} ")


def _assignment(label: str, value: Any, prefix: str) -> Iterator[str]:
    if isinstance(value, str) and "\n" in value:
        yield f"{prefix}{label} = <<-EOT"
        yield from (f"            {clean(line)}" for line in value.splitlines())
        yield "        EOT"
    elif isinstance(value, dict) and not _is_mark(value):
        yield f"{prefix}{label} = {{"
        for key, item in value.items():
            yield f"          {clean(str(key))} = {_value(item)}"
        yield "        }"
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        yield f"{prefix}{label} = ["
        yield from (f"          {_value(_present(item))}," for item in value)
        yield "        ]"
    else:
        yield f"{prefix}{label} = {_value(value)}"


def _present(value: Any) -> Any:
    if isinstance(value, dict) and not _is_mark(value):
        return {key: item for key, item in value.items() if item not in _ABSENT}
    return value


def _differences(change: Mapping[str, Any], action: str, paint: Paint) -> Iterator[str]:
    yield f"        id = {_value(change['id'])}" + (
        f" -> {paint('(known after apply)', 'dim')}" if "create" in change["actions"] else ""
    )
    attributes = change["attributes"]
    width = max((len(a["name"]) for a in attributes), default=0)
    for attribute in attributes:
        label = attribute["name"].ljust(width)
        note = paint(" # forces replacement", "red") if attribute["forces_replacement"] else ""
        note += paint(" # changed outside of flowplan", "cyan") if attribute["drift"] else ""
        if attribute["takes"] == "in place, paused":
            note += paint(" # paused meanwhile", "dim")
        elif attribute["takes"] == "local":
            note += paint(" # recorded only", "dim")
        yield from _difference(label, attribute["before"], attribute["after"], note, paint)
    hidden = len(change["after"] or {}) - len(attributes)
    if hidden > 0:
        yield paint(f"        # ({hidden} unchanged attributes hidden)", "dim")


def _difference(label: str, before: Any, after: Any, note: str, paint: Paint) -> Iterator[str]:
    sign = paint("~", "yellow")
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        yield f"      {sign} {label} = <<-EOT{note}"
        for line in list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2))[2:]:
            colour = {"+": "green", "-": "red"}.get(line[:1])
            yield "          " + (paint(clean(line), colour) if colour else clean(line))
        yield "        EOT"
    elif isinstance(before, dict) and isinstance(after, dict) and not (_is_mark(before) or _is_mark(after)):
        yield f"      {sign} {label} = {{{note}"
        for key in sorted({*before, *after}):
            old, new = before.get(key), after.get(key)
            name = clean(str(key))
            if key not in before:
                yield f"          {paint('+', 'green')} {name} = {_value(new)}"
            elif key not in after:
                yield f"          {paint('-', 'red')} {name} = {_value(old)} -> null"
            elif old != new or _is_mark(old):
                yield f"          {sign} {name} = {_value(old)} -> {_value(new)}"
        yield "        }"
    elif (
        isinstance(before, list)
        and isinstance(after, list)
        and any(isinstance(i, dict) for i in before + after)
    ):
        yield f"      {sign} {label} = [{note}"
        for item in before:
            if item not in after:
                yield f"          {paint('-', 'red')} {_value(_present(item))},"
        for item in after:
            if item not in before:
                yield f"          {paint('+', 'green')} {_value(_present(item))},"
        yield "        ]"
    else:
        yield f"      {sign} {label} = {_value(before)} -> {_value(after)}{note}"


def _output(name: str, change: Mapping[str, Any], paint: Paint) -> str:
    action = ",".join(change["actions"])
    sign = paint(_SYMBOLS[action], _COLOURS[_SYMBOLS[action]])
    if action == "create":
        return f"  {sign} {name} = {_value(change['after'])}"
    after = "null" if action == "delete" else _value(change["after"])
    return f"  {sign} {name} = {_value(change['before'])} -> {after}"


def _is_mark(value: Any) -> bool:
    return isinstance(value, dict) and ("$sensitive" in value or "$unknown" in value)


def _value(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        if "$sensitive" in value:
            return "(sensitive value)"
        if "$unknown" in value:
            return "(known after apply)"
        return "{" + ", ".join(f"{clean(str(key))}: {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, str):
        return clean(json.dumps(value, ensure_ascii=False))
    return json.dumps(value)
