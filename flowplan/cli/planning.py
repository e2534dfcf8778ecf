"""Making a plan for a command: read the stack, the state and the world, and hand them to the planner."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from attrs import frozen

from flowplan.cli.context import Context, Loaded
from flowplan.plan.change import Mode, Plan, PlanOptions
from flowplan.plan.observation import Observation
from flowplan.plan.planner import plan as make_plan
from flowplan.state.journal import Entry
from flowplan.state.snapshot import Snapshot


@frozen
class Planned:
    """A plan with all that went into it."""

    plan: Plan
    loaded: Loaded
    snapshot: Snapshot
    observation: Observation | None
    unfinished: tuple[Entry, ...]
    options: PlanOptions


def plan_stack(context: Context, loaded: Loaded, mode: Mode, refresh: bool) -> Planned:
    """Plan a stack. Takes no lock and writes nothing.

    Raises:
        FlowplanError: the state or the provider cannot be read.
    """
    backend = context.backend(loaded.project)
    try:
        snapshot = backend.snapshot(loaded.stack.name)
        unfinished = backend.unfinished(loaded.stack.name)
    finally:
        backend.close()
    context.check_source(loaded, snapshot)
    observation = asyncio.run(_observe(context, loaded, snapshot, unfinished)) if refresh else None
    return with_observation(loaded, snapshot, observation, unfinished, PlanOptions(mode, loaded.region))


async def _observe(
    context: Context, loaded: Loaded, snapshot: Snapshot, unfinished: Sequence[Entry]
) -> Observation:
    async with context.connect(loaded.stack, loaded.project) as connection:
        return await context.observe(connection, snapshot, unfinished)


def with_observation(
    loaded: Loaded,
    snapshot: Snapshot,
    observation: Observation | None,
    unfinished: Sequence[Entry],
    options: PlanOptions,
) -> Planned:
    """Plan from inputs that are at hand."""
    plan = make_plan(loaded.stack, snapshot, observation, unfinished, options)
    return Planned(plan, loaded, snapshot, observation, tuple(unfinished), options)
