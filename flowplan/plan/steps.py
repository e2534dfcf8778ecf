"""From changes to the action graph: what must have happened before each step may start (law 4, ordering)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field

from flowplan.graph import Edge, Graph, topological
from flowplan.graph.order import CycleFound
from flowplan.lang.stack import Condition, Stack
from flowplan.plan.change import Action, ResourceChange, Step, StepKind
from flowplan.plan.holders import block_handovers, detaches_first
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.classes import define

_MAKES = {Action.CREATE: StepKind.CREATE, Action.REPLACE: StepKind.CREATE, Action.UPDATE: StepKind.UPDATE}
_ENDS = {Action.DELETE: StepKind.DELETE, Action.REPLACE: StepKind.DELETE, Action.FORGET: StepKind.FORGET}


def _id(kind: StepKind, address: Address, deposed: str = "") -> str:
    return f"{kind.value} {address}" + (f" ({deposed})" if deposed else "")


@define(eq=False)
class _Drawing:
    """The action graph while it is drawn. ``wishes`` are needs that are given up where they close a circle."""

    by_address: Mapping[Address, ResourceChange]
    needs: dict[str, list[str]] = field(factory=dict)
    tolerates: dict[str, list[str]] = field(factory=dict)
    facts: dict[str, dict[str, Any]] = field(factory=dict)
    wishes: list[tuple[str, str]] = field(factory=list)

    def add(self, kind: StepKind, address: Address, deposed: str = "", **more: Any) -> str:
        step = more.pop("id", "") or _id(kind, address, deposed)
        self.needs.setdefault(step, [])
        self.facts.setdefault(step, {"kind": kind, "address": address, "deposed": deposed, **more})
        return step

    def made(self, address: Address) -> str:
        """The step after which a resource is as it is wanted; "" where nothing is done to make it so."""
        change = self.by_address.get(address)
        return _id(_MAKES[change.action], address) if change is not None and change.action in _MAKES else ""

    def ended(self, address: Address) -> str:
        """The step that ends what is recorded now; "" where it stays."""
        change = self.by_address.get(address)
        if change is None or change.action not in _ENDS:
            return ""
        return _id(_ENDS[change.action], address, change.id if change.creates_first else "")


def build_steps(
    stack: Stack, graph: Graph, snapshot: Snapshot, changes: Sequence[ResourceChange]
) -> tuple[Step, ...]:
    """The steps of a plan in an order that respects all needs.

    Made after what it depends on is made (or has run as far as ``depends_on`` asks); destroyed after every
    dependent is destroyed or has let go of it; a replacement is made after the old one is gone, or, created
    first, before: then the old one goes when the new one runs and all its dependents have moved over.
    """
    drawing = _Drawing({change.address: change for change in changes if not change.deposed})
    for change in changes:
        _add_own(change, snapshot, drawing)
    for change in changes:
        if not change.deposed and change.action in _MAKES:
            _after_dependencies(change, stack, graph, snapshot, drawing)
    _before_dependencies(snapshot, changes, drawing)
    _after_letting_go(changes, drawing)
    for giver, taker in block_handovers(stack, snapshot, drawing.by_address):
        _hand_over(giver, taker, drawing)
    _free_names(changes, drawing)
    return tuple(
        Step(
            id=step,
            needs=tuple(dict.fromkeys(drawing.needs[step])),
            tolerates=tuple(dict.fromkeys(drawing.tolerates.get(step, ()))),
            **drawing.facts[step],
        )
        for step in _ordered(drawing)
    )


def _add_own(change: ResourceChange, snapshot: Snapshot, drawing: _Drawing) -> None:
    """The steps of one change, in the order they have among themselves."""
    address = change.address
    if change.deposed:
        _end_deposed(change, snapshot, drawing)
        return
    before = [drawing.add(StepKind.IMPORT, address)] if change.imported else []
    if change.action in (Action.UPDATE, Action.FORGET) and detaches_first(change):
        let_go = drawing.add(StepKind.DETACH, address)
        drawing.needs[let_go] += before
        before = [let_go]
    if change.creates_first:
        made = drawing.add(StepKind.CREATE, address)
        drawing.needs[made] += before
        end = drawing.add(StepKind.DELETE, address, change.id)
        drawing.needs[end].append(made)
        _until_running(address, end, made, drawing)
        return
    if change.action in _ENDS:
        end = drawing.add(_ENDS[change.action], address)
        drawing.needs[end] += before
        before = [end]
    if change.action in _MAKES:
        made = drawing.add(_MAKES[change.action], address)
        drawing.needs[made] += before


def _end_deposed(change: ResourceChange, snapshot: Snapshot, drawing: _Drawing) -> None:
    """The end of an object that was replaced before: after its successor runs, before its address is given up."""
    address = change.address
    end = drawing.add(_ENDS[change.action], address, change.deposed)
    own = drawing.by_address.get(address)
    if own is not None and own.action in _ENDS and not own.creates_first:
        # Why: both are on the one record of the address, which must not be gone while it holds something.
        drawing.needs.setdefault(_id(_ENDS[own.action], address), []).append(end)
        return
    made = _id(_MAKES[own.action], address) if own is not None and own.action in _MAKES else ""
    if made:
        drawing.needs[end].append(made)
    record = snapshot.records.get(address)
    is_over = record is not None and record.attributes.get("completion") is not None
    if change.action is Action.DELETE and not is_over:
        _until_running(address, end, made, drawing)


def _until_running(address: Address, end: str, made: str, drawing: _Drawing) -> None:
    """Let a replaced task end only when its successor runs: that one may have to wait for a machine."""
    if address.kind is not Kind.TASK:
        return
    runs = drawing.add(StepKind.AWAIT, address, id=f"await {address} running", condition=Condition.RUNNING)
    if made and made not in drawing.needs[runs]:
        drawing.needs[runs].append(made)
    drawing.needs[end].append(runs)


def _ordered(drawing: _Drawing) -> list[str]:
    """The steps in order, with every wish granted that closes no circle.

    A wish is for something to be let go of before it is destroyed. It closes a circle where the one that lets
    go has to wait, in turn, for a replacement that comes after that very destruction.
    """
    facts = drawing.facts

    def sorted_by(graph: Mapping[str, list[str]]) -> list[str]:
        return topological(graph, key=lambda step: (facts[step]["address"].sort_key, step))

    wished = {step: list(others) for step, others in drawing.needs.items()}
    for step, other in drawing.wishes:
        wished[step].append(other)
    try:
        order = sorted_by(wished)
    except CycleFound:
        for step, other in dict.fromkeys(drawing.wishes):
            if not _leads_to(drawing.needs, other, step):
                drawing.needs[step].append(other)
        return sorted_by(drawing.needs)
    drawing.needs.update(wished)
    return order


def _leads_to(needs: Mapping[str, list[str]], start: str, end: str) -> bool:
    """Whether ``start`` needs ``end``, itself or by way of others."""
    seen, waiting = {start}, [start]
    while waiting:
        step = waiting.pop()
        if step == end:
            return True
        fresh = [other for other in needs.get(step, ()) if other not in seen]
        seen.update(fresh)
        waiting += fresh
    return False


def _after_dependencies(
    change: ResourceChange, stack: Stack, graph: Graph, snapshot: Snapshot, drawing: _Drawing
) -> None:
    own = _id(_MAKES[change.action], change.address)
    lenient = {d.address for d in stack.resources[change.address].depends_on if d.failed_ok}
    for edge in graph.edges.get(change.address, ()):
        step = _awaited(edge, change, snapshot, drawing, edge.dependency in lenient) or drawing.made(
            edge.dependency
        )
        if step:
            drawing.needs[own].append(step)
            if edge.dependency in lenient:
                drawing.tolerates.setdefault(own, []).append(step)


def _awaited(
    edge: Edge, change: ResourceChange, snapshot: Snapshot, drawing: _Drawing, failed_ok: bool
) -> str:
    """The step that waits until a predecessor has come as far as asked; "" where there is nothing to wait for."""
    other = edge.dependency
    if (
        edge.condition is Condition.CREATED
        or other.kind is not Kind.TASK
        or change.action is Action.UPDATE
        or _satisfied(edge, drawing.by_address.get(other), snapshot, failed_ok)
    ):
        return ""
    step = drawing.add(
        StepKind.AWAIT, other, id=f"await {other} {edge.condition.value}", condition=edge.condition
    )
    if (made := drawing.made(other)) and made not in drawing.needs[step]:
        drawing.needs[step].append(made)
    return step


def _satisfied(edge: Edge, change: ResourceChange | None, snapshot: Snapshot, failed_ok: bool) -> bool:
    """Whether a predecessor that is not being made anew has already come as far as asked."""
    if change is not None and change.action in (Action.CREATE, Action.REPLACE):
        return False
    record = snapshot.records.get(edge.dependency)
    completion = record.attributes.get("completion") if record else None
    if not isinstance(completion, Mapping):
        return False
    code = completion.get("exit_code")  # None where it was cancelled: then nothing runs, and nothing will
    return failed_ok or code == 0 or (edge.condition is Condition.RUNNING and code is not None)


def _before_dependencies(snapshot: Snapshot, changes: Sequence[ResourceChange], drawing: _Drawing) -> None:
    """What is destroyed waits for every recorded dependent that is destroyed; and, by wish, for those that let go.

    An update that sends nothing lets go of nothing. What is destroyed after its replacement was made waits for all
    its dependents: until then they hold the old one.
    """
    left: dict[Address, list[str]] = {}
    for change in changes:
        if change.deposed:
            left.setdefault(change.address, []).append(
                _id(_ENDS[change.action], change.address, change.deposed)
            )
    for change in changes:
        if change.deposed:
            own = _id(_ENDS[change.action], change.address, change.deposed)
            for dependency in change.dependencies:
                if end := drawing.ended(dependency):
                    drawing.needs[end].append(own)
                # Why: both may have been replaced by a run that was cut off, and the old one still holds the old.
                drawing.wishes += [(other, own) for other in left.get(dependency, ())]
            continue
        record = snapshot.records.get(change.address)
        for dependency in record.dependencies if record else ():
            if own := drawing.ended(change.address):
                drawing.wishes += [(other, own) for other in left.get(dependency, ())]
            end = drawing.ended(dependency)
            if not end:
                continue
            if own := drawing.ended(change.address):
                drawing.needs[end].append(own)
            if drawing.by_address[dependency].creates_first and (made := drawing.made(change.address)):
                drawing.wishes.append((end, made))
            elif (
                change.action is Action.UPDATE
                and change.update
                and dependency.kind is not Kind.VOLUME
                and dependency not in change.dependencies
            ):
                drawing.wishes.append((end, _id(StepKind.UPDATE, change.address)))


def _after_letting_go(changes: Sequence[ResourceChange], drawing: _Drawing) -> None:
    """A volume is destroyed after what goes on without it has let go of it."""
    ends = {
        change.id: _id(_ENDS[change.action], change.address, change.deposed)
        if change.deposed
        else drawing.ended(change.address)
        for change in changes
        if change.kind is Kind.VOLUME and change.action in _ENDS
    }
    for change in changes:
        lets_go = StepKind.DETACH if change.frees and detaches_first(change) else StepKind.UPDATE
        drawing.wishes += [(ends[id], _id(lets_go, change.address)) for id in change.frees]


def _free_names(changes: Sequence[ResourceChange], drawing: _Drawing) -> None:
    """What takes a volume's name waits until the one that bears it is gone or renamed: names are unique in a project."""
    freed = {}
    for change in changes:
        if change.kind is Kind.VOLUME and not change.deposed:
            if change.action in (Action.DELETE, Action.REPLACE):
                freed[change.name] = change.address, drawing.ended(change.address)
            elif "name" in change.update:
                freed[change.name] = change.address, _id(StepKind.UPDATE, change.address)
    for change in changes if freed else ():
        takes = change.action is Action.CREATE or "name" in change.update
        holder, step = freed.get(str(change.targets.get("name")), (None, ""))
        if takes and change.kind is Kind.VOLUME and step and holder != change.address:
            drawing.wishes.append((drawing.made(change.address), step))


def _hand_over(giver: Address, taker: Address, drawing: _Drawing) -> None:
    """A volume that one instance may use at a time is taken by one only after the other has let go of it."""
    detach = _id(StepKind.DETACH, giver)
    given = drawing.ended(giver) or (detach if detach in drawing.needs else drawing.made(giver))
    taken = drawing.made(taker)
    if given and taken and given != taken:
        drawing.wishes.append((taken, given))
