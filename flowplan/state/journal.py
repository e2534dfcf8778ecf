"""The journal: the durable record of mutating intents (apply-protocol.md).

An entry is begun before its first request is sent and ended in the same transaction that records its
result. One transition function serves writing and replaying.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from attrs import field

from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen


class Operation(Enum):
    """A mutating intent on one resource."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Status(Enum):
    """Where an entry stands."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"


class IllegalTransition(Exception):
    """An entry was asked to go where its status does not lead."""


@frozen
class Entry:
    """One intent. ``number`` orders entries (never a clock); 0 before the store has given one.

    ``name``, ``region``, ``seen`` (the ids that bore the name before) and ``digest`` (of the startup script that
    was sent) recognise a creation; ``id`` is the provider id an
    update or delete is about. ``config`` is the sealed configuration that will be recorded if it is done.
    ``changes`` are the attributes an update sends, so that an interrupted one can be finished. ``deposes``: the
    creation replaces what is recorded under its address, which stays on record until it is destroyed.
    """

    operation: Operation
    address: Address
    run: str
    begun_at: datetime
    number: int = 0
    status: Status = Status.BEGUN
    id: str = ""
    name: str = ""
    region: str = ""
    seen: tuple[str, ...] = ()
    digest: str = ""
    config: Mapping[str, Any] = field(factory=dict)
    changes: Mapping[str, Any] = field(factory=dict)
    dependencies: tuple[Address, ...] = ()
    protected: bool = False
    retained: bool = False
    deposes: bool = False
    triggers: Mapping[str, Any] = field(factory=dict)

    @property
    def kind(self) -> Kind:
        """The kind, from the address."""
        return self.address.kind


_NEXT = {Status.BEGUN: {Status.DONE, Status.FAILED}, Status.DONE: set(), Status.FAILED: set()}


def advance(status: Status, to: Status) -> Status:
    """The status after a step, when writing as when replaying.

    Raises:
        IllegalTransition: an ended entry cannot change, and none begins twice.
    """
    if to not in _NEXT[status]:
        raise IllegalTransition(f"an operation that is {status.value} cannot become {to.value}")
    return to


@frozen
class Timing:
    """How long an operation that was done took, in seconds, by the journal."""

    operation: Operation
    address: Address
    seconds: float
