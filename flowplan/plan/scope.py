"""What a plan is about: all of it, or what ``--target`` and ``--exclude`` leave (and what must come along)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import field

from flowplan.graph import Graph
from flowplan.plan.change import Mode, PlanOptions
from flowplan.plan.patterns import select
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic


@frozen
class Scope:
    """``left_out``: what the plan is not about. ``replaced``: what ``--replace`` names."""

    left_out: frozenset[Address] = frozenset()
    replaced: frozenset[Address] = frozenset()
    problems: tuple[Diagnostic, ...] = field(default=())


def find_scope(graph: Graph, snapshot: Snapshot, wanted: Iterable[Address], options: PlanOptions) -> Scope:
    """The scope of a plan. What a target depends on comes along; what depends on something excluded stays out too.

    Where things are destroyed it is the other way round: what depends on a target goes before it, and what
    something excluded depends on stays. ``wanted`` are the addresses of the stack.
    """
    if not (options.targets or options.excludes or options.replace):
        return Scope()
    everything = list(graph.needs)
    replaced, problems = select(options.replace, everything, "--replace")
    if options.replace and options.mode is not Mode.NORMAL:
        problems.append(
            Diagnostic.error(
                "--replace goes with a normal plan only",
                f"This one is {options.mode.value}, and makes nothing.",
                suggestion="Leave --replace out.",
            )
        )
    inside = frozenset(everything)
    if options.targets:
        chosen, found = select(options.targets, everything, "--target")
        problems += found
        inside = _with_targets(chosen, graph, snapshot, frozenset(wanted), options.mode)
    if options.excludes:
        out, found = select(options.excludes, everything, "--exclude")
        problems += found
        inside -= _closure(out, _ways(graph, snapshot, options.mode is not Mode.DESTROY))
    return Scope(frozenset(everything) - inside, replaced, tuple(problems))


def _with_targets(
    chosen: frozenset[Address], graph: Graph, snapshot: Snapshot, wanted: frozenset[Address], mode: Mode
) -> frozenset[Address]:
    if mode is Mode.DESTROY:
        return _closure(chosen, _ways(graph, snapshot, dependents=True))
    # What is only to be removed needs nothing to be made for it.
    needs = {address: graph.needs[address] for address in graph.needs if address in wanted}
    inside = _closure(chosen, needs)
    if ending := inside - wanted:
        # What is removed can go only after what was recorded as needing it has gone or let go of it.
        inside |= _closure(ending, _ways(graph, snapshot, dependents=True))
        inside = _closure(inside, needs)
    return inside


def _ways(graph: Graph, snapshot: Snapshot, dependents: bool) -> Mapping[Address, Iterable[Address]]:
    """From each resource to its dependents, or to its dependencies, desired and recorded."""
    ways: dict[Address, list[Address]] = {}
    for address in graph.needs:
        record = snapshot.records.get(address)
        for other in dict.fromkeys((*graph.needs[address], *(record.dependencies if record else ()))):
            start, end = (other, address) if dependents else (address, other)
            ways.setdefault(start, []).append(end)
    return ways


def _closure(start: Iterable[Address], ways: Mapping[Address, Iterable[Address]]) -> frozenset[Address]:
    found, waiting = set(start), list(start)
    while waiting:
        for other in ways.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return frozenset(found)


def partial_note(left_out: Iterable[Address], options: PlanOptions) -> Diagnostic:
    """The warning that a plan is partial, and what it leaves out."""
    names = sorted(str(address) for address in left_out)
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    used = [word for word, given in (("--target", options.targets), ("--exclude", options.excludes)) if given]
    return Diagnostic.warning(
        "The plan is partial",
        f"{' and '.join(used)} leave{'s' if len(used) == 1 else ''} out {shown}. What is left out may not be as the stack says.",
        suggestion="Plan without these options before you rely on the stack being reached.",
    )
