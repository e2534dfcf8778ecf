"""The vocabulary of a plan: actions, changes, steps. Inert values; nothing here decides."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import field

from flowplan.lang.stack import Budget, Condition, Limits
from flowplan.plan.reason import Reason
from flowplan.resources import Change, Loss
from flowplan.state.journal import Entry
from flowplan.state.snapshot import Record
from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, Span
from flowplan.values.exit_code import ExitCode
from flowplan.values.value import Reference


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
    """What a plan is for: to reach the stack, to remove all of it, or only to record how things are."""

    NORMAL = "normal"
    DESTROY = "destroy"
    REFRESH_ONLY = "refresh-only"

    @property
    def verb(self) -> str:
        """The command that does it."""
        return "destroy" if self is Mode.DESTROY else "apply"


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
    that an update must send; ``found`` are those that are so already, and not on record yet. ``id`` and ``name`` are the existing object's, "" where there is none.
    ``creates_first``: the replacement is made before what it replaces is destroyed. ``lets_go_first``: volumes are let
    go of before the rest of the change, which has to wait; ``frees`` are the ids of those that the same plan destroys.
    ``deposed`` is the id of an object that such a replacement left behind, where the change is about that one.
    ``imported`` is the id of an object that existed before and is taken into the state first. ``losses`` are what it
    destroys for good; ``committed_usd`` the money already paid that it gives up, and ``costs_usd`` what it commits
    anew, in US dollars; None where there is none or nobody knows.
    """

    address: Address
    action: Action
    reasons: tuple[Reason, ...] = ()
    id: str = ""
    name: str = ""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    attributes: tuple[AttributeChange, ...] = ()
    targets: Mapping[str, Any] = field(factory=dict)
    update: Mapping[str, Any] = field(factory=dict)
    found: Mapping[str, Any] = field(factory=dict)
    dependencies: tuple[Address, ...] = ()
    protected: bool = False
    loses: str = ""
    resumes: bool = True
    retained: bool = False
    triggers: Mapping[str, Reference] = field(factory=dict)
    creates_first: bool = False
    lets_go_first: bool = False
    frees: tuple[str, ...] = ()
    deposed: str = ""
    imported: str = ""
    record: Record | None = None
    losses: tuple[Loss, ...] = ()
    committed_usd: float | None = None
    costs_usd: float | None = None

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
    IMPORT = "import"
    DETACH = "detach"


@frozen
class Step:
    """A node of the action graph; ``needs`` are the ids of steps that must have succeeded before it starts.

    ``tolerates`` are those among ``needs`` that may have failed (``failed_ok``). ``deposed`` is the id of the
    object to destroy or forget where it is not the one on record under the address, but one that was replaced.
    """

    id: str
    kind: StepKind
    address: Address
    needs: tuple[str, ...] = ()
    tolerates: tuple[str, ...] = ()
    condition: Condition | None = None
    deposed: str = ""


@frozen
class Move:
    """A record that gets another address; nothing at the provider changes."""

    origin: Address
    to: Address
    span: Span | None = field(default=None, eq=False)


@frozen
class OutputChange:
    """An output that will be different; ``after`` may be unknown or sensitive."""

    name: str
    action: Action
    before: Any = None
    after: Any = None
    sensitive: bool = False


class DriftKind(Enum):
    """What a difference between record and world means for the plan."""

    EXPECTED = "expected"
    """The provider decides it (prices, instances, status): recorded, never reverted."""
    BENIGN = "benign"
    """Another hand did it, and the stack agrees, ignores it, or cannot have it otherwise."""
    HARMFUL = "harmful"
    """Another hand did it, and the plan undoes it."""
    GONE = "gone"
    """The whole object no longer exists."""


@frozen
class Drift:
    """Something that has changed outside of flowplan since the last apply; ``by`` names who, where it is known."""

    address: Address
    gone: bool = False
    attributes: tuple[AttributeChange, ...] = ()
    kind: DriftKind = DriftKind.HARMFUL
    by: str = ""


@frozen
class Interrupted:
    """An operation that began and did not end, and what apply will do about it, in words."""

    entry: Entry
    outlook: str


@frozen
class Costs:
    """What a stack costs in the worst case before and after a plan, in US dollars; None where that is not known.

    By the hour: all tasks at their limit prices. ``committed_usd`` is what the plan buys outright.
    """

    hourly_before_usd: float | None = 0.0
    hourly_usd: float | None = 0.0
    committed_usd: float | None = 0.0


@frozen
class Plan:
    """What would be done, in order, and everything a reader needs to understand it. A value: equal inputs, equal plans.

    ``moves`` are done before any step. ``refreshes`` are records as they are to be written, and ``forgotten`` those
    to be dropped, by a plan that only refreshes. ``skipped`` are the resources that ``--target`` or ``--exclude``
    leave out: with any, the plan is partial. ``refused`` are those whose losses nobody has allowed. ``budget`` and
    ``limits`` are what the stack declares, beside the costs and counts that they bound.
    """

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
    moves: tuple[Move, ...] = ()
    refreshes: tuple[Record, ...] = ()
    forgotten: tuple[Address, ...] = ()
    skipped: tuple[Address, ...] = ()
    refused: tuple[Address, ...] = ()
    costs: Costs = Costs()
    budget: Budget = field(factory=Budget)
    limits: Limits = field(factory=Limits)

    @property
    def has_errors(self) -> bool:
        """Whether the plan may not be applied."""
        return any(d.is_error for d in self.diagnostics)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do: the one place that says so (exit code, messages and apply ask here)."""
        return not (
            self.changes or self.outputs or self.interrupted or self.moves or self.refreshes or self.forgotten
        )

    @property
    def is_partial(self) -> bool:
        """Whether something was left out on request, so that the stack need not be reached."""
        return bool(self.skipped)

    @property
    def error_code(self) -> int:
        """The exit code of a plan that may not be applied: 4 where all that is wrong is a loss nobody allowed."""
        wrong = sum(d.is_error for d in self.diagnostics)
        return 0 if not wrong else REFUSED if wrong == len(self.refused) else 1

    def counts(self) -> dict[str, int]:
        """How many resources are added, changed, destroyed and forgotten; a replacement is one added, one destroyed."""
        actions = [change.action for change in self.changes]
        return {
            "add": actions.count(Action.CREATE) + actions.count(Action.REPLACE),
            "change": actions.count(Action.UPDATE),
            "destroy": actions.count(Action.DELETE) + actions.count(Action.REPLACE),
            "forget": actions.count(Action.FORGET),
            "import": sum(bool(change.imported) for change in self.changes),
        }


REFUSED = ExitCode.REFUSED
"""The exit code of a plan that is refused for what it would lose (docs/exit-codes.md)."""


@frozen
class PlanOptions:
    """What the user asked of planning. All but mode and region are patterns of addresses (`flowplan.plan.patterns`)."""

    mode: Mode = Mode.NORMAL
    region: str = ""
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    allow_data_loss: tuple[str, ...] = ()
    allow_commitment_loss: tuple[str, ...] = ()
