"""Why a plan does not do what one might expect of it: ignored, targeted out, protected, completed, waiting, the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowplan.lang.stack import Resource
from flowplan.plan.change import Action, AttributeChange, Mode, ResourceChange
from flowplan.plan.diff import config_changes
from flowplan.plan.ignoring import keep_ignored
from flowplan.plan.links import Link, Question, link_of_absence
from flowplan.plan.patterns import matcher
from flowplan.resources import kind_of
from flowplan.state.snapshot import Record
from flowplan.values.address import Address, Kind
from flowplan.values.value import NotYetKnown, Reference, resolve

_DESTROYS = (Action.DELETE, Action.REPLACE)
_WAITING = {
    "preempting": "it is being outbid or moved, and comes back by itself when the price allows",
    "pending": "its bid waits in the auction, or for its instances",
}
"""What the provider does by itself with a task, by status: nothing that a plan would undo."""


def why_not(question: Question, address: Address, change: ResourceChange | None) -> tuple[Link, ...]:
    """The links that say why nothing (more) is done to a resource; empty for what does not exist at all."""
    return tuple(_why_not(question, address, change))


def _why_not(question: Question, address: Address, change: ResourceChange | None) -> Iterator[Link]:
    plan = question.plan
    move = question.moves.get(address)
    record = question.snapshot.records.get(move.origin if move is not None else address)
    if move is not None:
        yield Link("moved", f"what was recorded as {move.origin} is this", span=move.span)
    resource = question.stack.resources.get(address)
    if address in question.skipped:
        yield _skipped(question, address)
        return
    refusals = question.told.get(address, ())
    protected = (record is not None and record.protected) or (
        resource is not None and resource.lifecycle.prevent_destroy
    )
    if change is not None and change.action in _DESTROYS and protected:
        yield _protected(resource)
    for one in refusals:
        yield Link("refused" if one.is_error else "note", one.summary, span=one.span, snippet=one.snippet)
    if change is None and resource is None:
        if record is None and (absence := question.stack.absence_of(address)) is not None:
            yield link_of_absence(absence)
        return
    if resource is None:
        return
    if plan.mode is not Mode.NORMAL:
        if change is None:
            what = "it is not on record" if record is None else "nothing about it has changed"
            yield Link("unchanged", f"this plan is about what is recorded ({plan.mode.value}), and {what}")
        return
    told = False
    if record is not None:
        for link in _of_record(question, resource, record, change):
            told = True
            yield link
    if change is None and not told and not refusals:
        looked = "" if plan.refreshed else "; the provider was not asked"
        yield Link(
            "unchanged", f"the stack and what was last applied are the same, and nothing has drifted{looked}"
        )


def _skipped(question: Question, address: Address) -> Link:
    options = question.options
    if options.excludes:
        named = [pattern for pattern in options.excludes if matcher([pattern])(address)]
        if named:
            return Link("targeted out", f"--exclude {named[0]} names it")
        if not options.targets or matcher(options.targets)(address):
            return Link("targeted out", f"--exclude {', '.join(options.excludes)} names what it is bound to")
    return Link(
        "targeted out",
        f"--target {', '.join(options.targets)} does not name it, nor anything that needs it",
    )


def _protected(resource: Resource | None) -> Link:
    if resource is None or not resource.lifecycle.prevent_destroy:
        return Link("protected", "prevent_destroy is on record: it was set when it was last applied")
    span, snippet = resource.span_of(("lifecycle", "prevent_destroy"))
    return Link("protected", "lifecycle.prevent_destroy is set", span=span, snippet=snippet)


def _of_record(
    question: Question, resource: Resource, record: Record, change: ResourceChange | None
) -> Iterator[Link]:
    completion = _completion(question, record)
    done = {attribute.name for attribute in change.attributes} if change is not None else set()
    left = [c for c in recorded_differences(question, resource, record) if c.name not in done]
    for one in left:
        yield _left(resource, record, one, completion)
    if change is not None and change.action is not Action.UPDATE:
        return
    if completion is not None:
        yield _completed(resource, completion)
    elif change is None and (over := _over(question, resource, record)) is not None:
        yield over
    yield from _drift_left(question, resource, change, {one.name for one in left})
    seen = question.observation.find(record.kind, record.id) if question.observation else None
    status = str(seen.attributes.get("status")) if seen is not None and seen.exists else ""
    if completion is None and record.kind is Kind.TASK and status in _WAITING:
        yield Link("waiting", f"it is {status}: {_WAITING[status]}; that is no drift")


def _completion(question: Question, record: Record) -> Mapping[str, Any] | None:
    if question.observation is not None and record.id in question.observation.completions:
        return question.observation.completions[record.id]
    found = record.attributes.get("completion")
    return found if isinstance(found, Mapping) else None


def recorded_differences(question: Question, resource: Resource, record: Record) -> Iterator[AttributeChange]:
    """What differs between the record and the stack, before anything is ignored, were all others to stay as they are."""
    records = question.snapshot.records

    def lookup(reference: Reference) -> Any:
        other = records.get(reference.address)
        if other is None:
            raise NotYetKnown(str(reference))
        name = reference.attribute or kind_of(other.kind).id_attribute
        if name == kind_of(other.kind).id_attribute:
            return other.id
        if other.attributes.get(name) is None:
            raise NotYetKnown(str(reference))
        return other.attributes[name]

    config = resolve(dict(resource.config), lookup)
    return config_changes(kind_of(record.kind), record.config, config, question.snapshot.key)


def _left(
    resource: Resource, record: Record, one: AttributeChange, completion: Mapping[str, Any] | None
) -> Link:
    """Why a difference is left as it is."""
    value = {"recorded": one.before, "wanted": one.after}
    ignored = resource.lifecycle.ignore_changes
    if ignored:
        kept = keep_ignored(ignored, {one.name: record.config.get(one.name)}, {one.name: one.after})
        if kept[one.name] == record.config.get(one.name):
            span, snippet = resource.span_of(("lifecycle", "ignore_changes"))
            words = f"{one.name} differs from what was applied, and lifecycle.ignore_changes has flowplan look away"
            return Link("ignored", words, one.name, span=span, snippet=snippet, value=value)
    span, snippet = resource.span_of((one.name,))
    if completion is not None:
        words = f"{one.name} differs from what it ran with, but it has completed and lifecycle.rerun is {resource.lifecycle.rerun}"
    else:
        words = f"{one.name} differs from what was applied, and nothing is done about it"
    return Link("kept", words, one.name, span=span, snippet=snippet, value=value)


def _completed(resource: Resource, completion: Mapping[str, Any]) -> Link:
    code = completion.get("exit_code")
    how = "was cancelled" if code is None else f"ran to its end with exit code {code}"
    rerun = resource.lifecycle.rerun
    when = {"never": "never runs again", "always": "runs again with each apply"}.get(
        rerun, "runs again when it is changed"
    )
    span, snippet = resource.span_of(("lifecycle", "rerun"))
    return Link(
        "completed",
        f"it {how}; it is done, and {when} (lifecycle.rerun is {rerun})",
        span=span,
        snippet=snippet,
    )


def _over(question: Question, resource: Resource, record: Record) -> Link | None:
    """Why an object that has ended is not made again."""
    if question.observation is None or record.kind not in question.observation.kinds:
        return None
    seen = question.observation.find(record.kind, record.id)
    if seen is not None and seen.exists:
        return None
    if record.kind is Kind.RESERVATION:
        return Link("over", f"{record.id} has come to its end, which is what it was bought for")
    if record.kind is Kind.TASK and resource.lifecycle.on_lost != "recreate":
        span, snippet = resource.span_of(("lifecycle", "on_lost"))
        words = f"{record.id} no longer exists, and lifecycle.on_lost is {resource.lifecycle.on_lost}"
        return Link("kept", words, span=span, snippet=snippet)
    return None


def _drift_left(
    question: Question, resource: Resource, change: ResourceChange | None, ignored: set[str]
) -> Iterator[Link]:
    """What another hand has changed and the plan does not undo."""
    kind = kind_of(resource.kind)
    undone = set(change.update) if change is not None else set()
    drift = question.drift.get(resource.address)
    if drift is not None and not drift.gone:
        by = f" by {drift.by}" if drift.by else ""
        for one in drift.attributes:
            if one.name in undone:
                continue
            value = {"recorded": one.before, "now": one.after}
            words = f"{one.name} was changed outside of flowplan{by}"
            paths = resource.lifecycle.ignore_changes
            if one.name == "status":
                words += ": it is paused, and a task that another hand has paused is not resumed"
            elif "*" in paths or any(
                source in paths or source in ignored for source in kind.feeds.get(one.name, ())
            ):
                words += ", and lifecycle.ignore_changes has flowplan look away"
            else:
                words += ", to what the stack says"
            yield Link("drift left", words, one.name, value=value)
