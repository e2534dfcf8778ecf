"""From changes to the action graph: what must have happened before each step may start (law 4, ordering)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowplan.graph import Graph, topological
from flowplan.graph.order import CycleFound
from flowplan.lang.stack import Condition, Stack
from flowplan.plan.change import Action, ResourceChange, Step, StepKind
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address, Kind

_MAKES = {Action.CREATE: StepKind.CREATE, Action.REPLACE: StepKind.CREATE, Action.UPDATE: StepKind.UPDATE}
_ENDS = {Action.DELETE: StepKind.DELETE, Action.REPLACE: StepKind.DELETE, Action.FORGET: StepKind.FORGET}


def _id(kind: StepKind, address: Address) -> str:
    return f"{kind.value} {address}"


def build_steps(
    stack: Stack, graph: Graph, snapshot: Snapshot, changes: Sequence[ResourceChange]
) -> tuple[Step, ...]:
    """The steps of a plan in an order that respects all needs.

    Made after what it depends on is made (or has run as far as ``depends_on`` asks); destroyed after every
    dependent is destroyed or has let go of it; a replacement is made after the old one is gone.
    """
    by_address = {change.address: change for change in changes}
    needs: dict[str, list[str]] = {}
    tolerates: dict[str, list[str]] = {}
    of: dict[str, tuple[StepKind, Address, Condition | None]] = {}

    def add(kind: StepKind, address: Address) -> str:
        step = _id(kind, address)
        needs.setdefault(step, [])
        of[step] = (kind, address, None)
        return step

    for change in changes:
        if change.action in _ENDS:
            add(_ENDS[change.action], change.address)
        if change.action in _MAKES:
            made = add(_MAKES[change.action], change.address)
            if change.action is Action.REPLACE:
                needs[made].append(_id(StepKind.DELETE, change.address))
    for change in changes:
        if change.action in _MAKES:
            _after_dependencies(change, stack, graph, snapshot, by_address, needs, tolerates, of)
    order = _ordered(needs, _before_dependencies(snapshot, by_address, needs), of)
    return tuple(
        Step(
            step,
            of[step][0],
            of[step][1],
            tuple(dict.fromkeys(needs[step])),
            tuple(tolerates.get(step, ())),
            of[step][2],
        )
        for step in order
    )


def _ordered(
    needs: dict[str, list[str]],
    wishes: Sequence[tuple[str, str]],
    of: Mapping[str, tuple[StepKind, Address, Condition | None]],
) -> list[str]:
    """The steps in order, with as many of ``wishes`` added to ``needs`` as close no circle: all, or else none.

    A wish is for something to be let go of before it is destroyed. It closes a circle where the one that lets
    go has to wait, in turn, for a replacement that comes after that very destruction.
    """
    wished = {step: list(others) for step, others in needs.items()}
    for step, other in wishes:
        wished[step].append(other)

    def sorted_by(graph: Mapping[str, list[str]]) -> list[str]:
        return topological(graph, key=lambda step: (of[step][1].sort_key, step))

    try:
        order = sorted_by(wished)
    except CycleFound:
        return sorted_by(needs)
    needs.update(wished)
    return order


def _after_dependencies(
    change: ResourceChange,
    stack: Stack,
    graph: Graph,
    snapshot: Snapshot,
    by_address: Mapping[Address, ResourceChange],
    needs: dict[str, list[str]],
    tolerates: dict[str, list[str]],
    of: dict[str, tuple[StepKind, Address, Condition | None]],
) -> None:
    own = _id(_MAKES[change.action], change.address)
    lenient = {d.address for d in stack.resources[change.address].depends_on if d.failed_ok}
    for edge in graph.edges.get(change.address, ()):
        other = by_address.get(edge.dependency)
        made = _id(_MAKES[other.action], edge.dependency) if other and other.action in _MAKES else ""
        waits = (
            edge.condition is not Condition.CREATED
            and edge.dependency.kind is Kind.TASK
            and change.action is not Action.UPDATE
        )
        if waits and not _satisfied(
            edge.dependency, edge.condition, other, snapshot, edge.dependency in lenient
        ):
            step = f"await {edge.dependency} {edge.condition.value}"
            if step not in needs:
                needs[step] = [made] if made else []
                of[step] = (StepKind.AWAIT, edge.dependency, edge.condition)
            needs[own].append(step)
            if edge.dependency in lenient:
                tolerates.setdefault(own, []).append(step)
        elif made:
            needs[own].append(made)
            if edge.dependency in lenient:
                tolerates.setdefault(own, []).append(made)


def _satisfied(
    address: Address,
    condition: Condition,
    change: ResourceChange | None,
    snapshot: Snapshot,
    failed_ok: bool,
) -> bool:
    """Whether a predecessor that is not being made anew has already come as far as asked."""
    if change is not None and change.action in (Action.CREATE, Action.REPLACE):
        return False
    record = snapshot.records.get(address)
    completion = record.attributes.get("completion") if record else None
    if not isinstance(completion, Mapping):
        return False
    return condition is Condition.RUNNING or failed_ok or completion.get("exit_code") == 0


def _before_dependencies(
    snapshot: Snapshot, by_address: Mapping[Address, ResourceChange], needs: dict[str, list[str]]
) -> list[tuple[str, str]]:
    """What is destroyed waits for every recorded dependent that is destroyed; and, by wish, for those that let go.

    Returns the wishes: (destruction, update that lets go of it). An update that sends nothing lets go of nothing.
    """
    wishes = []
    for address, change in by_address.items():
        record = snapshot.records.get(address)
        for dependency in record.dependencies if record else ():
            other = by_address.get(dependency)
            if other is None or other.action not in _ENDS:
                continue
            end = _id(_ENDS[other.action], dependency)
            if change.action in _ENDS:
                needs[end].append(_id(_ENDS[change.action], address))
            elif change.action is Action.UPDATE and change.update and dependency not in change.dependencies:
                wishes.append((end, _id(StepKind.UPDATE, address)))
    return wishes
