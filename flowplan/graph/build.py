"""From a stack and its recorded state to the graph that both planning and drawing use."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from flowplan.graph.order import find_cycle
from flowplan.lang.stack import Condition, Source, Stack
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic, Span


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

    def cycle(self) -> Diagnostic | None:
        """The diagnostic of a circle of dependencies, as the chain of addresses with positions, if there is one."""
        chain = find_cycle(self.needs)
        if not chain:
            return None
        lines, first = [], None
        for index, address in enumerate(chain):
            after = chain[(index + 1) % len(chain)]
            edge = next(e for e in self.edges[address] if e.dependency == after)
            first = first or edge.span
            where = f" ({edge.span})" if edge.span else ""
            lines.append(f"{address} needs {after}: {edge.reason}{where}")
        path = " -> ".join(str(address) for address in [*chain, chain[0]])
        return Diagnostic.error(
            f"Dependency cycle: {path}",
            "\n".join(lines),
            span=first,
            snippet=self.line_of(first) if first else "",
            address=chain[0],
            suggestion="Remove one of these references or depends_on entries.",
        )


def build(stack: Stack, snapshot: Snapshot) -> Graph:
    """The graph of all resources that are desired or recorded.

    Desired ones are connected by what they reference and by ``depends_on``; ones that are only recorded,
    by the direct dependencies written down when they were applied.
    """
    needs: dict[Address, tuple[Address, ...]] = {}
    edges: dict[Address, tuple[Edge, ...]] = {}
    for address, resource in stack.resources.items():
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
        edges[address] = tuple(found.values())
        needs[address] = tuple(found)
    for address, record in snapshot.records.items():
        if address not in needs:
            known = tuple(d for d in record.dependencies if d in stack.resources or d in snapshot.records)
            needs[address] = known
            edges[address] = tuple(Edge(address, d, "recorded when it was applied") for d in known)
    return Graph(needs, edges, stack.sources)
