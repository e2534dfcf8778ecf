"""Why a plan does what it does to a resource: the chain of causes from the action to where someone decided something.

That is a line of a file, the source of a variable, an event in the provider's history, or an option of the command
line. Undoing it makes the action vanish, and with it what the action leads to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from flowplan.plan.change import Action, ResourceChange
from flowplan.plan.decide import REWIRED
from flowplan.plan.links import Explanation, Link, Question, link_of, link_of_absence
from flowplan.plan.reason import Cause, Reason
from flowplan.plan.withheld import recorded_differences, why_not
from flowplan.resources import Change
from flowplan.values.address import Address
from flowplan.values.diagnostic import Span
from flowplan.values.value import unknowns

_RENEWS = (Action.CREATE, Action.REPLACE)
FOLLOWS = "follows"
"""The kind of a link for an attribute that changes only because other resources do."""
_TAKEN_OUT = (Cause.REMOVED, Cause.RETAINED, Cause.LET_GO)
_DEEPEST = 30
"""How many resources a chain is followed over."""


def explain(question: Question, address: Address, whole: bool = True) -> Explanation | None:
    """What is done to one resource and why; None where no such resource is declared or recorded.

    ``whole``: links to other resources hold those resources' own reasons; without, only their address.
    """
    return _explain(question, question.changes, address, whole)


def explain_all(question: Question) -> Iterator[tuple[Explanation, list[Address]]]:
    """The explanation of each resource that a plan is about, or that it leaves alone for a reason of its own.

    Each with the resources that something is done to because of it.
    """
    changes = question.changes
    led: dict[Address, list[Address]] = {}
    for change in changes.values():
        for address in dict.fromkeys(_behind(change)):
            if address != change.address:
                led.setdefault(address, []).append(change.address)
    everything = {**question.stack.resources, **question.snapshot.records, **changes}
    for address in sorted(everything, key=lambda one: one.sort_key):
        found = _explain(question, changes, address, whole=False)
        if found is not None and (found.why or [link for link in found.why_not if link.kind != "unchanged"]):
            yield found, led.get(address, [])


def leads_to(question: Question, address: Address) -> list[Address]:
    """The resources that something is done to because of what is done to this one."""
    return [
        change.address
        for change in question.plan.changes
        if change.address != address and address in set(_behind(change))
    ]


def _behind(change: ResourceChange) -> Iterator[Address]:
    """The other resources whose changes are behind a change."""
    for reason in change.reasons:
        if reason.address is not None:
            yield reason.address
    for attribute in change.attributes:
        for unknown in unknowns(attribute.after):
            yield from (reference.address for reference in unknown.references)


def _explain(
    question: Question, changes: dict[Address, ResourceChange], address: Address, whole: bool
) -> Explanation | None:
    change = changes.get(address)
    known = address in question.stack.resources or address in question.snapshot.records
    withheld = why_not(question, address, change)
    if change is None:
        return Explanation(address, Action.NO_OP, (), withheld) if known or withheld else None
    why = tuple(_why(question, changes, change, frozenset({address}) if whole else None))
    return Explanation(address, change.action, why, withheld)


def _why(
    question: Question,
    changes: dict[Address, ResourceChange],
    change: ResourceChange,
    seen: frozenset[Address] | None,
) -> Iterator[Link]:
    for reason in (*change.reasons, *_too(question, change)):
        follows = reason.cause in (Cause.CHANGED, Cause.RERUN) and _only_follows(question, change, reason)
        yield Link(
            FOLLOWS if follows else reason.cause.value,
            reason.words,
            reason.attribute,
            reason.address,
            reason.span or _span(question, change, reason),
            _line(question, change, reason),
            value=_values(change, reason),
            because=tuple(_because(question, changes, change, reason, seen)),
        )


def _too(question: Question, change: ResourceChange) -> Iterator[Reason]:
    """What would have the same done were it not for the reasons: it takes both to be undone for nothing to happen."""
    if any(reason.cause is Cause.GONE for reason in change.reasons) and change.action is Action.CREATE:
        for one in change.attributes:
            if one.change is Change.REPLACE:
                yield Reason(
                    Cause.CHANGED, f"{one.name} changed too, which would force replacement", None, one.name
                )
    told = {reason.attribute for reason in change.reasons if reason.cause is Cause.DRIFTED}
    drift = question.drift.get(change.address)
    if drift is not None and change.action is Action.UPDATE:
        for one in drift.attributes:
            if one.name in change.update and one.name not in told:
                yield Reason(Cause.DRIFTED, f"{one.name} was changed outside of flowplan too", None, one.name)
    record, rewired = change.record, str(REWIRED) in map(str, change.reasons)
    updates = change.action is Action.UPDATE and record is not None and not rewired
    if updates and record is not None and set(record.dependencies) != set(change.dependencies):
        yield REWIRED
    destroyed = any(reason.cause is Cause.DESTROYED for reason in change.reasons)
    if destroyed and change.address not in question.stack.resources:
        yield Reason(Cause.REMOVED, "it is not in the stack any more either")


def _values(change: ResourceChange, reason: Reason) -> Any:
    """What an attribute was and will be."""
    for one in change.attributes:
        if reason.attribute and one.name == reason.attribute:
            return {"before": one.before, "after": one.after}
    return None


def _only_follows(question: Question, change: ResourceChange, reason: Reason) -> bool:
    """Whether an attribute is as it was applied, but for what other resources will give to it."""
    if change.record is None or not any(True for _ in _others(change, reason)):
        return False
    resource = question.stack.resources.get(change.address)
    if resource is None:
        return False
    # Why what it takes: a mount repeats its volume's size, which alone would be recorded and nothing more.
    alone = {one.name: one.change for one in recorded_differences(question, resource, change.record)}
    return all(
        alone.get(one.name) is not one.change for one in change.attributes if one.name == reason.attribute
    )


def _span(question: Question, change: ResourceChange, reason: Reason) -> Span | None:
    resource = question.stack.resources.get(change.address)
    return resource.span_of((reason.attribute,))[0] if resource is not None and reason.attribute else None


def _line(question: Question, change: ResourceChange, reason: Reason) -> str:
    """The source line that a reason stands on, where it is an attribute's."""
    resource = question.stack.resources.get(change.address)
    if resource is None or reason.span is None or not reason.attribute:
        return ""
    span, snippet = resource.span_of((reason.attribute,))
    return snippet if span == reason.span else ""


def _because(
    question: Question,
    changes: dict[Address, ResourceChange],
    change: ResourceChange,
    reason: Reason,
    seen: frozenset[Address] | None,
) -> Iterator[Link]:
    resource = question.stack.resources.get(change.address)
    if reason.cause is Cause.NEW and resource is not None:
        yield Link("declared", "it is declared", span=resource.span, snippet=resource.snippet)
        if "for_each" in _written(question, change.address):
            yield from map(link_of, resource.origins_of(("for_each",)))
    elif reason.cause in _TAKEN_OUT:
        yield _taken_out(question, change)
    elif reason.cause in (Cause.CHANGED, Cause.RERUN) and resource is not None and reason.attribute:
        others = set(_others(change, reason))
        for origin in resource.origins_of((reason.attribute,)):
            if origin.address not in others or origin.value is not None:
                yield link_of(origin)
    elif reason.cause in (Cause.GONE, Cause.DRIFTED):
        yield from _history(question, change, reason)
    elif reason.cause is Cause.TRIGGERED and resource is not None:
        span, snippet = resource.span_of(("lifecycle", "replace_triggered_by"))
        yield Link("declared", "lifecycle.replace_triggered_by names it", span=span, snippet=snippet)
    for other in dict.fromkeys(_others(change, reason)):
        yield _other(question, changes, other, seen)


def _written(question: Question, address: Address) -> tuple[str, ...]:
    return ("for_each",) if address.key is not None else ()


def _others(change: ResourceChange, reason: Reason) -> Iterator[Address]:
    """The resources whose own changes are behind a reason."""
    if reason.address is not None:
        yield reason.address
    for attribute in change.attributes:
        if attribute.name == reason.attribute:
            for unknown in unknowns(attribute.after):
                yield from (reference.address for reference in unknown.references)


def _other(
    question: Question,
    changes: dict[Address, ResourceChange],
    address: Address,
    seen: frozenset[Address] | None,
) -> Link:
    change = changes.get(address)
    words = f"{address} is {_DONE[change.action]}" if change is not None else f"{address} has changed"
    link = Link("other", words, address=address)
    if change is None or seen is None or address in seen or len(seen) > _DEEPEST:
        return link
    return evolve(link, because=tuple(_why(question, changes, change, seen | {address})))


_DONE = {
    Action.NO_OP: "imported",
    Action.CREATE: "made",
    Action.UPDATE: "updated",
    Action.REPLACE: "replaced",
    Action.DELETE: "destroyed",
    Action.FORGET: "forgotten",
}


def _taken_out(question: Question, change: ResourceChange) -> Link:
    absence = question.stack.absence_of(change.address)
    if absence is not None:
        return link_of_absence(absence)
    files = dict.fromkeys(source.path for source in question.stack.sources)
    shown = ", ".join(list(files)[:3]) + (" …" if len(files) > 3 else "")
    return Link("not declared", f"no declaration of {change.address} is left in {shown or 'the stack'}")


def _history(question: Question, change: ResourceChange, reason: Reason) -> Iterator[Link]:
    """What the provider's history says of a drift."""
    drift = question.drift.get(change.address)
    if drift is None:
        return
    if drift.by:
        yield Link("event", f"done by {drift.by}, as the provider's history says", reason.attribute)
    elif question.observation is not None and question.observation.events.get(change.id):
        yield Link("event", "the provider's history does not say by whom", reason.attribute)
