"""The plan as one versioned document: what ``--json`` prints, a saved plan holds, and every report reads.

It holds no secret: sensitive values are ``null`` and marked. Major versions break readers, minor ones add.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from flowplan.lang.stack import Budget, Limits
from flowplan.plan.change import Action, AttributeChange, Plan, ResourceChange
from flowplan.plan.costs import worst_case
from flowplan.plan.reason import Reason
from flowplan.resources import Change, Loss, kind_of
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Diagnostic
from flowplan.values.quantity import format_instant
from flowplan.values.value import Fingerprint, Sensitive, Unknown, transform

if TYPE_CHECKING:
    from flowplan.plan.links import Explanation, Link

FORMAT = "1.2"

_ACTIONS = {
    Action.NO_OP: ["no-op"],
    Action.CREATE: ["create"],
    Action.UPDATE: ["update"],
    Action.REPLACE: ["delete", "create"],
    Action.DELETE: ["delete"],
    Action.FORGET: ["forget"],
}

_LOSSES = {
    Loss.WORK: "instances",
    Loss.BOOT_DISK: "boot disks",
    Loss.QUEUE_AGE: "queue age",
    Loss.DATA: "data",
    Loss.MONEY: "money",
}

_PLAIN = frozenset({str, int, float, bool, type(None)})
SENSITIVE = {"$sensitive": True}
UNKNOWN = {"$unknown": True}


def shown(value: Any) -> Any:
    """A value as it may be shown: sensitive and unknown leaves become markers."""

    def mark(leaf: Any) -> Any:
        if type(leaf) in _PLAIN:
            return leaf
        if isinstance(leaf, (Sensitive, Fingerprint)):
            return SENSITIVE
        if isinstance(leaf, Unknown):
            return (
                SENSITIVE if leaf.sensitive else {**UNKNOWN, "waits_for": [str(r) for r in leaf.references]}
            )
        return leaf

    return transform(value, mark)


def explanation_document(explanation: Explanation, leads_to: Sequence[Address] = ()) -> dict[str, Any]:
    """An explanation as JSON-shaped data, with what its action leads to."""
    return {
        "address": str(explanation.address),
        "actions": _ACTIONS[explanation.action],
        "why": [_link(link) for link in explanation.why],
        "why_not": [_link(link) for link in explanation.why_not],
        "leads_to": [str(address) for address in leads_to],
    }


def _link(link: Link) -> dict[str, Any]:
    span = link.span
    return {
        "kind": link.kind,
        "words": link.words,
        "attribute": link.attribute or None,
        "address": str(link.address) if link.address else None,
        "file": span.source if span else None,
        "line": span.line or None if span else None,
        "column": span.column or None if span else None,
        "source": link.source or None,
        "value": shown(link.value),
        "because": [_link(other) for other in link.because],
    }


def build_document(plan: Plan, version: str, digest: str = "") -> dict[str, Any]:
    """The document of a plan; ``version`` is flowplan's, ``digest`` the plan's (`flowplan.plan.digest`)."""
    return {
        "format_version": FORMAT,
        "flowplan_version": version,
        "stack": plan.stack,
        "mode": plan.mode.value,
        "digest": digest or None,
        "state": {"lineage": plan.lineage, "serial": plan.serial},
        "refreshed": plan.refreshed,
        "resource_changes": [_change(change) for change in plan.changes],
        "moved": [{"from": str(move.origin), "to": str(move.to)} for move in plan.moves],
        "skipped": [str(address) for address in plan.skipped],
        "resource_drift": [
            {
                "address": str(drift.address),
                "gone": drift.gone,
                "kind": drift.kind.value,
                "by": drift.by or None,
                "attributes": [_attribute(a, {}) for a in drift.attributes],
            }
            for drift in plan.drift
        ],
        "output_changes": {
            o.name: {
                "actions": _ACTIONS[o.action],
                "before": SENSITIVE if o.sensitive and o.before is not None else shown(o.before),
                "after": SENSITIVE if o.sensitive and o.action is not Action.DELETE else shown(o.after),
            }
            for o in plan.outputs
        },
        "interrupted": [
            {
                "address": str(i.entry.address),
                "operation": i.entry.operation.value,
                "begun_at": format_instant(i.entry.begun_at),
                "outlook": i.outlook,
            }
            for i in plan.interrupted
        ],
        "steps": [
            {"id": step.id, "needs": list(step.needs), "tolerates": list(step.tolerates)}
            for step in plan.steps
        ],
        "costs": {
            "hourly_before_usd": plan.costs.hourly_before_usd,
            "hourly_usd": plan.costs.hourly_usd,
            "committed_usd": plan.costs.committed_usd,
        },
        "budget": _declared(plan.budget, float),
        "limits": _declared(plan.limits, int),
        "summary": {**plan.counts(), "unchanged": plan.unchanged},
        "empty": plan.is_empty,
        "partial": plan.is_partial,
        "errored": plan.has_errors,
        "diagnostics": [diagnostic_document(d) for d in plan.diagnostics],
    }


def _declared(bounds: Budget | Limits, form: type[float] | type[int]) -> dict[str, Any]:
    """What the stack bounds, by the name it has there; null for what it leaves open."""
    given = {one.name: getattr(bounds, one.name) for one in attrs.fields(type(bounds)) if one.name != "span"}
    return {name: None if value is None else form(value) for name, value in given.items()}


def _change(change: ResourceChange) -> dict[str, Any]:
    return {
        "address": str(change.address),
        "kind": change.kind.value,
        "id": change.id or None,
        "actions": ["create", "delete"] if change.creates_first else _ACTIONS[change.action],
        "reasons": [reason.words for reason in change.reasons],
        "causes": [_cause(reason) for reason in change.reasons],
        "loses": change.loses or None,
        "losses": [_LOSSES[loss] for loss in change.losses],
        "committed_usd": change.committed_usd,
        "costs_usd": change.costs_usd,
        "hourly_before_usd": _hourly(change.record.attributes, change) if change.record is not None else None,
        "hourly_usd": _hourly(
            {**(change.record.attributes if change.record else {}), **change.targets}, change
        ),
        "protected": change.protected or (change.record is not None and change.record.protected),
        "deposed": change.deposed or None,
        "imported": change.imported or None,
        "before": _before(change),
        "after": _after(change),
        "attributes": [_attribute(a, _docs(change)) for a in change.attributes],
        "dependencies": [str(address) for address in change.dependencies],
    }


def _hourly(attributes: Mapping[str, Any], change: ResourceChange) -> float | None:
    """What a task may cost in an hour, at its limit price; None for what costs nothing by the hour, or is not known."""
    return worst_case(attributes) if change.kind is Kind.TASK else None


def _cause(reason: Reason) -> dict[str, Any]:
    span = reason.span
    return {
        "cause": reason.cause.value,
        "words": reason.words,
        "address": str(reason.address) if reason.address else None,
        "attribute": reason.attribute or None,
        "file": span.source if span else None,
        "line": span.line if span else None,
    }


def _before(change: ResourceChange) -> Any:
    """The recorded configuration, in the order in which its kind declares it."""
    if change.before is None:
        return None
    before = change.before
    names = [name for name in kind_of(change.kind).attributes if name in before]
    names += [name for name in before if name not in names]
    return shown({name: before[name] for name in names})


def _after(change: ResourceChange) -> Any:
    """The desired configuration, and what the provider will decide as unknown."""
    if change.after is None or change.action in (Action.DELETE, Action.FORGET):
        return None
    after = shown(change.after)
    if change.action in (Action.CREATE, Action.REPLACE):
        for name, value in change.targets.items():
            if after.get(name) is None and value is not None and value != []:
                after[name] = shown(value)
        after[kind_of(change.kind).id_attribute] = dict(UNKNOWN)
    return after


def _docs(change: ResourceChange) -> Mapping[str, str]:
    return {name: attribute.loses for name, attribute in kind_of(change.kind).attributes.items()}


def _attribute(change: AttributeChange, loses: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": change.name,
        "before": shown(change.before),
        "after": _marked(change.after),
        "takes": change.change.value,
        "forces_replacement": change.change is Change.REPLACE,
        "drift": change.drift,
    }


def _marked(value: Any) -> Any:
    """A new value as it may be shown; a sensitive leaf that is another than before says so."""

    def mark(leaf: Any) -> Any:
        return {**SENSITIVE, "$changed": True} if isinstance(leaf, Sensitive) else shown(leaf)

    return transform(value, mark)


def diagnostic_document(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic as JSON-shaped data."""
    span = diagnostic.span
    return {
        "severity": diagnostic.severity.value,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
        "address": str(diagnostic.address) if diagnostic.address else None,
        "suggestion": diagnostic.suggestion,
        "range": None
        if span is None
        else {
            "file": span.source,
            "start": {"line": span.line, "column": span.column},
            "end": {"line": span.end_line or span.line, "column": span.end_column or span.column},
        },
        "snippet": diagnostic.snippet,
    }
