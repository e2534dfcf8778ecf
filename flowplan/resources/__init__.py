"""The kinds a stack can hold, each declared once: attributes, what a change takes, and the way to the wire."""

from __future__ import annotations

from functools import cache

from flowplan.resources.attribute import Attribute, Change, Loss, ResourceKind, Settings, lost
from flowplan.values.address import Kind

__all__ = ["Attribute", "Change", "Loss", "ResourceKind", "Settings", "kind_of", "lost"]


@cache
def kind_of(kind: Kind) -> ResourceKind:
    """The declaration of a kind."""
    if kind is Kind.VOLUME:
        from flowplan.resources.volume import VOLUME

        return VOLUME
    if kind is Kind.RESERVATION:
        from flowplan.resources.reservation import RESERVATION

        return RESERVATION
    from flowplan.resources.task import TASK

    return TASK
