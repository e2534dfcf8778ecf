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
    nodes = sorted(needs, key=key) if key else list(needs)
    position = {node: index for index, node in enumerate(nodes)}
    # Why by position: to compare, count and collect numbers costs a fraction of looking up nodes by their hash.
    missing = [0] * len(nodes)
    dependents: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        for other in dict.fromkeys(needs[node]):
            at = position.get(other)
            if at is not None:
                dependents.setdefault(at, []).append(index)
                missing[index] += 1
    ready = [index for index, count in enumerate(missing) if count == 0]  # in order, and so a heap
    order = []
    while ready:
        index = heapq.heappop(ready)
        order.append(nodes[index])
        for dependent in dependents.get(index, ()):
            missing[dependent] -= 1
            if missing[dependent] == 0:
                heapq.heappush(ready, dependent)
    if len(order) != len(nodes):
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
