"""A finished plan as ``checks`` see it: plain data under ``plan`` (docs/language/checks.md says what each is)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowplan.lang.stack import Stack
from flowplan.plan.change import Action, Plan, ResourceChange
from flowplan.plan.costs import committed, hourly
from flowplan.state.snapshot import Snapshot
from flowplan.values.value import Unknown

_WORDS = {
    Action.NO_OP: "no-op",
    Action.CREATE: "create",
    Action.UPDATE: "update",
    Action.REPLACE: "replace",
    Action.DELETE: "destroy",
    Action.FORGET: "forget",
}


def plan_view(plan: Plan, stack: Stack, snapshot: Snapshot) -> dict[str, Any]:
    """What ``plan`` gives to the checks of ``stack``; an amount that nobody knows yet is an `Unknown`."""
    actions = [change.action for change in plan.changes]
    words = ("create", "update", "replace", "destroy", "forget")
    counted = {_WORDS[action]: actions.count(action) for action in _WORDS}
    return {
        "mode": plan.mode.value,
        "summary": {**{word: counted[word] for word in words}, "unchanged": plan.unchanged},
        "changes": {str(change.address): _change(change) for change in plan.changes if not change.deposed},
        "hourly_usd": _sum(
            "plan.hourly_usd", hourly(plan.mode, plan.changes, stack, snapshot, frozenset(plan.skipped))
        ),
        "committed_usd": _sum("plan.committed_usd", committed(plan.changes)),
    }


def _change(change: ResourceChange) -> dict[str, Any]:
    address = change.address
    return {
        "address": str(address),
        "kind": address.kind.value,
        "name": address.name,
        "key": address.key,
        "module": ".".join(f"module.{part}" for part in address.module),
        "action": _WORDS[change.action],
        "reasons": [str(reason) for reason in change.reasons],
        "attributes": [attribute.name for attribute in change.attributes],
        "loses": change.loses or None,
    }


def _sum(name: str, amounts: Iterator[float | None]) -> Any:
    total = 0.0
    for amount in amounts:
        if amount is None:
            return Unknown((), name)
        total += amount
    return round(total, 2)
