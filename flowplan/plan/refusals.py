"""The words for what a plan cannot do with one resource, each with what would be right."""

from __future__ import annotations

from flowplan.lang.stack import Resource, Stack
from flowplan.plan.change import ResourceChange
from flowplan.plan.removing import protection
from flowplan.state.snapshot import Record
from flowplan.values.diagnostic import Diagnostic, did_you_mean

NOT_BEGUN = frozenset({"scheduled", "pending"})
"""The states of a reservation that has no instances yet."""


def not_begun(resource: Resource) -> Diagnostic:
    """A reservation gives back instances, and has none before it begins."""
    span, snippet = resource.span_of(("quantity",))
    return Diagnostic.error(
        f"{resource.address} has not begun, so it has nothing to give back yet",
        "Capacity is given back by its instances, and they come when it begins.",
        span=span or resource.span,
        snippet=snippet or resource.snippet,
        address=resource.address,
        suggestion="Set quantity back until it has begun.",
    )


def lost(record: Record, resource: Resource) -> Diagnostic:
    """A task whose ``on_lost`` is fail was lost."""
    return Diagnostic.error(
        f"{resource.address} was lost",
        f"{record.id} no longer exists at the provider, it did not complete, and its lifecycle.on_lost is fail.",
        span=resource.span,
        snippet=resource.snippet,
        address=resource.address,
        suggestion="Set on_lost: recreate to have it made again, or take the task out of the stack.",
    )


def failed(resource: Resource, code: int) -> Diagnostic:
    """A warning that a task ran to its end without success, and is left so."""
    return Diagnostic.warning(
        f"{resource.address} has failed with exit code {code}",
        "It ran to its end, so it is not run again by itself.",
        span=resource.span,
        snippet=resource.snippet,
        address=resource.address,
        suggestion=f"See flowplan logs '{resource.address}'. It runs again when it is changed, or with "
        f"--replace '{resource.address}'.",
    )


def placed(resource: Resource, why: str) -> Diagnostic:
    """No instance type fits what a task asks for."""
    span, snippet = resource.span_of(("min_gpu_memory_gb",))
    return Diagnostic.error(
        f"{resource.address} cannot be placed",
        why[0].upper() + why[1:] + ".",
        span=span,
        snippet=snippet,
        address=resource.address,
        suggestion="Ask for less memory or a higher price, or name an instance_type.",
    )


def refusal(resource: Resource, name: str, loses: str, why: str = "") -> Diagnostic:
    """An attribute that cannot change (or, with ``why``, a resource that cannot be replaced) for what it would cost."""
    span, snippet = resource.span_of((name,)) if name else (None, "")
    word = resource.kind.value
    if name:
        summary, cannot = f"{resource.address}: {name} cannot be changed", f"cannot change {name} of"
        advice = f"Set {name} back, or declare another {word} under a new name."
    else:
        summary, cannot = f"{resource.address} cannot be replaced", "cannot take back"
        advice = f"Take that off it, or declare another {word} under a new name."
    because = f" It was asked for because {why}." if why else ""
    return Diagnostic.error(
        summary,
        f"The provider {cannot} a {word} that exists, and making a new one would "
        f"give up {loses or 'what it holds'}.{because}",
        span=span or resource.span,
        snippet=snippet or resource.snippet,
        address=resource.address,
        suggestion=advice,
    )


def protected(record: Record, resource: Resource, change: ResourceChange) -> Diagnostic | None:
    """The refusal to replace what is protected; None for what is not."""
    words = "; ".join(reason.words for reason in change.reasons)
    return protection(record, resource, f"to replace it, because {words}")


def unnamed(resource: Resource, text: str, stack: Stack) -> Diagnostic:
    """An entry of ``replace_triggered_by`` names nothing in the stack."""
    span, snippet = resource.span_of(("lifecycle", "replace_triggered_by"))
    return Diagnostic.error(
        f"{resource.address}: replace_triggered_by {text} names nothing in the stack",
        span=span or resource.span,
        snippet=snippet or resource.snippet,
        address=resource.address,
        suggestion=did_you_mean(text, map(str, stack.resources))
        or "Name a resource, or an attribute of one.",
    )
