"""The vocabulary of a plan: actions, changes, steps. Inert values; nothing here decides."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import field, frozen

from flowplan.lang.stack import Condition
from flowplan.resources import Change
from flowplan.state.journal import Entry
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Diagnostic


class Action(Enum):
    """What a plan does to a resource; the symbol is the one Terraform users know."""

    NO_OP = "no-op"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    FORGET = "forget"

    @property
    def symbol(self) -> str:
        """As printed before an address."""
        return _SYMBOLS[self]


_SYMBOLS = {
    Action.NO_OP: " ",
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "-/+",
    Action.DELETE: "-",
    Action.FORGET: ".",
}


class Mode(Enum):
    """What a plan is for: to reach the stack, or to remove all of it."""

    NORMAL = "normal"
    DESTROY = "destroy"


@frozen
class AttributeChange:
    """One attribute that differs: before and after, what that takes, and whether someone else changed it (drift)."""

    name: str
    before: Any
    after: Any
    change: Change
    drift: bool = False


@frozen
class ResourceChange:
    """What is to be done to one resource, and why.

    ``before`` and ``after`` are configurations (``before`` sealed, as recorded; ``after`` may hold unknown
    and sensitive values). ``targets`` are the provider-side attributes asked for. ``update`` are those of them
    that an update must send. ``id`` and ``name`` are the existing object's, "" where there is none.
    """

    address: Address
    action: Action
    reasons: tuple[str, ...] = ()
    id: str = ""
    name: str = ""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    attributes: tuple[AttributeChange, ...] = ()
    targets: Mapping[str, Any] = field(factory=dict)
    update: Mapping[str, Any] = field(factory=dict)
    dependencies: tuple[Address, ...] = ()
    protected: bool = False
    loses: str = ""
    resumes: bool = True

    @property
    def kind(self) -> Kind:
        """The kind, from the address."""
        return self.address.kind


class StepKind(Enum):
    """One thing the applier does. A replacement is a delete step and a create step."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    FORGET = "forget"
    AWAIT = "await"


@frozen
class Step:
    """A node of the action graph; ``needs`` are the ids of steps that must have succeeded before it starts.

    ``tolerates`` are those among ``needs`` that may have failed (``failed_ok``).
    """

    id: str
    kind: StepKind
    address: Address
    needs: tuple[str, ...] = ()
    tolerates: tuple[str, ...] = ()
    condition: Condition | None = None


@frozen
class OutputChange:
    """An output that will be different; ``after`` may be unknown or sensitive."""

    name: str
    action: Action
    before: Any = None
    after: Any = None
    sensitive: bool = False


@frozen
class Drift:
    """Something another hand has changed since the last apply. ``gone``: the whole object."""

    address: Address
    gone: bool = False
    attributes: tuple[AttributeChange, ...] = ()


@frozen
class Interrupted:
    """An operation that began and did not end, and what apply will do about it, in words."""

    entry: Entry
    outlook: str


@frozen
class Plan:
    """What would be done, in order, and everything a reader needs to understand it. A value: equal inputs, equal plans."""

    stack: str
    mode: Mode
    lineage: str
    serial: int
    changes: tuple[ResourceChange, ...] = ()
    unchanged: int = 0
    steps: tuple[Step, ...] = ()
    outputs: tuple[OutputChange, ...] = ()
    drift: tuple[Drift, ...] = ()
    interrupted: tuple[Interrupted, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    refreshed: bool = True

    @property
    def has_errors(self) -> bool:
        """Whether the plan may not be applied."""
        return any(d.is_error for d in self.diagnostics)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do: the one place that says so (exit code, messages and apply ask here)."""
        return not (self.changes or self.outputs or self.interrupted)

    def counts(self) -> dict[str, int]:
        """How many resources are added, changed, destroyed and forgotten; a replacement is one added, one destroyed."""
        actions = [change.action for change in self.changes]
        return {
            "add": actions.count(Action.CREATE) + actions.count(Action.REPLACE),
            "change": actions.count(Action.UPDATE),
            "destroy": actions.count(Action.DELETE) + actions.count(Action.REPLACE),
            "forget": actions.count(Action.FORGET),
        }


@frozen
class PlanOptions:
    """What the user asked of planning."""

    mode: Mode = Mode.NORMAL
    region: str = ""
