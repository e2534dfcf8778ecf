"""The planner: (stack, snapshot, observation, unfinished operations, options) -> Plan. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import evolve

from flowplan.graph import CycleFound, build, topological
from flowplan.lang.stack import Stack
from flowplan.plan.change import Mode, Move, Plan, PlanOptions, ResourceChange, Step
from flowplan.plan.checks import check
from flowplan.plan.costs import costs_of
from flowplan.plan.drift import refreshed_records
from flowplan.plan.observation import Observation
from flowplan.plan.observe import settle_on_paper
from flowplan.plan.outputs import output_changes
from flowplan.plan.scope import find_scope, partial_note
from flowplan.plan.walk import Walk, is_fresh
from flowplan.state.journal import Entry
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic, Diagnostics

if TYPE_CHECKING:
    from flowplan.lang.entries import Removed

_NORMAL = PlanOptions()


def plan(
    stack: Stack,
    snapshot: Snapshot,
    observation: Observation | None = None,
    unfinished: Sequence[Entry] = (),
    options: PlanOptions = _NORMAL,
) -> Plan:
    """What takes the world from what is recorded and observed to what the stack says.

    ``observation`` is None where refresh is off: then the record is taken for the world. The same inputs
    give the same plan (law 5 of apply-protocol.md).
    """
    base = Plan(
        stack.name, options.mode, snapshot.lineage, snapshot.serial, refreshed=observation is not None,
        budget=stack.budget, limits=stack.limits,
    )  # fmt: skip
    if observation and snapshot.project and snapshot.records and observation.project != snapshot.project:
        return evolve(base, diagnostics=(_elsewhere(stack, snapshot, observation),))
    settled, interrupted = settle_on_paper(snapshot, unfinished, observation)
    base = evolve(base, interrupted=interrupted)
    if options.mode is Mode.REFRESH_ONLY:
        return _refresh(base, stack, settled, observation, options)
    return _decide(base, stack, settled, observation, options)


def _elsewhere(stack: Stack, snapshot: Snapshot, observation: Observation) -> Diagnostic:
    return Diagnostic.error(
        f"Stack {stack.name} is recorded in another project",
        f"Its {len(snapshot.records)} recorded resources are in project {snapshot.project}, "
        f"but the provider now answers for {observation.project}.",
        suggestion="Point the provider back to that project, or destroy the stack there first.",
    )


def _decide(
    base: Plan, stack: Stack, settled: Snapshot, observation: Observation | None, options: PlanOptions
) -> Plan:
    # Why imported where they are needed: most plans find nothing to do, and start sooner without them.
    found, moves = Diagnostics(), tuple[Move, ...]()
    if stack.moved:
        from flowplan.plan.moving import apply_moves

        settled, moves, problems = apply_moves(stack, settled)
        found.extend(problems)
    graph = build(stack, settled)
    try:
        order = topological(graph.needs, key=lambda address: address.sort_key)
    except CycleFound:
        circle = graph.cycle()
        assert circle is not None, "what has no order has a circle"
        return evolve(base, diagnostics=(*found.in_order(), circle), moves=moves)
    imported: Mapping[Address, Record] = {}
    let_go: Mapping[Address, Removed] = {}
    if options.mode is Mode.NORMAL and stack.imports:
        from flowplan.plan.importing import find_imports
        from flowplan.resources import Settings

        imported, problems = find_imports(stack, settled, observation, Settings(options.region))
        found.extend(problems)
    if options.mode is Mode.NORMAL and stack.removed:
        from flowplan.plan.letting_go import find_let_go

        let_go, problems = find_let_go(stack, settled)
        found.extend(problems)
    scope = find_scope(graph, settled, stack.resources, options)
    found.extend(scope.problems)
    walk = Walk(stack, settled, observation, options, scope, imported, let_go)
    changes: Sequence[ResourceChange] = sorted(
        (change for address in order for change in walk.visit(address)),
        key=lambda change: (change.address.sort_key, change.deposed),
    )
    found.extend(walk.found)
    steps: tuple[Step, ...] = ()
    refused: tuple[Address, ...] = ()
    if changes or options.allow_data_loss or options.allow_commitment_loss:
        from flowplan.plan.consequences import consequences

        follow = consequences(stack, graph, settled, observation, changes, options)
        changes, steps, refused = follow.changes, follow.steps, follow.refused
        found.extend(follow.diagnostics)
    found.extend(check(stack, settled, observation, changes, options))
    if scope.left_out:
        found.add(partial_note(scope.left_out, options))
    return evolve(
        base,
        changes=tuple(changes),
        unchanged=walk.unchanged,
        steps=steps,
        outputs=output_changes(stack, settled, changes, walk.lookup, options),
        drift=tuple(walk.drift),
        diagnostics=tuple(found.in_order()),
        moves=moves,
        skipped=tuple(sorted(scope.left_out)),
        refused=refused,
        costs=costs_of(options.mode, changes, stack, settled, scope.left_out),
    )


def _refresh(
    base: Plan, stack: Stack, settled: Snapshot, observation: Observation | None, options: PlanOptions
) -> Plan:
    """The plan that only records how things are; it has no step, and sends nothing."""
    if observation is None:
        blind = Diagnostic.error(
            "A plan that only refreshes has to look at the provider",
            suggestion="Leave --refresh=false out, or --refresh-only.",
        )
        return evolve(base, diagnostics=(blind,))
    graph = build(stack, settled)
    scope = find_scope(graph, settled, stack.resources, options)
    keep = [a for a, r in stack.resources.items() if r.lifecycle.on_lost != "recreate"]
    records, dropped, drifts = refreshed_records(
        settled,
        observation,
        keep,
        lambda record, seen: (
            record.address in scope.left_out or (seen is None and is_fresh(record, observation))
        ),
    )
    after = dict(settled.records)
    after.update((record.address, record) for record in records)
    for address in dropped:
        del after[address]
    walk = Walk(stack, evolve(settled, records=after), None, options, scope, {}, {})
    note = [partial_note(scope.left_out, options)] if scope.left_out else []
    return evolve(
        base,
        refreshes=records,
        forgotten=dropped,
        drift=drifts,
        outputs=output_changes(stack, settled, (), walk.lookup, options),
        unchanged=len(settled.records) - len(records) - len(dropped),
        diagnostics=(*scope.problems, *note),
        skipped=tuple(sorted(scope.left_out)),
    )
