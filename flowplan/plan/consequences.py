"""What follows from the changes of a plan: their order, and what speaks against them. Without any, none of it is needed."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import field

from flowplan.graph import Graph
from flowplan.lang.stack import Stack
from flowplan.plan.before_destroy import check_made_first, made_first
from flowplan.plan.change import Mode, PlanOptions, ResourceChange, Step
from flowplan.plan.estimates import quota_warnings
from flowplan.plan.holders import with_detachments
from flowplan.plan.in_use import check_in_use, check_taken
from flowplan.plan.losses import check_losses
from flowplan.plan.market import market_warnings
from flowplan.plan.moving import rename_hints
from flowplan.plan.observation import Observation
from flowplan.plan.steps import build_steps
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic


@frozen
class Consequences:
    """The changes as they will be carried out, the steps they take, those that are refused, and what is said of them."""

    changes: tuple[ResourceChange, ...] = ()
    steps: tuple[Step, ...] = ()
    refused: tuple[Address, ...] = ()
    diagnostics: list[Diagnostic] = field(factory=list)


def consequences(
    stack: Stack,
    graph: Graph,
    snapshot: Snapshot,
    observation: Observation | None,
    changes: Sequence[ResourceChange],
    options: PlanOptions,
) -> Consequences:
    """What follows from ``changes``, which are in order of address."""
    found: list[Diagnostic] = []
    changes, because = made_first(stack, graph, with_detachments(snapshot, observation, changes))
    found += check_made_first(stack, snapshot, observation, changes, because)
    found += check_in_use(stack, snapshot, observation, changes)
    found += check_taken(stack, snapshot, observation, changes)
    found += market_warnings(stack, observation, changes)
    found += quota_warnings(stack, observation, changes)
    losses = check_losses(stack, changes, options)
    found += losses.diagnostics
    if options.mode is Mode.NORMAL:
        found += rename_hints(stack, snapshot, changes)
    return Consequences(tuple(changes), build_steps(stack, graph, snapshot, changes), losses.refused, found)
