"""Restoring a lost state: which live objects are a stack's, told by their names, and the records they get again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from attrs import evolve, field

from flowplan.graph import Graph, topological
from flowplan.lang.stack import Resource, Stack
from flowplan.plan.decide import dependencies_of
from flowplan.plan.importing import record_of
from flowplan.plan.observation import Observation, Observed
from flowplan.plan.outputs import settled_outputs
from flowplan.plan.recognise import by_name, fitting, looks_of
from flowplan.resources import Settings, kind_of
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.value import NotYetKnown, Reference, is_known, resolve


@frozen
class Found:
    """The object of one declared resource. ``completion`` is the record its command left, where it has ended."""

    address: Address
    observed: Observed
    completion: Mapping[str, Any] | None = None


@frozen
class Finding:
    """What was found for the resources that are not on record.

    ``found`` are those with one object each, in the order of their addresses; ``several`` those with more than one
    live object, of which a person must choose; ``absent`` those with none. ``taken`` are objects that would fit, and
    that another stack has on record. ``wrong`` are choices that fit nothing, by the address they were made for.
    """

    found: tuple[Found, ...] = ()
    several: Mapping[Address, tuple[Observed, ...]] = field(factory=dict)
    absent: tuple[Address, ...] = ()
    taken: Mapping[Address, tuple[Observed, ...]] = field(factory=dict)
    wrong: Mapping[Address, str] = field(factory=dict)


def find_objects(
    stack: Stack,
    snapshot: Snapshot,
    observation: Observation,
    taken: Collection[tuple[Kind, str]],
    settings: Settings,
    chosen: Mapping[Address, str],
) -> Finding:
    """The object of each declared resource that is not on record.

    A live object with the resource's name is its object, where there is one only. Of tasks that have ended the
    newest counts if it left a completion record: then it has completed, and is not to be run again. ``taken`` are the
    objects on any record; ``chosen`` are ids a person has chosen, by address, and names do not matter for them.
    """
    looks = by_name(looks_of(stack, settings, snapshot.records))
    live: dict[Address, list[Observed]] = {}
    ended: dict[Address, list[Observed]] = {}
    elsewhere: dict[Address, list[Observed]] = {}
    given = {(address.kind, id) for address, id in chosen.items()}
    for observed in observation.objects.values():
        key = (observed.kind, observed.id)
        if key in given:
            continue
        for look in fitting(observed, looks):
            if key in taken:
                elsewhere.setdefault(look.address, []).append(observed)
            else:
                (live if observed.exists else ended).setdefault(look.address, []).append(observed)
    found: list[Found] = []
    several: dict[Address, tuple[Observed, ...]] = {}
    absent = []
    wrong = dict(_misfits(stack, snapshot, observation, taken, chosen))
    for address in sorted(stack.resources):
        if address in snapshot.records or address in wrong:
            continue
        if address in chosen:
            observed = observation.objects[address.kind, chosen[address]]
            found.append(Found(address, observed, observation.completions.get(observed.id)))
        elif len(candidates := live.get(address, [])) > 1:
            several[address] = tuple(sorted(candidates, key=_age))
        elif candidates:
            found.append(Found(address, candidates[0], observation.completions.get(candidates[0].id)))
        elif past := _completed(ended.get(address, []), observation):
            found.append(Found(address, past, observation.completions[past.id]))
        else:
            absent.append(address)
    lent = {a: tuple(sorted(others, key=_age)) for a, others in elsewhere.items() if a in absent}
    return Finding(tuple(found), several, tuple(absent), lent, wrong)


def ended_tasks(stack: Stack, snapshot: Snapshot, observation: Observation, settings: Settings) -> list[str]:
    """The ids of ended tasks whose completion records decide what `find_objects` finds: the newest of each name."""
    looks = by_name(looks_of(stack, settings, snapshot.records))
    newest: dict[Address, Observed] = {}
    for observed in observation.objects.values():
        if observed.kind is Kind.TASK and not observed.exists:
            for look in fitting(observed, looks):
                if look.address not in newest or _age(observed) > _age(newest[look.address]):
                    newest[look.address] = observed
    return sorted(observed.id for observed in newest.values())


def _completed(past: list[Observed], observation: Observation) -> Observed | None:
    """The newest of several ended tasks, if it left a completion record."""
    newest = max(past, key=_age, default=None)
    return newest if newest is not None and newest.id in observation.completions else None


def _age(observed: Observed) -> tuple[str, str]:
    return (observed.created_at.isoformat() if observed.created_at else "", observed.id)


def _misfits(
    stack: Stack,
    snapshot: Snapshot,
    observation: Observation,
    taken: Collection[tuple[Kind, str]],
    chosen: Mapping[Address, str],
) -> list[tuple[Address, str]]:
    wrong = []
    for address, id in chosen.items():
        observed = observation.find(address.kind, id)
        if address not in stack.resources:
            wrong.append((address, f"{address} is not declared in this stack"))
        elif address in snapshot.records:
            wrong.append((address, f"{address} is on record already, with {snapshot.records[address].id}"))
        elif observed is None or not (observed.exists or id in observation.completions):
            wrong.append((address, f"there is no {address.kind.value} {id} in this project"))
        elif (address.kind, id) in taken:
            wrong.append((address, f"{id} is on record already"))
    return wrong


def restored(
    stack: Stack, snapshot: Snapshot, graph: Graph, finding: Finding, settings: Settings
) -> tuple[list[Record], dict[str, Any]]:
    """The records of what was found, and the outputs, as an apply of the present stack would have left them.

    What the provider does not show (a task's command, say) is taken to be as declared; what it shows to be
    otherwise is recorded as it is, so that the next plan tells.
    """
    records = dict(snapshot.records)
    by_address = {one.address: one for one in finding.found}

    def lookup(reference: Reference) -> Any:
        record = records.get(reference.address)
        if record is None:
            raise NotYetKnown(str(reference))
        name = reference.attribute or kind_of(record.kind).id_attribute
        value = record.id if name == kind_of(record.kind).id_attribute else record.attributes.get(name)
        if value is None:
            raise NotYetKnown(str(reference))
        return value

    made = []
    for address in topological(graph.needs, key=lambda one: one.sort_key):
        one = by_address.get(address)
        if one is None:
            continue
        record = _record(stack.resources[address], one, lookup, settings, snapshot.key)
        records[address] = record
        made.append(record)
    return made, settled_outputs(stack, lookup, snapshot.key)


def _record(resource: Resource, one: Found, lookup: Any, settings: Settings, key: bytes) -> Record:
    config = dict(resource.config) if is_known(resource.config) else resolve(dict(resource.config), lookup)
    record = record_of(evolve(resource, config=config, unknown=None), one.observed, settings, key)
    attributes = dict(record.attributes)
    if one.completion is not None:
        attributes["completion"] = dict(one.completion)
        if not one.observed.exists:
            attributes["status"] = "completed"
    return evolve(
        record,
        attributes=attributes,
        dependencies=dependencies_of(resource, {}),
        protected=resource.lifecycle.prevent_destroy,
        retained=resource.lifecycle.on_remove == "retain",
    )
