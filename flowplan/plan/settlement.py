"""The money that a change of a reservation is about, put into the change."""

from __future__ import annotations

from datetime import datetime

from attrs import evolve

from flowplan.plan.change import Action, ResourceChange
from flowplan.plan.money import extension, returned
from flowplan.resources import Loss
from flowplan.values.address import Kind


def with_money(change: ResourceChange, at: datetime | None) -> ResourceChange:
    """The change, with what it gives up of money paid, and what it will cost, where either can be said."""
    record = change.record
    if change.kind is not Kind.RESERVATION or record is None or change.action is not Action.UPDATE:
        return change
    if "quantity" in change.update:
        amount = returned(record, change.update["quantity"], at)
        return evolve(change, losses=(Loss.MONEY,), committed_usd=amount)
    if "end_time_utc" in change.update:
        return evolve(change, costs_usd=extension(record, change.update["end_time_utc"]))
    return change
