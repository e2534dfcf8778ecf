"""From a stack and its recorded state to the graph that both planning and drawing use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import field

from flowplan.graph.order import find_cycle
from flowplan.graph.triggers import Known, known_addresses, trigger_references
from flowplan.lang.stack import Condition, Resource, Source, Stack
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, Span
from flowplan.values.value import Reference


@frozen
class Edge:
    """Why one resource comes after another: a reference (``reason`` names the attribute) or a declared dependency."""

    dependent: Address
    dependency: Address
    reason: str
    condition: Condition = Condition.CREATED
    span: Span | None = None


@frozen
class Graph:
    """Resources, desired or only recorded, and the edges between them, by dependent."""

    needs: Mapping[Address, tuple[Address, ...]]
    edges: Mapping[Address, tuple[Edge, ...]]
    sources: tuple[Source, ...] = field(default=(), eq=False, repr=False)

    def line_of(self, span: Span) -> str:
        """The line of the stack's text that a span starts on."""
        text = next((source.text for source in self.sources if source.path == span.source), "")
        lines = text.splitlines()
        return lines[span.line - 1] if 0 < span.line <= len(lines) else ""

    def _place(self, edge: Edge) -> Span | None:
        """Where the reference stands that made an edge; where it is not written out, what the edge itself knows."""
        span, wanted = edge.span, edge.reason.rpartition(" uses ")[2]
        text = next((s.text for s in self.sources if span and s.path == span.source), "")
        if span is None or wanted == edge.reason:
            return span
        for number, line in enumerate(text.splitlines()[span.line - 1 :], span.line):
            column = line.find(wanted) + 1
            if column:
                return Span(span.source, number, column, number, column + len(wanted))
        return span

    def cycle(self) -> Diagnostic | None:
        """The diagnostic of a circle of dependencies, as the chain of addresses with positions, if there is one."""
        chain = find_cycle(self.needs)
        if not chain:
            return None
        lines, first = [], None
        for index, address in enumerate(chain):
            after = chain[(index + 1) % len(chain)]
            edge = next(e for e in self.edges[address] if e.dependency == after)
            place = self._place(edge)
            first = first or place
            where = f" ({place})" if place else ""
            lines.append(f"{address} needs {after}: {edge.reason}{where}")
        path = " -> ".join(str(address) for address in [*chain, chain[0]])
        return Diagnostic.error(
            f"dependency cycle: {path}",
            "\n".join(lines),
            span=first,
            snippet=self.line_of(first) if first else "",
            address=chain[0],
            suggestion="Remove one of these references or depends_on entries.",
        )


class _Edges(Mapping[Address, tuple[Edge, ...]]):
    """The edges from each resource, made when they are asked for: a plan asks only for those of what it makes."""

    def __init__(self, stack: Stack, needs: Mapping[Address, tuple[Address, ...]], known: Known) -> None:
        self._stack, self._needs, self._known = stack, needs, known

    def __getitem__(self, address: Address) -> tuple[Edge, ...]:
        resource = self._stack.resources.get(address)
        if resource is None:
            return tuple(Edge(address, d, "recorded when it was applied") for d in self._needs[address])
        found: dict[Address, Edge] = {}
        for reference in resource.references:
            if reference.address not in found:
                reason = f"its configuration uses {reference}"
                found[reference.address] = Edge(address, reference.address, reason, span=resource.span)
        for dependency in resource.depends_on:
            reason = "depends_on"
            if dependency.condition is not Condition.CREATED:
                reason = f"depends_on ({dependency.condition.value})"
            found[dependency.address] = Edge(
                address, dependency.address, reason, dependency.condition, dependency.span or resource.span
            )
        for reference in _triggers(resource, self._known):
            if reference.address not in found:
                reason = f"replace_triggered_by {reference}"
                found[reference.address] = Edge(address, reference.address, reason, span=resource.span)
        return tuple(found.values())

    def __iter__(self) -> Iterator[Address]:
        return iter(self._needs)

    def __len__(self) -> int:
        return len(self._needs)


def _triggers(resource: Resource, known: Known) -> list[Reference]:
    """What ``replace_triggered_by`` names besides the resource itself."""
    if not resource.lifecycle.replace_triggered_by:
        return []
    return [r for r in trigger_references(resource, known)[0].values() if r.address != resource.address]


def build(stack: Stack, snapshot: Snapshot) -> Graph:
    """The graph of all resources that are desired or recorded.

    Desired ones are connected by what they reference and by ``depends_on``; ones that are only recorded,
    by the direct dependencies written down when they were applied.
    """
    needs: dict[Address, tuple[Address, ...]] = {}
    triggered = any(resource.lifecycle.replace_triggered_by for resource in stack.resources.values())
    known = known_addresses(stack.resources) if triggered else {}
    for address, resource in stack.resources.items():
        found = [reference.address for reference in resource.references]
        if resource.depends_on or triggered:
            found += [dependency.address for dependency in resource.depends_on]
            found += [reference.address for reference in _triggers(resource, known)]
        needs[address] = tuple(dict.fromkeys(found) if len(found) > 1 else found)
    for address, record in snapshot.records.items():
        if address not in needs:
            needs[address] = tuple(
                d for d in record.dependencies if d in stack.resources or d in snapshot.records
            )
    return Graph(needs, _Edges(stack, needs, known), stack.sources)
