"""The decision for one resource that is wanted: the least and safest action, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from flowplan.lang.stack import Resource
from flowplan.plan.change import Action, AttributeChange, ResourceChange
from flowplan.plan.diff import config_changes, same, update_targets
from flowplan.plan.ignoring import ignored_wholly
from flowplan.plan.reason import Cause, Reason
from flowplan.resources import Change, ResourceKind, kind_of
from flowplan.state.snapshot import Record
from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.value import Reference, unknowns

NOT_RECORDED = Reason(Cause.NEW, "it is not in the state yet")
GONE = Reason(Cause.GONE, "it no longer exists at the provider")
_INTERRUPTED = "what its running command holds in memory: it is paused, and the command starts again"
"""What a pause takes from a task that runs."""
REWIRED = Reason(Cause.RECORDED, "what it depends on changed; only the record is changed")


def dependencies_of(resource: Resource, triggers: Mapping[str, Reference]) -> tuple[Address, ...]:
    """The direct dependencies to be recorded with a resource, sorted."""
    if not (resource.references or resource.depends_on or triggers):
        return ()
    found = {reference.address for reference in resource.references}
    found.update(dependency.address for dependency in resource.depends_on)
    found.update(reference.address for reference in triggers.values())
    found.discard(resource.address)
    return tuple(sorted(found))


@frozen
class Sight:
    """What is known of a recorded resource: the provider's attributes now, and how far it has come.

    ``observed`` is None where nothing was looked at; ``gone``: the recorded object has ended.
    """

    observed: Mapping[str, Any] | None = None
    gone: bool = False
    completion: Mapping[str, Any] | None = None


def decide(
    resource: Resource,
    config: Mapping[str, Any],
    record: Record | None,
    sight: Sight,
    targets: Mapping[str, Any],
    key: bytes,
    triggers: Mapping[str, Reference],
    demands: Sequence[Reason] = (),
) -> ResourceChange:
    """What is to be done so that ``resource`` is as declared, its configuration being ``config`` as far as it is known.

    ``demands`` are reasons to replace it that lie outside its own configuration. A task with a completion record
    is satisfied, not missing, unless its declaration changed (``lifecycle.rerun``).
    """
    kind = kind_of(resource.kind)
    dependencies = dependencies_of(resource, triggers)
    common: dict[str, Any] = {
        "address": resource.address,
        "after": config,
        "targets": targets,
        "dependencies": dependencies,
        "protected": resource.lifecycle.prevent_destroy,
        "retained": resource.lifecycle.on_remove == "retain",
        "triggers": triggers,
    }
    if record is None:
        return ResourceChange(action=Action.CREATE, reasons=(NOT_RECORDED,), **common)
    common |= {"id": record.id, "name": record.name, "before": record.config, "record": record}
    ours = tuple(config_changes(kind, record.config, config, key))
    replacing = [c for c in ours if c.change is Change.REPLACE]
    recorded_only = _recorded_only(resource, record, dependencies, triggers)
    if record.kind is Kind.TASK and sight.completion is not None:
        again = _again(resource, ours, replacing, demands)
        if not again and not sight.gone and any(c.change.sends for c in ours):
            # Why: its bid lives on and costs, so what a request can change is changed; the rest stays for rerun.
            ours = tuple(c for c in ours if c.change.sends)
            sent = {c.name: resource.config[c.name] for c in ours}
            resource = evolve(resource, config={**record.config, **sent}, unknown=None)
            common["after"], replacing, demands = resource.config, [], ()
            targets = {n: v for n, v in targets.items() if n not in kind.feeds or {*kind.feeds[n]} & {*sent}}
        elif not again:
            action = Action.UPDATE if recorded_only else Action.NO_OP
            if ours:
                # Why: what it ran with stays on record, so that rerun, set otherwise later, still sees the change.
                common["after"] = record.config
            return ResourceChange(action=action, reasons=recorded_only, **common)
        else:
            action = Action.CREATE if sight.gone else Action.REPLACE
            return ResourceChange(
                action=action, reasons=again, attributes=ours, **_lost(kind, action), **common
            )
    if sight.gone:
        # Why: an ended reservation has done what it was bought for; it is over, not lost. Where on_lost is
        # fail, the planner says so.
        over = record.kind is Kind.RESERVATION
        kept = record.kind is Kind.TASK and resource.lifecycle.on_lost != "recreate" and not demands
        if over or kept:
            return ResourceChange(action=Action.NO_OP, **common)
        return ResourceChange(action=Action.CREATE, reasons=(GONE, *demands), attributes=ours, **common)
    if (replacing or demands) and record.kind is not Kind.RESERVATION:
        said = tuple(_said(resource, c, f"{c.name} changed, which forces replacement") for c in replacing)
        return ResourceChange(
            action=Action.REPLACE,
            reasons=(*said, *demands),
            attributes=ours,
            **_lost(kind, Action.REPLACE),
            **common,
        )
    current = sight.observed if sight.observed is not None else record.attributes
    update = _without_ignored(kind, update_targets(kind, current, targets), resource)
    drifted = tuple(
        AttributeChange(
            name,
            current[name],
            update[name],
            kind.attributes[name].change_for(current[name], update[name]),
            drift=True,
        )
        for name in update
        if not any(c.name in kind.feeds[name] for c in ours)
    )
    if not (ours or update):
        action = Action.UPDATE if recorded_only else Action.NO_OP
        return ResourceChange(action=action, reasons=recorded_only, **common)
    runs = kind.kind is Kind.TASK and current.get("status") == "running"
    if runs and any(kind.attributes[name].change is Change.PAUSED for name in update):
        common["loses"] = _INTERRUPTED
    fed = {source for name in update for source in kind.feeds[name]}
    reasons = tuple(
        _said(
            resource,
            c,
            f"{c.name} changed in the stack"
            + ("" if c.name in fed or not c.change.sends else " (already so at the provider)"),
        )
        for c in ours
    ) + tuple(
        Reason(Cause.DRIFTED, f"{c.name} was changed outside of flowplan", attribute=c.name) for c in drifted
    )
    return ResourceChange(
        action=Action.UPDATE,
        reasons=reasons + tuple(r for r in recorded_only if r is not REWIRED),
        attributes=ours + drifted,
        update=update,
        found={
            name: current[name]
            for name in kind.feeds
            if name in targets
            and name in record.attributes
            and name in current
            and record.attributes[name] != current[name]
            and same(current[name], targets[name], kind.attributes[name])
        },
        resumes=current.get("status") != "paused",
        **common,
    )


def _lost(kind: ResourceKind, action: Action) -> dict[str, Any]:
    """What a replacement gives up; a creation gives up nothing."""
    return {"loses": kind.loses, "losses": kind.losses} if action is Action.REPLACE else {}


def _said(resource: Resource, change: AttributeChange, words: str) -> Reason:
    """The reason of a changed attribute: where the stack says it, or whose replacement makes it unknown."""
    waits = sorted({r.address for u in unknowns(change.after) for r in u.references})
    span, _ = resource.span_of((change.name,))
    return Reason(Cause.CHANGED, words, waits[0] if waits else None, change.name, span or resource.span)


def _without_ignored(kind: ResourceKind, update: dict[str, Any], resource: Resource) -> dict[str, Any]:
    ignored = ignored_wholly(resource.lifecycle.ignore_changes) if resource.lifecycle.ignore_changes else ()
    if not ignored:
        return update
    if "*" in ignored:
        return {}
    return {n: v for n, v in update.items() if not any(source in ignored for source in kind.feeds[n])}


def _recorded_only(
    resource: Resource, record: Record, dependencies: tuple[Address, ...], triggers: Mapping[str, Reference]
) -> tuple[Reason, ...]:
    """What is to be put on record although nothing changes at the provider.

    Protection and retention must be on record before their block can be deleted, or deleting it would lift them;
    the order of destruction follows from the recorded dependencies, also when the block is gone.
    """
    found = []
    if resource.lifecycle.prevent_destroy != record.protected:
        said = "on" if resource.lifecycle.prevent_destroy else "off"
        found.append(Reason(Cause.RECORDED, f"prevent_destroy was turned {said}", span=resource.span))
    if (resource.lifecycle.on_remove == "retain") != record.retained:
        found.append(
            Reason(Cause.RECORDED, f"on_remove is now {resource.lifecycle.on_remove}", span=resource.span)
        )
    if set(triggers) != set(record.triggers):
        found.append(Reason(Cause.RECORDED, "replace_triggered_by changed", span=resource.span))
    if dependencies != record.dependencies:
        found.append(REWIRED)
    return tuple(found)


def _again(
    resource: Resource,
    ours: tuple[AttributeChange, ...],
    replacing: list[AttributeChange],
    demands: Sequence[Reason],
) -> tuple[Reason, ...]:
    """Why a task that ran to its end runs again; empty where it does not."""
    rerun = resource.lifecycle.rerun
    asked = tuple(reason for reason in demands if reason.cause is Cause.ASKED)
    if rerun == "never":
        return asked
    said = tuple(
        Reason(
            Cause.RERUN,
            f"{c.name} changed, so the completed task runs again",
            attribute=c.name,
            span=resource.span_of((c.name,))[0] or resource.span,
        )
        for c in replacing
    )
    if said or demands:
        return (*said, *demands)
    if rerun == "always":
        return (Reason(Cause.RERUN, "lifecycle.rerun is always", span=resource.span),)
    return ()
