"""What becomes of a recorded resource that is not wanted any more, and of what replacements left behind."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from flowplan.lang.stack import Resource
from flowplan.plan.change import Action, Mode, ResourceChange
from flowplan.plan.decide import GONE
from flowplan.plan.money import committed
from flowplan.plan.reason import Cause, Reason
from flowplan.resources import Loss, kind_of
from flowplan.state.snapshot import Record
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic

if TYPE_CHECKING:
    from flowplan.lang.entries import Removed

_GIVEN_UP = (Loss.MONEY,)


def removal(
    record: Record,
    gone: bool,
    declared: Resource | None,
    mode: Mode,
    let_go: Removed | None = None,
    at: datetime | None = None,
) -> tuple[ResourceChange, list[Diagnostic]]:
    """What becomes of a recorded resource that is no longer desired, with what is to be said about it.

    ``let_go`` is the ``removed`` entry that names it. A protected one is not destroyed; protection is lifted by an
    apply with ``prevent_destroy: false``, not by the edit alone. ``at`` is when the provider was asked.
    """
    kind = kind_of(record.kind)
    why = _why(record, declared, mode, let_go)
    common: dict[str, Any] = {
        "address": record.address,
        "id": record.id,
        "name": record.name,
        "before": record.config,
        "dependencies": record.dependencies,
        "record": record,
    }
    if gone:
        return ResourceChange(action=Action.FORGET, reasons=(why, GONE), **common), []
    if _forgets(record, mode, let_go):
        return ResourceChange(action=Action.FORGET, reasons=(why,), **common), [_stays(record, why)]
    if record.kind is Kind.RESERVATION:
        money = committed(record, at)
        change = ResourceChange(
            action=Action.FORGET, reasons=(why,), losses=_GIVEN_UP, committed_usd=money, **common
        )
        return change, [_uncancellable(record)]
    change = ResourceChange(
        action=Action.DELETE, reasons=(why,), loses=kind.loses, losses=kind.losses, **common
    )
    return change, [problem] if (problem := protection(record, declared, f"because {why}")) else []


def _why(record: Record, declared: Resource | None, mode: Mode, let_go: Removed | None) -> Reason:
    if mode is Mode.DESTROY:
        return Reason(Cause.DESTROYED, "everything is being destroyed")
    if let_go is not None:
        return Reason(Cause.LET_GO, f"removed names {let_go.origin}", span=let_go.span)
    if record.retained:
        return Reason(Cause.RETAINED, "it is not in the stack any more, and on_remove: retain is on record")
    return Reason(Cause.REMOVED, "it is not in the stack any more")


def _forgets(record: Record, mode: Mode, let_go: Removed | None) -> bool:
    """Whether it is only dropped from the state, on request."""
    if mode is Mode.NORMAL and let_go is not None:
        return not let_go.destroy
    return record.retained


def protection(record: Record, declared: Resource | None, why: str) -> Diagnostic | None:
    """The refusal to destroy what is protected, on record or in the stack; None for what is not."""
    wanted = declared is not None and declared.lifecycle.prevent_destroy
    if not (record.protected or wanted):
        return None
    said = ""
    if not wanted:
        said = " It was protected when it was last applied; taking its block or the line away does not lift that."
    return Diagnostic.error(
        f"{record.address} is protected from being destroyed",
        f"The plan would destroy it {why}, but lifecycle.prevent_destroy is set.{said}",
        address=record.address,
        span=declared.span if declared else None,
        snippet=declared.snippet if declared else "",
        suggestion="Set prevent_destroy: false on it and apply that first.",
    )


def _stays(record: Record, why: Reason) -> Diagnostic:
    """What goes on existing, and costing, once it is forgotten."""
    costs = {
        Kind.VOLUME: "Its data stays, and its storage is charged for",
        Kind.TASK: "It goes on running, and costs what its instances cost",
        Kind.RESERVATION: "It stays paid for and runs until it ends",
    }[record.kind]
    price = record.attributes.get("limit_price")
    count = record.attributes.get("num_instances") or 1
    if record.kind is Kind.TASK and isinstance(price, (int, float)):
        costs += f" (up to ${price * count:,.2f} an hour)"
    until = "" if record.kind is Kind.RESERVATION else " until you delete it at the provider"
    return Diagnostic.warning(
        f"{record.address} is forgotten and stays at the provider as {record.id}",
        f"It is forgotten because {why}. {costs}{until}.",
        address=record.address,
        suggestion="To have it back in a stack, import it by its id.",
    )


def _uncancellable(record: Record) -> Diagnostic:
    price = record.attributes.get("price_total_usd")
    paid = f" (${price:,.2f})" if isinstance(price, (int, float)) else ""
    ends = record.attributes.get("end_time_utc") or "its end"
    return Diagnostic.warning(
        f"{record.address} cannot be cancelled",
        f"The provider has no way to cancel a reservation. It is dropped from the state, stays paid for{paid} "
        f"and runs until {ends}.",
        address=record.address,
    )


def deposed_changes(record: Record, ended: frozenset[str]) -> list[ResourceChange]:
    """What becomes of the objects that newer ones have replaced: destroyed, or forgotten where they have ended."""
    kind = kind_of(record.kind)
    found = []
    for old in record.deposed:
        is_over = old.id in ended
        reasons = (Reason(Cause.DEPOSED, f"it was replaced by {record.id} before it was destroyed"),)
        found.append(
            ResourceChange(
                address=record.address,
                action=Action.FORGET if is_over else Action.DELETE,
                reasons=(*reasons, GONE) if is_over else reasons,
                id=old.id,
                name=old.name,
                before=record.config,
                dependencies=old.dependencies,
                deposed=old.id,
                loses="" if is_over else kind.loses,
                losses=() if is_over else kind.losses,
            )
        )
    return found
