"""One pass over the graph, dependencies first, so that what is known of a resource is known to its dependents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from attrs import evolve

from flowplan.graph.triggers import Known, known_addresses, trigger_references
from flowplan.lang.stack import Resource, Stack
from flowplan.plan.change import Action, Drift, Mode, PlanOptions, ResourceChange
from flowplan.plan.decide import Sight, decide
from flowplan.plan.drift import classify, note_drift
from flowplan.plan.ignoring import keep_ignored
from flowplan.plan.observation import Observation
from flowplan.plan.reason import Cause, Reason
from flowplan.plan.refusals import NOT_BEGUN, failed, lost, not_begun, placed, protected, refusal, unnamed
from flowplan.plan.removing import deposed_changes, removal
from flowplan.plan.scope import Scope
from flowplan.plan.selection import choose
from flowplan.plan.settled import is_ordinary, is_settled
from flowplan.plan.settlement import with_money
from flowplan.plan.triggers import trigger_value
from flowplan.resources import Change, Settings, kind_of
from flowplan.resources.price import limit_price
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Diagnostics
from flowplan.values.value import NotYetKnown, Reference, Unknown, is_known, resolve

if TYPE_CHECKING:
    from flowplan.lang.entries import Removed

VISIBILITY = timedelta(seconds=10)
"""How long what was made may be missing from lists before it is taken for gone."""

_PLAIN = frozenset({str, int, float, bool, type(None)})
"""Types that hold nothing unknown: most values, asked for often."""

_RENEWS = (Action.CREATE, Action.REPLACE)


def is_fresh(record: Record, observation: Observation | None) -> bool:
    """Whether it was made so shortly before the listing that the listing need not hold it (law 3).

    Both times are the provider's. One that lies far ahead of the listing is of a clock that was put back.
    """
    at = observation.at if observation else None
    if at is None or record.created_at is None:
        return False
    return -VISIBILITY < at - record.created_at < VISIBILITY


class Walk:
    """The decisions of one plan. ``let_go`` finds the ``removed`` entry that names an address."""

    def __init__(
        self,
        stack: Stack,
        snapshot: Snapshot,
        observation: Observation | None,
        options: PlanOptions,
        scope: Scope,
        imported: Mapping[Address, Record],
        let_go: Mapping[Address, Removed],
    ) -> None:
        self.stack, self.snapshot, self.observation, self.options = stack, snapshot, observation, options
        self.scope, self.imported, self.let_go = scope, imported, let_go
        self.settings = Settings(region=options.region)
        self.found = Diagnostics()
        self.drift: list[Drift] = []
        self.unchanged = 0
        self.made: dict[Address, ResourceChange] = {}
        self._settled: set[Address] = set()
        """Those that plainly stay as they are: nothing is kept of them that can be worked out when someone asks."""
        self._targets: dict[Address, Mapping[str, Any]] = {}
        self._observed: dict[Address, Mapping[str, Any]] = {}
        self._known: Known | None = None

    def lookup(self, reference: Reference) -> Any:
        """A computed attribute as it will be after this plan, if that can be said."""
        address = reference.address
        kind = kind_of(address.kind)
        name = reference.attribute or kind.id_attribute
        record = self.record_of(address)
        change = self.made.get(address)
        if record is None or (change is not None and change.action in _RENEWS):
            wanted = self._targets_of(address)
            if name in wanted and name != "name" and is_known(wanted[name]) and wanted[name] is not None:
                return wanted[name]
            raise NotYetKnown(str(reference))
        if name == kind.id_attribute:
            return record.id
        for source in (self._targets_of(address), self._observed.get(address, {}), record.attributes):
            if name in source and source[name] is not None and not isinstance(source[name], Unknown):
                return source[name]
        raise NotYetKnown(str(reference))

    def _targets_of(self, address: Address) -> Mapping[str, Any]:
        """The provider-side attributes that a resource is asked to have; none of what the plan is not about."""
        found = self._targets.get(address)
        if found is None and address in self._settled:
            config = self._resolved(self.stack.resources[address])
            found = self._targets[address] = kind_of(address.kind).targets(config, self.settings)
        return found or {}

    def record_of(self, address: Address) -> Record | None:
        """What is recorded, or will be before anything else is done."""
        return self.snapshot.records.get(address) or self.imported.get(address)

    def visit(self, address: Address) -> list[ResourceChange]:
        """The changes of one resource: none, its own, and those of objects it has replaced."""
        if address in self.scope.left_out:
            return []
        record = self.record_of(address)
        wanted = self.options.mode is Mode.NORMAL
        resource = self.stack.resources.get(address) if wanted else None
        if resource is not None and record is not None and self._stays(resource, record):
            self.unchanged += 1
            return []
        sight = self._see(record)
        change = None
        if resource is not None:
            change = self._wanted(resource, record, sight)
        elif record is not None:
            at = self.observation.at if self.observation else None
            declared = self.stack.resources.get(address)
            change, problems = removal(
                record, sight.gone, declared, self.options.mode, self.let_go.get(address), at
            )
            self.found.extend(problems)
        if record is not None and address not in self.imported:
            self._note_drift(record, sight, change)
        changes = [change] if change is not None and change.action is not Action.NO_OP else []
        if change is not None:
            self.made[address] = change
            if change.action is Action.NO_OP:
                if address in self.imported:
                    changes = [change]
                else:
                    self.unchanged += 1
        if record is not None and record.deposed:
            changes += deposed_changes(record, self._ended(record))
        return changes

    def _stays(self, resource: Resource, record: Record) -> bool:
        """Whether a resource is plainly as the stack says, so that nothing is to be done or said about it.

        Why: nearly all are, in nearly all plans, and to find that out the long way costs several times as much. The
        long way comes to the same; where it might not, this says no.
        """
        address, observation = resource.address, self.observation
        if address in self.imported or address in self.scope.replaced or not is_ordinary(resource, record):
            return False
        current = record.attributes
        if observation is not None:
            seen = observation.find(record.kind, record.id)
            if seen is None or not seen.exists or record.kind not in observation.kinds:
                return False
            if record.id in observation.completions:
                return False
            current = seen.attributes
        config = self._resolved(resource)
        if config != record.config:
            return False
        kind = kind_of(record.kind)
        targets = kind.targets(config, self.settings)
        if not is_settled(kind, record, current, targets):
            return False
        self._settled.add(address)
        self._observed[address] = current
        return True

    def _resolved(self, resource: Resource) -> Mapping[str, Any]:
        """Its configuration, as far as it is known."""
        config = resource.config
        if not resource.references:
            return config
        names = resource.unknown
        if names is None:
            names = tuple([n for n, v in config.items() if type(v) not in _PLAIN and not is_known(v)])
        return {**config, **{name: resolve(config[name], self.lookup) for name in names}} if names else config

    def _wanted(self, resource: Resource, record: Record | None, sight: Sight) -> ResourceChange:
        address = resource.address
        full = config = self._resolved(resource)
        if resource.lifecycle.ignore_changes and record is not None and not sight.gone:
            config = keep_ignored(resource.lifecycle.ignore_changes, record.config, config)
        targets = self._aim(resource, config, record)
        triggers, demands = self._demands(resource, record)
        change = decide(
            resource,
            config,
            record,
            sight,
            targets,
            self.snapshot.key,
            triggers,
            demands,
        )
        if change.action in _RENEWS and config is not full:
            # Why: what is made anew is made as the stack says; only an existing one is left as it is.
            targets = self._aim(resource, full, record)
            change = evolve(change, after=full, targets=targets)
        imported = self.imported.get(address)
        if imported is not None:
            said = Reason(Cause.IMPORTED, f"{imported.id} exists and is imported", span=resource.span)
            change = evolve(change, imported=imported.id, reasons=(said, *change.reasons))
        self._complain(change, resource, record, sight, demands)
        for requirement in resource.requirements:
            if (problem := requirement.check(self.lookup)) is not None:
                self.found.add(problem)
        self._targets[address] = change.targets
        return with_money(change, self.observation)

    def _aim(self, resource: Resource, config: Mapping[str, Any], record: Record | None) -> Mapping[str, Any]:
        """The provider-side attributes that a configuration asks for, with an instance type chosen where it must be."""
        targets = kind_of(resource.kind).targets(config, self.settings)
        if resource.kind is not Kind.TASK or targets["instance_type"] is not None:
            return targets
        chosen, why = choose(config, str(targets["region"] or ""), record, self.observation)
        if chosen is None:
            self.found.add(placed(resource, why))
            return targets
        return {**targets, "instance_type": chosen, "limit_price": limit_price(config, chosen)}

    def _demands(
        self, resource: Resource, record: Record | None
    ) -> tuple[dict[str, Reference], tuple[Reason, ...]]:
        """What ``replace_triggered_by`` names, and the reasons from outside to replace a resource."""
        demands: list[Reason] = []
        triggers: dict[str, Reference] = {}
        if resource.lifecycle.replace_triggered_by:
            if self._known is None:
                self._known = known_addresses(self.stack.resources)
            triggers, unknown = trigger_references(resource, self._known)
            self.found.extend(unnamed(resource, text, self.stack) for text in unknown)
            for text, reference in triggers.items() if record is not None else ():
                if self._has_fired(reference, record.triggers.get(text)):  # type: ignore[union-attr]
                    words = f"{text} changed, and replace_triggered_by names it"
                    demands.append(
                        Reason(Cause.TRIGGERED, words, reference.address, reference.attribute, resource.span)
                    )
        if resource.address in self.scope.replaced:
            demands.append(Reason(Cause.ASKED, "--replace names it"))
        return triggers, tuple(demands)

    def _has_fired(self, reference: Reference, before: Any) -> bool:
        """Whether a trigger is, or is about to be, another than its dependent was last applied with."""
        if before is None:
            return False
        change = self.made.get(reference.address)
        if change is not None and change.action in _RENEWS:
            return True
        record = self.record_of(reference.address)
        if record is None:
            return False
        config = record.config
        if change is not None and change.after is not None:
            config = change.after
        elif reference.address in self._settled:
            config = self._resolved(self.stack.resources[reference.address])
        attributes = {
            **record.attributes,
            **self._observed.get(reference.address, {}),
            **(change.update if change is not None else {}),
        }
        if not is_known(dict(config)):
            return True
        now = trigger_value(reference, record.id, config, attributes, self.snapshot.key)
        return bool(now != before)

    def _complain(
        self,
        change: ResourceChange,
        resource: Resource,
        record: Record | None,
        sight: Sight,
        demands: tuple[Reason, ...],
    ) -> None:
        """Say what cannot be done, and what the plan leaves as it is although it failed or was lost."""
        kind = kind_of(resource.kind)
        refused = [c.name for c in change.attributes if c.change is Change.REFUSED]
        for name in refused:
            self.found.add(refusal(resource, name, kind.attributes[name].loses))
        status = (sight.observed or {}).get("status")
        if "quantity" in change.update and status in NOT_BEGUN:
            self.found.add(not_begun(resource))
        if demands and record is not None and resource.kind is Kind.RESERVATION and not sight.gone:
            self.found.add(refusal(resource, "", kind.loses, demands[0].words))
        if record is None:
            return
        if change.action is Action.REPLACE and (problem := protected(record, resource, change)):
            self.found.add(problem)
        if resource.kind is not Kind.TASK or change.action not in (Action.NO_OP, Action.UPDATE):
            return
        if sight.completion is not None:
            code = sight.completion.get("exit_code")
            if isinstance(code, int) and code != 0:
                self.found.add(failed(resource, code))
        elif sight.gone and resource.lifecycle.on_lost == "fail":
            self.found.add(lost(record, resource))

    def _see(self, record: Record | None) -> Sight:
        """What is known of a recorded object now."""
        if record is None:
            return Sight()
        completion = self._completion(record)
        if self.observation is None or record.kind not in self.observation.kinds:
            return Sight(completion=completion)
        seen = self.observation.find(record.kind, record.id)
        if seen is None and is_fresh(record, self.observation):
            return Sight(completion=completion)
        if seen is None or not seen.exists:
            return Sight(seen.attributes if seen else None, True, completion)
        self._observed[record.address] = seen.attributes
        return Sight(seen.attributes, False, completion)

    def _ended(self, record: Record) -> frozenset[str]:
        """Those among the deposed objects that are listed as ended; one that is not listed may yet exist."""
        seen = (
            [self.observation.find(record.kind, old.id) for old in record.deposed] if self.observation else []
        )
        return frozenset(one.id for one in seen if one is not None and not one.exists)

    def _completion(self, record: Record) -> Mapping[str, Any] | None:
        if self.observation is not None and record.id in self.observation.completions:
            return self.observation.completions[record.id]
        return record.attributes.get("completion")

    def _note_drift(self, record: Record, sight: Sight, change: ResourceChange | None) -> None:
        if self.observation is None:
            return
        over = sight.completion is not None or record.kind is Kind.RESERVATION
        events = self.observation.events.get(record.id, ())
        drift = note_drift(record, sight.observed, sight.gone, over, events)
        if drift is not None:
            self.drift.append(evolve(drift, kind=classify(drift, change)))
