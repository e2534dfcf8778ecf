"""The money that a change of a reservation is about, put into the change."""

from __future__ import annotations

from attrs import evolve

from flowplan.plan.change import Action, ResourceChange
from flowplan.plan.estimates import quote_for
from flowplan.plan.money import extension, returned
from flowplan.plan.observation import Observation
from flowplan.resources import Loss
from flowplan.values.address import Kind


def with_money(change: ResourceChange, observation: Observation | None) -> ResourceChange:
    """The change, with what it gives up of money paid, and what it will cost, where either can be said.

    A new reservation is bought at no more than what was quoted for it.
    """
    record, at = change.record, observation.at if observation else None
    if change.kind is Kind.RESERVATION and change.action is Action.CREATE:
        quote = quote_for(change.targets, observation)
        if quote is None:
            return change
        targets = {**change.targets, "max_unit_price_usd": quote.unit_usd}
        return evolve(change, costs_usd=quote.total_usd, targets=targets)
    if change.kind is not Kind.RESERVATION or record is None or change.action is not Action.UPDATE:
        return change
    if "quantity" in change.update:
        amount = returned(record, change.update["quantity"], at)
        change = evolve(change, losses=(Loss.MONEY,), committed_usd=amount)
    if "end_time_utc" in change.update:
        quantity = change.update.get("quantity")
        change = evolve(change, costs_usd=extension(record, change.update["end_time_utc"], quantity))
    return change
