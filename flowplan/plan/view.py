"""A finished plan as ``checks`` see it: plain data under ``plan`` (docs/language/checks.md says what each is)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowplan.lang.stack import Stack
from flowplan.plan.change import Action, Mode, Plan, ResourceChange
from flowplan.resources.price import limit_price
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address, Kind
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
        "hourly_usd": _sum("plan.hourly_usd", _hourly(plan, stack, snapshot)),
        "committed_usd": _sum("plan.committed_usd", _committed(plan)),
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


def _hourly(plan: Plan, stack: Stack, snapshot: Snapshot) -> Iterator[float | None]:
    """What each task costs in an hour at its limit price, in US dollars; None where that is not known."""
    if plan.mode is Mode.DESTROY:
        return
    targets = {change.address: change.targets for change in plan.changes}
    for address, resource in stack.resources.items():
        if address.kind is Kind.TASK and not _has_ended(address, snapshot, targets):
            config: Mapping[str, Any] = resource.config
            record = snapshot.records.get(address)
            price = (targets.get(address) or {}).get("limit_price")
            if price is None:
                price = limit_price(config, config.get("instance_type"))
            if price is None and record is not None:
                price = record.attributes.get("limit_price")
            count = config.get("num_instances")
            known = isinstance(price, (int, float)) and isinstance(count, int)
            yield float(price * count) if known else None  # type: ignore[operator]


def _has_ended(address: Address, snapshot: Snapshot, changed: Mapping[Address, Any]) -> bool:
    """Whether a task has completed and is left as it is: then it costs nothing any more."""
    record = snapshot.records.get(address)
    return record is not None and address not in changed and record.attributes.get("status") == "completed"


def _committed(plan: Plan) -> Iterator[float | None]:
    """What each new or longer reservation commits, in US dollars; None where nobody has quoted it."""
    for change in plan.changes:
        if (
            change.kind is Kind.RESERVATION and change.action in (Action.CREATE, Action.REPLACE)
        ) or change.costs_usd is not None:
            yield change.costs_usd
