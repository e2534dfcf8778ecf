"""The form of a scenario, one row of a table: before, edit, what was observed, and the exact plan that follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen
from plan_builders import REGION, actions, observe, recorded, stack, steps

from flowplan.lang.entries import Import, Moved, Removed
from flowplan.lang.stack import Stack
from flowplan.plan.change import Mode, Plan, PlanOptions
from flowplan.plan.planner import plan
from flowplan.state.snapshot import Deposed, Snapshot
from flowplan.values.address import Address, Kind

NEW = "it is not in the state yet"
REMOVED = "it is not in the stack any more"
GONE = "it no longer exists at the provider"
ALL = {"allow_data_loss": ("**",), "allow_commitment_loss": ("**",)}
"""The options of someone who allows every loss."""


@frozen
class Case:
    """One row. ``before`` None: never applied; ``after`` None: as before. ``see`` are arguments of `observe`.

    ``life`` are lifecycle settings by address, before and after (``was`` where before it was otherwise).
    ``moved``, ``removed`` and ``imports`` are the stack's entries. ``known`` adds recorded attributes, ``deposed``
    objects that were replaced and not destroyed. ``asked`` are options; ``code`` is the exit code of a refusal.
    """

    before: str | None
    after: str | None = None
    do: Mapping[str, str] = field(factory=dict)
    why: Mapping[str, tuple[str, ...]] = field(factory=dict)
    steps: list[str] | None = None
    see: Mapping[str, Any] | None = field(factory=dict)
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    destroy: bool = False
    mode: Mode = Mode.NORMAL
    outputs: Mapping[str, str] = field(factory=dict)
    life: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    was: Mapping[str, Mapping[str, Any]] | None = None
    moved: Mapping[str, str] = field(factory=dict)
    moves: Mapping[str, str] = field(factory=dict)
    removed: Mapping[str, bool] = field(factory=dict)
    imports: Mapping[str, str] = field(factory=dict)
    known: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    deposed: Mapping[str, str] = field(factory=dict)
    asked: Mapping[str, tuple[str, ...]] = field(factory=dict)
    drift: Mapping[str, str] = field(factory=dict)
    code: int | None = None
    losses: Mapping[str, tuple[str, ...]] = field(factory=dict)
    amount: Mapping[str, float] = field(factory=dict)
    skipped: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    refreshed: tuple[str, ...] = ()


def with_life(desired: Stack, life: Mapping[str, Mapping[str, Any]]) -> Stack:
    """The stack with lifecycle settings."""
    resources = dict(desired.resources)
    for text, settings in life.items():
        resource = resources[Address.parse(text)]
        resources[resource.address] = evolve(resource, lifecycle=evolve(resource.lifecycle, **settings))
    return evolve(desired, resources=resources)


def before_of(case: Case) -> Snapshot:
    """What is recorded when the plan of a case is made."""
    first = stack(case.before if case.before is not None else "tasks: {}")
    was = case.was if case.was is not None else case.life
    was = {a: s for a, s in was.items() if Address.parse(a) in first.resources}
    snapshot = recorded(with_life(first, was))
    records = dict(snapshot.records)
    for text, attributes in case.known.items():
        record = records[Address.parse(text)]
        records[record.address] = evolve(record, attributes={**record.attributes, **attributes})
    for text, id in case.deposed.items():
        record = records[Address.parse(text)]
        records[record.address] = evolve(record, deposed=(Deposed(id, "old", record.dependencies),))
    return evolve(snapshot, records=records)


def after_of(case: Case) -> Stack:
    """What is wanted."""
    text = case.after if case.after is not None else case.before
    desired = with_life(stack(text or "tasks: {}"), case.life)
    imports = []
    for to, what in case.imports.items():
        by_id = what.startswith(("vol_", "bid_", "res_"))
        imports.append(Import(Address.parse(to), what if by_id else None, None if by_id else what))
    return evolve(
        desired,
        moved=tuple(Moved(origin, to) for origin, to in case.moved.items()),
        removed=tuple(Removed(origin, destroy) for origin, destroy in case.removed.items()),
        imports=tuple(imports),
    )


def plan_of(case: Case) -> Plan:
    """The plan that a case is about."""
    before = before_of(case)
    seen = None if case.see is None else observe(before, **case.see)
    mode = Mode.DESTROY if case.destroy else case.mode
    return plan(after_of(case), before, seen, (), PlanOptions(mode, REGION, **case.asked))


def check_case(case: Case) -> None:
    """Whether the plan of a case is exactly as the row says."""
    made = plan_of(case)
    assert tuple(d.summary for d in made.diagnostics if d.is_error) == case.errors
    assert tuple(d.summary for d in made.diagnostics if not d.is_error) == case.warnings
    assert actions(made) == case.do
    reasons = {label(c): tuple(map(str, c.reasons)) for c in made.changes}
    assert {address: reasons[address] for address in case.why} == case.why
    if case.steps is not None:
        assert steps(made) == case.steps
    assert {o.name: o.action.value for o in made.outputs} == case.outputs
    assert {str(m.origin): str(m.to) for m in made.moves} == case.moves
    if case.drift:
        assert {
            str(d.address): d.kind.value + (f" by {d.by}" if d.by else "") for d in made.drift
        } == case.drift
    by = {label(c): c for c in made.changes}
    assert {a: tuple(loss.name for loss in by[a].losses) for a in case.losses} == case.losses
    assert {a: by[a].committed_usd or by[a].costs_usd for a in case.amount} == case.amount
    assert tuple(map(str, made.skipped)) == case.skipped
    assert tuple(map(str, made.forgotten)) == case.forgotten
    assert tuple(str(record.address) for record in made.refreshes) == case.refreshed
    done = case.do or case.outputs or case.moves or case.forgotten or case.refreshed
    assert made.is_empty is not bool(done)
    assert made.error_code == (case.code if case.code is not None else 1 if case.errors else 0)
    assert all(d.suggestion for d in made.diagnostics if d.is_error)


def label(change: Any) -> str:
    """A change's address, with the id of the object where it is about one that was replaced."""
    return f"{change.address} ({change.deposed})" if change.deposed else str(change.address)


VOLUMES = Kind.VOLUME
