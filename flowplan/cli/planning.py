"""Making a plan for a command: read the stack, the state and the world, and hand them to the planner."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attrs import evolve

from flowplan import __version__
from flowplan.cli.awaiting import await_result
from flowplan.cli.context import Connection, Context, Loaded
from flowplan.lang.stack import Stack
from flowplan.plan.change import Mode, Plan, PlanOptions
from flowplan.plan.digest import plan_digest
from flowplan.plan.document import build_document, explanation_document
from flowplan.plan.observation import Observation, Quota, Quote
from flowplan.plan.planner import plan as make_plan
from flowplan.state.journal import Entry
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import FlowplanError

_HISTORIES = 20
"""How many histories a refresh asks for at most: each is a request of its own."""
if TYPE_CHECKING:
    from flowplan.plan.links import Question
    from flowplan.ports import Estimator

_COMPLETIONS = 50
"""How many tasks that still run are looked at for whether they have completed: each is a way into an instance."""
_QUOTES = 20
"""How many quotes are asked for at most."""


@frozen
class Planned:
    """A plan with all that went into it."""

    plan: Plan
    loaded: Loaded
    snapshot: Snapshot
    observation: Observation | None
    unfinished: tuple[Entry, ...]
    options: PlanOptions

    @property
    def digest(self) -> str:
        """What a reviewer approves (`flowplan.plan.digest`)."""
        return plan_digest(self.plan, self.snapshot.key)

    def document(self) -> dict[str, Any]:
        """The plan's document (`flowplan.plan.document`), without the explanations."""
        return build_document(self.plan, __version__, self.digest)

    def question(self) -> Question:
        """What an explanation is taken from."""
        from flowplan.plan.links import Question

        return Question(self.plan, self.loaded.stack, self.snapshot, self.observation, self.options)

    def explained(self) -> dict[str, Any]:
        """The plan's document with its explanations, as programs and plan files have it."""
        from flowplan.plan.explain import explain_all

        told = [explanation_document(each, led) for each, led in explain_all(self.question())]
        return {**self.document(), "explanations": told}


def plan_stack(
    context: Context, loaded: Loaded, mode: Mode, refresh: bool, asked: PlanOptions | None = None
) -> Planned:
    """Plan a stack. Takes no lock and writes nothing. ``asked`` holds the patterns of the command line.

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
    options = evolve(asked or PlanOptions(), mode=mode, region=loaded.region)
    if not refresh:
        return with_observation(loaded, snapshot, None, unfinished, options)
    return await_result(_look_and_plan(context, loaded, snapshot, unfinished, options))


async def _look_and_plan(
    context: Context, loaded: Loaded, snapshot: Snapshot, unfinished: Sequence[Entry], options: PlanOptions
) -> Planned:
    """A plan of what the provider shows; where it would touch tasks that still run, whether they have completed counts."""
    async with context.connect(loaded.stack, loaded.project) as connection:
        seen = await look_at(context, connection, loaded.stack, snapshot, unfinished, loaded.region)
        planned = with_observation(loaded, snapshot, seen, unfinished, options)
        if connection.access is None:
            return planned
        ended = dict(seen.completions)
        for id in _maybe_completed(planned)[:_COMPLETIONS]:
            with suppress(FlowplanError):
                if (completion := await connection.access.completion(id)) is not None:
                    ended[id] = completion
        if len(ended) == len(seen.completions):
            return planned
        return with_observation(loaded, snapshot, evolve(seen, completions=ended), unfinished, options)


def _maybe_completed(planned: Planned) -> list[str]:
    """The ids of tasks whose instances live and that a plan would do something to, or run again."""
    found = []
    resources = planned.loaded.stack.resources
    concerned = {change.address for change in planned.plan.changes if not change.deposed}
    concerned.update(r.address for r in resources.values() if r.lifecycle.rerun == "always")
    for address, record in planned.snapshot.records.items() if concerned else ():
        if address not in concerned or address not in resources:
            continue
        if address.kind is not Kind.TASK or record.attributes.get("completion"):
            continue
        seen = planned.observation.find(record.kind, record.id) if planned.observation else None
        if seen is not None and seen.exists:
            found.append(record.id)
    return found


async def _estimate(
    provider: Estimator, stack: Stack, snapshot: Snapshot, region: str, seen: Observation
) -> Observation:
    """What was seen, with quotas and quotes where the plan may make something. They only inform: none is needed."""
    from flowplan.plan.estimates import makes_anything, wanted_quotes

    if not makes_anything(stack, snapshot):
        return seen
    quotas: Sequence[Quota] = ()
    with suppress(FlowplanError):
        quotas = tuple(await provider.quotas())
    quotes: dict[str, Quote] = {}
    for terms in wanted_quotes(stack, snapshot, region)[:_QUOTES]:
        with suppress(FlowplanError):
            quote = await provider.quote(
                terms.instance_type, terms.region, terms.quantity, terms.start_time_utc, terms.end_time_utc
            )
            if quote is not None:
                quotes[terms.key] = quote
    return evolve(seen, quotas=quotas, quotes=quotes)


async def look_at(
    context: Context,
    connection: Connection,
    stack: Stack,
    snapshot: Snapshot,
    unfinished: Sequence[Entry],
    region: str = "",
) -> Observation:
    """One refresh for a plan of ``stack``, with the history of what has drifted, as far as the provider keeps one."""
    from flowplan.plan.drift import drifted_objects
    from flowplan.plan.importing import wanted_ids
    from flowplan.ports import Estimator, Historian

    seen = await context.observe(connection, snapshot, unfinished, wanted_ids(stack, snapshot))
    provider: object = connection.provider
    if isinstance(provider, Estimator):
        seen = await _estimate(provider, stack, snapshot, region, seen)
    drifted = drifted_objects(snapshot, seen) if isinstance(provider, Historian) else []
    if not drifted or not isinstance(provider, Historian):
        return seen
    events = {}
    for kind, id in drifted[:_HISTORIES]:
        events[id] = tuple(await provider.history(kind, id))
    return evolve(seen, events=events)


def with_observation(
    loaded: Loaded,
    snapshot: Snapshot,
    observation: Observation | None,
    unfinished: Sequence[Entry],
    options: PlanOptions,
) -> Planned:
    """Plan from inputs that are at hand."""
    plan = make_plan(loaded.stack, snapshot, observation, unfinished, options)
    if loaded.stack.checks and not plan.has_errors:
        from flowplan.lang.checks import evaluate_checks
        from flowplan.plan.view import plan_view

        found = evaluate_checks(loaded.stack, plan_view(plan, loaded.stack, snapshot))
        plan = evolve(plan, diagnostics=(*plan.diagnostics, *found))
    return Planned(plan, loaded, snapshot, observation, tuple(unfinished), options)
