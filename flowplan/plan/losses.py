"""What a plan would lose for good, and whether the user has allowed it: data, and money already committed."""

from __future__ import annotations

from collections.abc import Sequence

from flowplan.lang.stack import Stack
from flowplan.plan.change import Action, Mode, PlanOptions, ResourceChange
from flowplan.plan.patterns import compile_pattern, matcher, unreadable
from flowplan.resources import Loss
from flowplan.values.address import Address
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic

_ENDS = (Action.DELETE, Action.REPLACE, Action.FORGET, Action.UPDATE)


@frozen
class Losses:
    """``refused``: the addresses whose loss nobody has allowed; ``diagnostics`` say so, one for each."""

    refused: tuple[Address, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def check_losses(stack: Stack, changes: Sequence[ResourceChange], options: PlanOptions) -> Losses:
    """A refusal for each change that would destroy data or give up committed money without being allowed to.

    Who types ``destroy`` has asked for exactly that; such a plan is marked and not refused.
    """
    problems = []
    for option, patterns in (
        ("--allow-data-loss", options.allow_data_loss),
        ("--allow-commitment-loss", options.allow_commitment_loss),
    ):
        for pattern in patterns:
            try:
                compile_pattern(pattern)
            except ValueError as error:
                problems.append(unreadable(option, pattern, error))
    if problems or options.mode is Mode.DESTROY:
        return Losses((), tuple(problems))
    data, money = matcher(options.allow_data_loss), matcher(options.allow_commitment_loss)
    refused = []
    for change in changes:
        if change.action not in _ENDS or change.deposed or _is_protected(change, stack):
            continue  # what is protected is refused already
        if Loss.DATA in change.losses and not data(change.address):
            refused.append(change.address)
            problems.append(_data_loss(change, stack))
        elif Loss.MONEY in change.losses and not money(change.address):
            refused.append(change.address)
            problems.append(_commitment_loss(change, stack))
    return Losses(tuple(refused), tuple(problems))


def _is_protected(change: ResourceChange, stack: Stack) -> bool:
    resource = stack.resources.get(change.address)
    wanted = resource is not None and resource.lifecycle.prevent_destroy
    return wanted or (change.record is not None and change.record.protected)


def _data_loss(change: ResourceChange, stack: Stack) -> Diagnostic:
    size = (change.before or {}).get("size_gb")
    how = "destroyed and made anew, empty" if change.action is Action.REPLACE else "destroyed"
    why = "; ".join(reason.words for reason in change.reasons)
    return _refusal(
        change,
        stack,
        f"DATA LOSS: {change.address} would be {how}",
        f"All data on {change.id} ({size} GB) would be gone for good, because {why}.",
        f"If that is meant, add --allow-data-loss '{change.address}'.",
    )


def _commitment_loss(change: ResourceChange, stack: Stack) -> Diagnostic:
    amount = (
        f"${change.committed_usd:,.2f}"
        if change.committed_usd is not None
        else "an amount that is not on record"
    )
    if change.action is Action.FORGET:
        what = "It cannot be cancelled: it is dropped from the state and runs on, paid for, without anyone to use it"
        instead = ", or keep it with its block in the stack until it ends"
    else:
        what = "Capacity that is given back cannot be had again under this reservation"
        instead = ""
    return _refusal(
        change,
        stack,
        f"COMMITTED: {change.address} would give up {amount} already paid",
        f"{what}.",
        f"If that is meant, add --allow-commitment-loss '{change.address}'{instead}.",
    )


def _refusal(change: ResourceChange, stack: Stack, summary: str, detail: str, suggestion: str) -> Diagnostic:
    resource = stack.resources.get(change.address)
    return Diagnostic.error(
        summary,
        detail,
        address=change.address,
        span=resource.span if resource else None,
        snippet=resource.snippet if resource else "",
        suggestion=suggestion,
    )
