"""Builders of values for planning: stacks from inline YAML, records, observations. No files, no provider."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import evolve

from flowplan.lang.loader import load_stack
from flowplan.lang.reader import NoFiles
from flowplan.lang.stack import Source, Stack
from flowplan.lang.variables import VariableSource
from flowplan.plan.change import Mode, Plan, PlanOptions
from flowplan.plan.holders import kept_volumes
from flowplan.plan.moving import renamed
from flowplan.plan.observation import Observation, Observed, Offer
from flowplan.plan.planner import plan
from flowplan.plan.triggers import trigger_value
from flowplan.resources import Settings, kind_of
from flowplan.resources.price import limit_price
from flowplan.state.journal import Entry, Operation
from flowplan.state.snapshot import Deposed, Record, Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.value import NotYetKnown, Reference, resolve, seal

REGION = "us-central1-b"
PROJECT = "proj_1"
KEY = b"k" * 32
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_PREFIX = {Kind.TASK: "bid", Kind.VOLUME: "vol", Kind.RESERVATION: "res"}

TASK = "{command: echo hi, instance_type: a100, max_price_per_hour: 3.0, upload_code: false%s}"
VOLUME = "{size_gb: 10, interface: file%s}"


def stack(text: str, variables: Mapping[str, Any] | None = None) -> Stack:
    """The stack that the YAML text spells; the line ``stack:`` is added."""
    source = Source("stack.yaml", "stack: s\n" + textwrap.dedent(text))
    inputs = [VariableSource("the test", dict(variables or {}))]
    found, problems = load_stack([source], inputs, NoFiles(), "0.1")
    assert found is not None, [d.summary for d in problems]
    return found


def task(more: str = "") -> str:
    """A task's body in flow style, with more fields."""
    return TASK % (f", {more}" if more else "")


def volume(more: str = "") -> str:
    """A volume's body in flow style, with more fields."""
    return VOLUME % (f", {more}" if more else "")


def on_paper(
    plan_: Plan, stack_: Stack, before: Snapshot, region: str = REGION, number: str = ""
) -> Snapshot:
    """The snapshot that applying a plan would leave: each step does to records what it does to the world."""
    before = renamed(before, plan_.moves)
    records = dict(before.records)
    records.update((record.address, record) for record in plan_.refreshes)
    for address in plan_.forgotten:
        del records[address]
    changes = {change.address: change for change in plan_.changes if not change.deposed}

    def lookup(reference: Reference) -> Any:
        record = records.get(reference.address)
        name = reference.attribute or kind_of(reference.address.kind).id_attribute
        if record is None:
            raise NotYetKnown(str(reference))
        found = (
            record.id if name == kind_of(reference.address.kind).id_attribute else record.attributes.get(name)
        )
        if found is None:
            raise NotYetKnown(str(reference))
        return found

    for step in plan_.steps:
        change = changes.get(step.address)
        if step.deposed:
            record = records[step.address]
            left = tuple(old for old in record.deposed if old.id != step.deposed)
            assert len(left) == len(record.deposed) - 1
            records[step.address] = evolve(record, deposed=left)
        elif step.kind.value in ("delete", "forget"):
            assert not records[step.address].deposed, "what was replaced would be forgotten"
            del records[step.address]
        elif step.kind.value == "import":
            assert change is not None and change.record is not None
            records[step.address] = change.record
        elif step.kind.value == "detach":
            assert change is not None
            record = records[step.address]
            attributes = {**record.attributes, "volume_ids": kept_volumes(change)}
            records[step.address] = evolve(record, attributes=attributes)
        elif step.kind.value == "await":
            record = records[step.address]
            records[step.address] = evolve(
                record, attributes={**record.attributes, "completion": {"exit_code": 0}}
            )
        elif step.kind.value in ("create", "update"):
            assert change is not None and change.after is not None
            config = resolve(dict(change.after), lookup)
            kind = kind_of(step.address.kind)
            targets = kind.targets(config, Settings(region))
            for name in ("instance_type", "limit_price"):
                if targets.get(name) is None and change.targets.get(name) is not None:
                    targets[name] = change.targets[name]
            targets.pop("startup_script", None)
            kept: dict[str, Any] = {}
            if step.kind.value == "create":
                id = f"{_PREFIX[step.address.kind]}_{step.address.name}{step.address.key or ''}{number}"
                if step.address in records and records[step.address].id == id:
                    id += "'"
            else:
                id = records[step.address].id
                kept = {k: v for k, v in records[step.address].attributes.items() if k not in targets}
                targets = {name: value for name, value in targets.items() if name in change.update} | {
                    name: value
                    for name, value in records[step.address].attributes.items()
                    if name not in change.update
                }
            old = records.get(step.address)
            deposed = old.deposed if old is not None else ()
            if old is not None and change.creates_first:
                deposed = (*deposed, Deposed(old.id, old.name, old.dependencies))
            records[step.address] = Record(
                address=step.address,
                id=id,
                name=str(targets.get("name")),
                config=seal(config, before.key),
                attributes={**kept, **targets, kind.id_attribute: id},
                dependencies=change.dependencies,
                protected=change.protected,
                retained=change.retained,
                deposed=deposed,
                triggers={
                    text: trigger_value(
                        reference,
                        records[reference.address].id,
                        records[reference.address].config,
                        records[reference.address].attributes,
                        before.key,
                    )
                    for text, reference in change.triggers.items()
                },
            )
    outputs = dict(before.outputs)
    for output in plan_.outputs:
        if output.action.value == "delete":
            outputs.pop(output.name)
    if plan_.mode is not Mode.DESTROY:
        from flowplan.values.value import Sensitive, is_known, is_sensitive

        for name, declared in stack_.outputs.items():
            value = resolve(declared.value, lookup)
            if is_known(value):
                hidden = declared.sensitive and not is_sensitive(value)
                outputs[name] = seal(Sensitive(value) if hidden else value, before.key)
    return evolve(before, records=records, outputs=outputs, serial=before.serial + 1, project=PROJECT)


def empty() -> Snapshot:
    """The snapshot of a stack that was never applied."""
    return Snapshot("s", lineage="lineage", key=KEY)


def recorded(stack_: Stack, number: str = "") -> Snapshot:
    """The snapshot after a first apply of the stack, on paper."""
    return on_paper(
        plan(stack_, empty(), None, (), PlanOptions(region=REGION)), stack_, empty(), number=number
    )


def changed(snapshot: Snapshot, address: str, **attributes: Any) -> Snapshot:
    """The snapshot with recorded attributes of one resource set."""
    at = Address.parse(address)
    record = snapshot.records[at]
    return evolve(
        snapshot,
        records={**snapshot.records, at: evolve(record, attributes={**record.attributes, **attributes})},
    )


def observe(
    snapshot: Snapshot,
    *,
    gone: Iterable[str] = (),
    lost: Iterable[str] = (),
    drift: Mapping[str, Mapping[str, Any]] | None = None,
    foreign: Iterable[Observed] = (),
    completions: Mapping[str, Mapping[str, Any]] | None = None,
    offers: Iterable[Offer] = (),
    project: str = PROJECT,
    at: datetime | None = None,
    events: Mapping[str, Any] | None = None,
) -> Observation:
    """What a refresh sees of the recorded world.

    ``gone`` addresses are missing from the listing, ``lost`` ones are listed as ended, ``drift`` gives other
    attributes by address, ``completions`` completion records and ``events`` histories by address.
    """
    objects = {}
    for address, record in snapshot.records.items():
        if str(address) in gone:
            continue
        attributes = {**record.attributes, **((drift or {}).get(str(address)) or {})}
        objects[address.kind, record.id] = Observed(
            address.kind, record.id, record.name, str(address) not in lost, attributes, NOW
        )
    for other in foreign:
        objects[other.kind, other.id] = other
    done = {snapshot.records[Address.parse(a)].id: c for a, c in (completions or {}).items()}
    told = {snapshot.records[Address.parse(a)].id: e for a, e in (events or {}).items()}
    return Observation(project, objects, tuple(offers), frozenset(Kind), done, at, told)


def make(
    stack_: Stack,
    snapshot: Snapshot,
    observation: Observation | None = None,
    unfinished: Iterable[Entry] = (),
    mode: Mode = Mode.NORMAL,
    region: str = REGION,
) -> Plan:
    """A plan with the usual options."""
    return plan(stack_, snapshot, observation, tuple(unfinished), PlanOptions(mode, region))


def actions(plan_: Plan) -> dict[str, str]:
    """What the plan does, by address."""
    return {
        f"{change.address} ({change.deposed})" if change.deposed else str(change.address): change.action.value
        for change in plan_.changes
    }


def steps(plan_: Plan) -> list[str]:
    """The ids of the steps, in order."""
    return [step.id for step in plan_.steps]


def begun(address: str, **more: Any) -> Entry:
    """An operation that began and did not end."""
    settings: dict[str, Any] = {
        "operation": Operation.CREATE,
        "name": "v",
        "region": REGION,
        "number": 1,
        **more,
    }
    return Entry(address=Address.parse(address), run="r", begun_at=NOW, **settings)


__all__ = ["limit_price", *(name for name in dir() if not name.startswith("_"))]
