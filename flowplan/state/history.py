"""What is kept of each serial of a stack: when and by what it was made, and which records it touched."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum

from flowplan.values.classes import frozen


class Touch(Enum):
    """What a serial did to a record."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


@frozen
class Touched:
    """One record that a serial touched. ``address`` is ``outputs`` for the outputs of the stack."""

    touch: Touch
    address: str
    id: str = ""


@frozen
class Serial:
    """One serial. ``at`` is None for what was there before serials were kept (``operation`` is ``upgrade`` then).

    ``operation`` is the command that wrote it, ``version`` the flowplan it was; ``resources`` how many records there
    were then.
    """

    number: int
    at: datetime | None
    operation: str
    version: str
    resources: int
    touched: tuple[Touched, ...] = ()


def count(touched: Iterable[Touched], touch: Touch) -> int:
    """How many records were touched in this way."""
    return sum(one.touch is touch for one in touched)
