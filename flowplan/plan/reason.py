"""Why a plan does what it does, as values: the links of the chain from an action back to what caused it."""

from __future__ import annotations

from enum import Enum

from attrs import field

from flowplan.values.address import Address
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Span


class Cause(Enum):
    """The kind of a reason."""

    NEW = "new"
    """It is declared and not recorded."""
    GONE = "gone"
    """What is recorded no longer exists at the provider."""
    CHANGED = "changed"
    """An attribute was changed in the stack."""
    DRIFTED = "drifted"
    """An attribute was changed by another hand."""
    TRIGGERED = "triggered"
    """What ``replace_triggered_by`` names has changed."""
    ASKED = "asked"
    """``--replace`` names it."""
    RERUN = "rerun"
    """A completed task runs again."""
    REMOVED = "removed"
    """It is not declared any more."""
    LET_GO = "let go"
    """A ``removed`` entry names it."""
    RETAINED = "retained"
    """``on_remove: retain`` was on record when it was taken out of the stack."""
    DESTROYED = "destroyed"
    """Everything is being destroyed."""
    DEPOSED = "deposed"
    """It was replaced by a newer one before it was destroyed."""
    RECORDED = "recorded"
    """Only what is on record changes: lifecycle settings, dependencies."""
    IMPORTED = "imported"
    """An ``imports`` entry names it."""


@frozen
class Reason:
    """One reason: its kind, the sentence for people, and what it points at.

    ``address`` is the other resource whose change is behind it, ``attribute`` what changed, ``span`` where the
    stack says so. The words of a plan's reasons are part of what it shows; programs read ``cause``.
    """

    cause: Cause
    words: str
    address: Address | None = None
    attribute: str = ""
    span: Span | None = field(default=None, eq=False)

    def __str__(self) -> str:
        return self.words
