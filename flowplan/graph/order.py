"""Orders over plain adjacency, linear in nodes and edges.

networkx is asked only where a cycle is to be explained: its import alone costs more than ordering ten
thousand resources (the measurement is in docs/decisions).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

Node = TypeVar("Node", bound=Hashable)


class CycleFound(Exception):
    """The relation is no partial order."""


def topological(needs: Mapping[Node, Iterable[Node]], key: Callable[[Node], Any] | None = None) -> list[Node]:
    """Nodes with each after all it needs; among the ready ones the smallest by ``key`` comes first.

    What is needed but is no node itself is passed over.

    Raises:
        CycleFound: some nodes need each other.
    """
    missing: dict[Node, int] = {}
    dependents: dict[Node, list[Node]] = {node: [] for node in needs}
    for node, wanted in needs.items():
        count = 0
        for other in set(wanted):
            if other in dependents:
                dependents[other].append(node)
                count += 1
        missing[node] = count
    position = {node: index for index, node in enumerate(sorted(needs, key=key) if key else needs)}
    nodes = list(position)
    ready = [position[node] for node, count in missing.items() if count == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        node = nodes[heapq.heappop(ready)]
        order.append(node)
        for dependent in dependents[node]:
            missing[dependent] -= 1
            if missing[dependent] == 0:
                heapq.heappush(ready, position[dependent])
    if len(order) != len(missing):
        raise CycleFound
    return order


def find_cycle(needs: Mapping[Node, Iterable[Node]]) -> list[Node]:
    """One shortest-to-read circle of needs (first node not repeated), or [] when there is none.

    Asks networkx for the strongly connected components, then walks the smallest one: the general cycle
    search takes seconds on large graphs that have none.
    """
    try:
        topological(needs)
    except CycleFound:
        pass
    else:
        return []
    import networkx as nx

    graph: nx.DiGraph[Node] = nx.DiGraph((node, other) for node, wanted in needs.items() for other in wanted)
    loops = [node for node in graph if graph.has_edge(node, node)]
    if loops:
        return [min(loops, key=str)]
    component = min(
        (c for c in nx.strongly_connected_components(graph) if len(c) > 1),
        key=lambda c: (len(c), min(map(str, c))),
    )
    start = min(component, key=str)
    inside = graph.subgraph(component)
    back = min(
        inside.predecessors(start), key=lambda node: (nx.shortest_path_length(inside, start, node), str(node))
    )
    return list(nx.shortest_path(inside, start, back))


def ranks(needs: Mapping[Node, Iterable[Node]], weight: Callable[[Node], float]) -> dict[Node, float]:
    """The weight of the longest chain of dependents from each node on, its own included (critical path)."""
    order = topological(needs)
    rank = {node: weight(node) for node in order}
    for node in reversed(order):
        through = rank[node]
        for other in needs[node]:
            if other in rank:
                rank[other] = max(rank[other], weight(other) + through)
    return rank
