"""The decision for one resource: the least and safest action, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.lang.stack import Resource
from flowplan.plan.change import Action, AttributeChange, Mode, ResourceChange
from flowplan.plan.diff import config_changes, update_targets
from flowplan.resources import Change, kind_of
from flowplan.state.snapshot import Record
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Diagnostic

NOT_RECORDED = "it is not in the state yet"
GONE = "it no longer exists at the provider"
REWIRED = "what it depends on changed; only the record is changed"


def dependencies_of(resource: Resource) -> tuple[Address, ...]:
    """The direct dependencies to be recorded with a resource, sorted."""
    found = {reference.address for reference in resource.references}
    found.update(dependency.address for dependency in resource.depends_on)
    return tuple(sorted(found))


def decide(
    *,
    resource: Resource,
    record: Record | None,
    observed: Mapping[str, Any] | None,
    gone: bool,
    targets: Mapping[str, Any],
    key: bytes,
    completion: Mapping[str, Any] | None,
) -> ResourceChange:
    """What is to be done so that ``resource`` is as declared.

    ``observed`` are the provider's attributes now (None where nothing was looked at), ``gone`` whether the
    recorded object has ended. A task with a completion record is satisfied, not missing, unless its
    declaration changed (``lifecycle.rerun``).
    """
    kind = kind_of(resource.kind)
    common: dict[str, Any] = {
        "address": resource.address,
        "after": resource.config,
        "targets": targets,
        "dependencies": dependencies_of(resource),
        "protected": resource.lifecycle.prevent_destroy,
    }
    if record is None:
        return ResourceChange(action=Action.CREATE, reasons=(NOT_RECORDED,), **common)
    common |= {"id": record.id, "name": record.name, "before": record.config}
    ours = tuple(
        c
        for c in config_changes(kind, record.config, resource.config, key)
        if c.name not in resource.lifecycle.ignore_changes
    )
    replacing = [c for c in ours if c.change is Change.REPLACE]
    if record.kind is Kind.TASK and completion is not None:
        return _of_completed(resource, record, ours, replacing, gone, common)
    if gone:
        if record.kind is Kind.RESERVATION:
            # Why: an ended reservation has done what it was bought for; it is over, not lost.
            return ResourceChange(action=Action.NO_OP, **common)
        if record.kind is Kind.TASK and resource.lifecycle.on_lost != "recreate":
            # Where on_lost is fail, the planner says so.
            return ResourceChange(action=Action.NO_OP, **common)
        return ResourceChange(action=Action.CREATE, reasons=(GONE,), attributes=ours, **common)
    if replacing:
        reasons = tuple(f"{c.name} changed, which forces replacement" for c in replacing)
        return ResourceChange(
            action=Action.REPLACE, reasons=reasons, attributes=ours, loses=kind.loses, **common
        )
    current = observed if observed is not None else record.attributes
    update = update_targets(kind, current, targets)
    update = {
        name: value
        for name, value in update.items()
        if not any(source in resource.lifecycle.ignore_changes for source in kind.feeds[name])
    }
    fed = {source for name in update for source in kind.feeds[name]}
    drifted = tuple(
        AttributeChange(name, current[name], update[name], kind.attributes[name].change, drift=True)  # type: ignore[arg-type]
        for name in update
        if not any(c.name in kind.feeds[name] for c in ours)
    )
    if not (ours or update):
        if resource.lifecycle.prevent_destroy != record.protected:
            # Why: protection must be on record before its block can be deleted, or deleting it would lift it.
            said = "on" if resource.lifecycle.prevent_destroy else "off"
            return ResourceChange(
                action=Action.UPDATE, reasons=(f"prevent_destroy was turned {said}",), **common
            )
        if dependencies_of(resource) != record.dependencies:
            # Why: the order of destruction follows from the record, also when the block is gone.
            return ResourceChange(action=Action.UPDATE, reasons=(REWIRED,), **common)
        return ResourceChange(action=Action.NO_OP, **common)
    reasons = tuple(
        f"{c.name} changed in the stack"
        + ("" if c.name in fed or not _sends(c) else " (already so at the provider)")
        for c in ours
    ) + tuple(f"{c.name} was changed outside of flowplan" for c in drifted)
    return ResourceChange(
        action=Action.UPDATE,
        reasons=reasons,
        attributes=ours + drifted,
        update=update,
        resumes=current.get("status") != "paused",
        **common,
    )


def _sends(change: AttributeChange) -> bool:
    return change.change in (Change.IN_PLACE, Change.PAUSED)


def _of_completed(
    resource: Resource,
    record: Record,
    ours: tuple[AttributeChange, ...],
    replacing: list[AttributeChange],
    gone: bool,
    common: Mapping[str, Any],
) -> ResourceChange:
    """A task that ran to its end: run again only when its declaration says something else, or ``rerun: always``."""
    rerun = resource.lifecycle.rerun
    again = rerun == "always" or (rerun == "on_change" and bool(replacing))
    if not again and not ours and dependencies_of(resource) != record.dependencies:
        return ResourceChange(action=Action.UPDATE, reasons=(REWIRED,), **common)
    if not again:
        return ResourceChange(action=Action.NO_OP, **common)
    said = tuple(f"{c.name} changed, so the completed task runs again" for c in replacing) or (
        "lifecycle.rerun is always",
    )
    action = Action.CREATE if gone else Action.REPLACE
    return ResourceChange(action=action, reasons=said, attributes=ours, **common)


def removal(
    record: Record, gone: bool, declared: Resource | None, mode: Mode
) -> tuple[ResourceChange | None, list[Diagnostic]]:
    """What becomes of a recorded resource that is no longer desired."""
    kind = kind_of(record.kind)
    why = "everything is being destroyed" if mode is Mode.DESTROY else "it is not in the stack any more"
    common: dict[str, Any] = {
        "address": record.address,
        "id": record.id,
        "name": record.name,
        "before": record.config,
        "dependencies": record.dependencies,
    }
    if gone:
        return ResourceChange(action=Action.FORGET, reasons=(why, GONE), **common), []
    protected = declared.lifecycle.prevent_destroy if declared is not None else record.protected
    if protected:
        said = "" if declared is not None else " It was protected when it was last applied."
        problem = Diagnostic.error(
            f"{record.address} is protected from being destroyed",
            f"The plan would destroy it because {why}, but lifecycle.prevent_destroy is set.{said}",
            address=record.address,
            span=declared.span if declared else None,
            snippet=declared.snippet if declared else "",
            suggestion="Set prevent_destroy: false on it and apply that first.",
        )
        return ResourceChange(action=Action.DELETE, reasons=(why,), loses=kind.loses, **common), [problem]
    if record.kind is Kind.RESERVATION:
        price = record.attributes.get("price_total_usd")
        paid = f" (${price:,.2f})" if isinstance(price, (int, float)) else ""
        ends = record.attributes.get("end_time_utc") or "its end"
        note = Diagnostic.warning(
            f"{record.address} cannot be cancelled",
            f"The provider has no way to cancel a reservation. It is dropped from the state, stays paid for{paid} "
            f"and runs until {ends}.",
            address=record.address,
        )
        return ResourceChange(action=Action.FORGET, reasons=(why,), **common), [note]
    return ResourceChange(action=Action.DELETE, reasons=(why,), loses=kind.loses, **common), []
