"""Capacity bought ahead: what is asked for and what a provider tells of it (spec/models.md, 1.9)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import field

from flowplan.models.enums import ReservationStatus
from flowplan.models.instance_types import canonical
from flowplan.models.model import Model, fact, put
from flowplan.values.classes import define

NAME_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9._-]*"
"""What tasks and reservations may be called."""
NAME_SHAPE = "letters, digits, dots, underscores and hyphens, beginning with a letter or digit"


@define(kw_only=True)
class ReservationSpec(Model):
    """A reservation to buy: so many instances of a type in a region, for so many hours from a start."""

    name: str | None = field(
        default=None, metadata=fact("Name for display.", pattern=NAME_PATTERN, shape=NAME_SHAPE)
    )
    project_id: str | None = field(default=None, metadata=fact("Project of the provider."))
    instance_type: str = field(metadata=fact("Type of instance, such as a100 or 8xh100."))
    region: str = field(metadata=fact("Region of the capacity."))
    quantity: int = field(default=1, metadata=fact("Number of instances.", minimum=1, maximum=100))
    start_time_utc: datetime = field(metadata=fact("When it starts; a time without an offset is UTC."))
    duration_hours: int = field(metadata=fact("How long it lasts, in hours.", minimum=3, maximum=336))
    ssh_keys: list[str] = field(factory=list, metadata=fact("Ids of the SSH keys to authorise."))
    volumes: list[str] = field(factory=list, metadata=fact("Ids of the volumes to attach."))
    startup_script: str | None = field(default=None, metadata=fact("Script run when an instance boots."))

    def _derive(self, bad: frozenset[str]) -> None:
        if "instance_type" not in bad:
            put(self, "instance_type", canonical(self.instance_type))


@define(kw_only=True)
class Reservation(Model):
    """A reservation as a provider tells of it."""

    reservation_id: str = field(metadata=fact("Id of the reservation."))
    name: str | None = field(default=None, metadata=fact("Name for display."))
    status: ReservationStatus = field(metadata=fact("Where in its life it is."))
    instance_type: str = field(metadata=fact("Type of instance."))
    region: str = field(metadata=fact("Region of the capacity."))
    quantity: int = field(metadata=fact("Number of instances.", minimum=1))
    start_time_utc: datetime = field(metadata=fact("When it starts, in UTC."))
    end_time_utc: datetime | None = field(default=None, metadata=fact("When it ends, in UTC."))
    price_total_usd: float | None = field(
        default=None, metadata=fact("Quoted or actual price of the whole, in US dollars.", minimum=0)
    )
    provider_metadata: dict[str, Any] = field(factory=dict, metadata=fact("What else the provider tells."))
