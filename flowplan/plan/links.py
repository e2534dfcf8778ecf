"""The links of a chain of causes, as values."""

from __future__ import annotations

from typing import Any

from flowplan.lang.entries import Absence, Origin
from flowplan.lang.stack import Stack
from flowplan.plan.change import Action, Plan, PlanOptions
from flowplan.plan.observation import Observation
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, Span

_USUAL = PlanOptions()


@frozen
class Link:
    """One link: what kind of cause it is, in words, where it stands, and what is behind it (``because``).

    ``address`` is another resource whose own explanation goes on from here. ``source`` says who gave a variable its
    ``value`` (which may be sensitive). ``attribute`` is what it is about.
    """

    kind: str
    words: str
    attribute: str = ""
    address: Address | None = None
    span: Span | None = None
    snippet: str = ""
    source: str = ""
    value: Any = None
    because: tuple[Link, ...] = ()


@frozen
class Explanation:
    """What a plan does to one resource, ``why``, and ``why_not`` more than that (or anything at all)."""

    address: Address
    action: Action
    why: tuple[Link, ...] = ()
    why_not: tuple[Link, ...] = ()


class Question:
    """Everything that an explanation is taken from: the plan and what it was made of, found by address."""

    def __init__(
        self,
        plan: Plan,
        stack: Stack,
        snapshot: Snapshot,
        observation: Observation | None = None,
        options: PlanOptions = _USUAL,
    ) -> None:
        self.plan, self.stack, self.snapshot = plan, stack, snapshot
        self.observation, self.options = observation, options
        self.skipped = frozenset(plan.skipped)
        self.moves = {move.to: move for move in plan.moves}
        self.drift = {drift.address: drift for drift in plan.drift}
        self.changes = {change.address: change for change in plan.changes if not change.deposed}
        self.told: dict[Address, list[Diagnostic]] = {}
        for one in plan.diagnostics:
            if one.address is not None:
                self.told.setdefault(one.address, []).append(one)


def link_of(origin: Origin) -> Link:
    """The link that an origin of a value is."""
    return Link(
        origin.kind,
        origin.name,
        address=origin.address,
        span=origin.span,
        snippet=origin.snippet,
        source=origin.source,
        value=origin.value,
        because=tuple(map(link_of, origin.origins)),
    )


def link_of_absence(absence: Absence) -> Link:
    """The link that says why a declaration stands for no resource."""
    return Link(
        "switched off",
        absence.words,
        span=absence.span,
        snippet=absence.snippet,
        because=tuple(map(link_of, absence.origins)),
    )
