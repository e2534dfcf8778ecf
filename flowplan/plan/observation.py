"""What a refresh saw, as values: the third input of planning, beside the stack and its recorded state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import field

from flowplan.values.address import Kind
from flowplan.values.classes import frozen


@frozen
class Observed:
    """A live (or ended) object as the provider lists it.

    ``attributes`` are named and typed as the kind declares them (never wire names); sensitive texts are not
    among them. ``exists`` is False for an object that is listed but has ended (terminated, deleted, expired).
    ``created_at`` is the provider's own time.
    """

    kind: Kind
    id: str
    name: str
    exists: bool
    attributes: Mapping[str, Any]
    created_at: datetime | None = None


@frozen
class Offer:
    """What the market says of an instance type in a region; ``price_cents`` per instance-hour, None if unknown."""

    instance_type: str
    region: str
    type_id: str
    available: int | None = None
    price_cents: int | None = None
    gpus: int = 0
    gpu_memory_gb: int = 0


@frozen
class Quota:
    """How much of something a project may have and has: storage, or instances or reserved hours of a type.

    ``product`` is Storage, Spot or Reservations (free text of the provider's), ``instance_type`` its own id of the type.
    """

    name: str
    product: str
    total: int
    used: int
    units: str
    instance_type: str = ""


@frozen
class Quote:
    """What a reservation was quoted to cost: in all, and per instance and hour, in US dollars."""

    total_usd: float
    unit_usd: float


@frozen
class HistoryEvent:
    """Something the provider remembers of an object: when, what (in its words), and who; "" where nobody did it."""

    at: str
    what: str
    by: str = ""


@frozen
class Observation:
    """All that one refresh saw: objects by kind and id, and the market. A value; planning reads nothing else.

    ``kinds`` are the kinds that were listed: an id of such a kind that is not among ``objects`` is gone.
    ``at`` is when it was asked for, by the provider's clock: what was made just before may be missing from lists yet.
    ``completions`` are the completion records that were read, by task id (``exit_code``, ``ended_at``).
    ``quotas`` are asked for where a plan may make something, ``quotes`` (by `Wanted.key`) for new reservations.
    ``events`` are the histories that were asked for, by id, oldest first.
    """

    project: str
    # Why: asyncio formats a finished task's result when it restores signal handlers; this one is large.
    objects: Mapping[tuple[Kind, str], Observed] = field(factory=dict, repr=False)
    offers: Sequence[Offer] = ()
    kinds: frozenset[Kind] = frozenset()
    completions: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    at: datetime | None = None
    events: Mapping[str, Sequence[HistoryEvent]] = field(factory=dict)
    quotas: Sequence[Quota] = ()
    quotes: Mapping[str, Quote] = field(factory=dict)

    def find(self, kind: Kind, id: str) -> Observed | None:
        """The object with this id, or None if the listing did not hold it."""
        return self.objects.get((kind, id))
