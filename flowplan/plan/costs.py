"""What a stack costs in the worst case, before and after a plan: by the hour at limit prices, and committed at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve

from flowplan.lang.stack import Stack
from flowplan.plan.change import Action, Costs, Mode, ResourceChange
from flowplan.resources.price import limit_price
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address, Kind

_RENEWS = (Action.CREATE, Action.REPLACE)


def costs_of(
    mode: Mode,
    changes: Sequence[ResourceChange],
    stack: Stack,
    snapshot: Snapshot,
    skipped: Collection[Address] = (),
) -> Costs:
    """The costs of a stack before and after these changes; ``skipped`` is left as it is."""
    before = _sum(_recorded(snapshot))
    if not changes:
        return Costs(before, before, 0.0)
    after = hourly(mode, changes, stack, snapshot, skipped)
    return Costs(before, _sum(after), _sum(committed(changes)))


def _sum(amounts: Iterator[float | None]) -> float | None:
    total = 0.0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return round(total, 2)


def worst_case(attributes: Mapping[str, Any]) -> float | None:
    """US dollars an hour for a task with these provider-side attributes, at its limit price."""
    price, count = attributes.get("limit_price"), attributes.get("num_instances")
    known = isinstance(price, (int, float)) and isinstance(count, int)
    return round(float(price * count), 2) if known else None  # type: ignore[operator]


def hourly(
    mode: Mode,
    changes: Sequence[ResourceChange],
    stack: Stack,
    snapshot: Snapshot,
    skipped: Collection[Address] = (),
) -> Iterator[float | None]:
    """What each task will cost in an hour at its limit price; None where that is not known."""
    left = {address: snapshot.records[address] for address in skipped if address in snapshot.records}
    yield from _recorded(evolve(snapshot, records=left))
    if mode is Mode.DESTROY:
        return
    targets = {change.address: change.targets for change in changes}
    for address, resource in stack.resources.items():
        if address in skipped:
            continue
        if address.kind is Kind.TASK and not _has_ended(address, snapshot, targets):
            config: Mapping[str, Any] = resource.config
            record = snapshot.records.get(address)
            price = (targets.get(address) or {}).get("limit_price")
            if price is None:
                price = limit_price(config, config.get("instance_type"))
            if price is None and record is not None:
                price = record.attributes.get("limit_price")
            yield worst_case({"limit_price": price, "num_instances": config.get("num_instances")})


def _recorded(snapshot: Snapshot) -> Iterator[float | None]:
    """What each recorded task may cost in an hour now; what is not on record counts as nothing."""
    for address, record in snapshot.records.items():
        if address.kind is Kind.TASK and not _is_over(record.attributes):
            yield worst_case(record.attributes) or 0.0


def _is_over(attributes: Mapping[str, Any]) -> bool:
    ended = attributes.get("status") in ("completed", "failed", "cancelled")
    return ended or attributes.get("completion") is not None


def _has_ended(address: Address, snapshot: Snapshot, changed: Mapping[Address, Any]) -> bool:
    """Whether a task has ended and is left as it is: then it costs nothing any more."""
    record = snapshot.records.get(address)
    return record is not None and address not in changed and _is_over(record.attributes)


def committed(changes: Sequence[ResourceChange]) -> Iterator[float | None]:
    """What each new or longer reservation commits; None where nobody has quoted it."""
    for change in changes:
        buys = change.kind is Kind.RESERVATION and change.action in _RENEWS
        if buys or change.costs_usd is not None:
            yield change.costs_usd
