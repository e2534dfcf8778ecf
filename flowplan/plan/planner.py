"""The planner: (stack, snapshot, observation, unfinished operations, options) -> Plan. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from attrs import evolve

from flowplan.graph import Graph, build, topological
from flowplan.lang.stack import Resource, Stack
from flowplan.plan.change import Action, Drift, Mode, Plan, PlanOptions, ResourceChange
from flowplan.plan.checks import check
from flowplan.plan.decide import decide, removal
from flowplan.plan.diff import drift_changes
from flowplan.plan.market import market_warnings
from flowplan.plan.observation import Observation
from flowplan.plan.observe import settle_on_paper
from flowplan.plan.outputs import output_changes
from flowplan.plan.selection import choose
from flowplan.plan.steps import build_steps
from flowplan.resources import Settings, kind_of
from flowplan.resources.price import limit_price
from flowplan.state.journal import Entry
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Diagnostic, Diagnostics
from flowplan.values.value import NotYetKnown, Reference, Unknown, is_known, resolve

_NORMAL = PlanOptions()

VISIBILITY = timedelta(seconds=10)
"""How long what was made may be missing from lists before it is taken for gone."""


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
    found = Diagnostics()
    base = Plan(
        stack.name, options.mode, snapshot.lineage, snapshot.serial, refreshed=observation is not None
    )
    if observation and snapshot.project and snapshot.records and observation.project != snapshot.project:
        found.error(
            f"Stack {stack.name} is recorded in another project",
            f"Its {len(snapshot.records)} recorded resources are in project {snapshot.project}, "
            f"but the provider now answers for {observation.project}.",
            suggestion="Point the provider back to that project, or destroy the stack there first.",
        )
        return evolve(base, diagnostics=tuple(found))
    settled, interrupted = settle_on_paper(snapshot, unfinished, observation)
    graph = build(stack, settled)
    if circle := graph.cycle():
        return evolve(base, diagnostics=(circle,), interrupted=interrupted)
    walk = _Walk(stack, settled, observation, options)
    changes = [change for address in _order(graph) if (change := walk.visit(address)) is not None]
    changes.sort(key=lambda change: change.address.sort_key)
    found.extend(walk.found)
    known = walk.lookup
    found.extend(check(stack, settled, observation, changes, options))
    found.extend(market_warnings(stack, observation, changes))
    return evolve(
        base,
        changes=tuple(changes),
        unchanged=walk.unchanged,
        steps=build_steps(stack, graph, settled, changes),
        outputs=output_changes(stack, settled, changes, known, options),
        drift=tuple(walk.drift),
        interrupted=interrupted,
        diagnostics=tuple(found.in_order()),
    )


def _order(graph: Graph) -> list[Address]:
    return topological(graph.needs, key=lambda address: address.sort_key)


class _Walk:
    """One pass over the graph, dependencies first, so that what is known of a resource is known to its dependents."""

    def __init__(
        self, stack: Stack, snapshot: Snapshot, observation: Observation | None, options: PlanOptions
    ) -> None:
        self.stack, self.snapshot, self.observation, self.options = stack, snapshot, observation, options
        self.settings = Settings(region=options.region)
        self.found = Diagnostics()
        self.drift: list[Drift] = []
        self.unchanged = 0
        self._renewed: set[Address] = set()
        self._targets: dict[Address, Mapping[str, Any]] = {}
        self._observed: dict[Address, Mapping[str, Any]] = {}

    def lookup(self, reference: Reference) -> Any:
        """A computed attribute as it will be after this plan, if that can be said."""
        address = reference.address
        kind = kind_of(address.kind)
        name = reference.attribute or kind.id_attribute
        record = self.snapshot.records.get(address)
        if record is None or address in self._renewed:
            wanted = self._targets.get(address, {})
            if name in wanted and name != "name" and is_known(wanted[name]) and wanted[name] is not None:
                return wanted[name]
            raise NotYetKnown(str(reference))
        if name == kind.id_attribute:
            return record.id
        for source in (self._targets.get(address, {}), self._observed.get(address, {}), record.attributes):
            if name in source and source[name] is not None and not isinstance(source[name], Unknown):
                return source[name]
        raise NotYetKnown(str(reference))

    def visit(self, address: Address) -> ResourceChange | None:
        """The change of one resource, or None where nothing is to be done."""
        record = self.snapshot.records.get(address)
        resource = self.stack.resources.get(address) if self.options.mode is Mode.NORMAL else None
        kind = kind_of(address.kind)
        observed, gone = self._see(record)
        if record is not None:
            self._note_drift(record, observed, gone)
        if resource is None:
            assert record is not None or self.options.mode is Mode.DESTROY
            if record is None:
                return None
            declared = self.stack.resources.get(address)
            change, problems = removal(record, gone, declared, self.options.mode)
            self.found.extend(problems)
            return change
        config = resource.config
        if resource.references and not is_known(config):
            config = {
                name: value if is_known(value) else resolve(value, self.lookup)
                for name, value in config.items()
            }
        targets = kind.targets(config, self.settings)
        if address.kind is Kind.TASK and targets["instance_type"] is None:
            targets = self._with_choice(resource, config, targets, record)
        change = decide(
            resource=evolve(resource, config=config),
            record=record,
            observed=observed,
            gone=gone,
            targets=targets,
            key=self.snapshot.key,
            completion=self._completion(record),
        )
        if (
            gone
            and change.action is Action.NO_OP
            and resource.lifecycle.on_lost == "fail"
            and _was_lost(change, self)
        ):
            self.found.add(_lost(change, resource))
        self._targets[address] = change.targets
        if change.action in (Action.CREATE, Action.REPLACE):
            self._renewed.add(address)
        for refused in change.attributes:
            if refused.change.value == "refused":
                self.found.add(
                    _refusal(change, refused.name, kind.attributes[refused.name].loses, resource.span_of)
                )
        if change.action is Action.NO_OP:
            self.unchanged += 1
            return None
        return change

    def _with_choice(
        self, resource: Resource, config: Mapping[str, Any], targets: dict[str, Any], record: Record | None
    ) -> dict[str, Any]:
        chosen, why = choose(config, str(targets["region"] or ""), record, self.observation)
        if chosen is None:
            span, snippet = resource.span_of(("min_gpu_memory_gb",))
            self.found.error(
                f"{resource.address} cannot be placed",
                why[0].upper() + why[1:] + ".",
                span=span,
                snippet=snippet,
                address=resource.address,
                suggestion="Ask for less memory or a higher price, or name an instance_type.",
            )
            return targets
        return {**targets, "instance_type": chosen, "limit_price": limit_price(config, chosen)}

    def _see(self, record: Record | None) -> tuple[Mapping[str, Any] | None, bool]:
        """The observed attributes of a recorded object, and whether it is gone from the provider."""
        if record is None or self.observation is None or record.kind not in self.observation.kinds:
            return None, False
        seen = self.observation.find(record.kind, record.id)
        if seen is None and self._is_fresh(record):
            return None, False
        if seen is None or not seen.exists:
            return (seen.attributes if seen else None), True
        self._observed[record.address] = seen.attributes
        return seen.attributes, False

    def _is_fresh(self, record: Record) -> bool:
        """Whether it was made so shortly before the listing that the listing need not hold it (law 3)."""
        at = self.observation.at if self.observation else None
        return at is not None and record.created_at is not None and at - record.created_at < VISIBILITY

    def _completion(self, record: Record | None) -> Mapping[str, Any] | None:
        if record is None:
            return None
        if self.observation is not None and record.id in self.observation.completions:
            return self.observation.completions[record.id]
        return record.attributes.get("completion")

    def _note_drift(self, record: Record, observed: Mapping[str, Any] | None, gone: bool) -> None:
        if gone:
            if self._completion(record) is None and record.kind.value != "reservation":
                self.drift.append(Drift(record.address, gone=True))
        elif observed is not None:
            changed = tuple(drift_changes(kind_of(record.kind), record.attributes, observed))
            if changed:
                self.drift.append(Drift(record.address, attributes=changed))


def _was_lost(change: ResourceChange, walk: _Walk) -> bool:
    record = walk.snapshot.records[change.address]
    return change.kind is Kind.TASK and walk._completion(record) is None


def _lost(change: ResourceChange, resource: Resource) -> Diagnostic:
    return Diagnostic.error(
        f"{change.address} was lost",
        f"{change.id} no longer exists at the provider, it did not complete, and its lifecycle.on_lost is fail.",
        span=resource.span,
        snippet=resource.snippet,
        address=change.address,
        suggestion="Set on_lost: recreate to have it made again, or take the task out of the stack.",
    )


def _refusal(change: ResourceChange, name: str, loses: str, span_of: Any) -> Diagnostic:
    span, snippet = span_of((name,))
    return Diagnostic.error(
        f"{change.address}: {name} cannot be changed",
        f"The provider cannot change {name} of a {change.kind.value} that exists, and making a new one would "
        f"give up {loses or 'what it holds'}.",
        span=span,
        snippet=snippet,
        address=change.address,
        suggestion=f"Set {name} back, or declare another {change.kind.value} under a new name.",
    )
