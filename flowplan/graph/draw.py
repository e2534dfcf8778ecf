"""Drawing: the graph as DOT or Mermaid text, without the edges that others already imply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowplan.graph.build import Graph
from flowplan.graph.order import topological
from flowplan.values.address import Address


def reduce(needs: Mapping[Address, Iterable[Address]]) -> dict[Address, list[Address]]:
    """The transitive reduction: only needs that no longer chain implies. Integer bit sets, dependencies first."""
    order = topological(needs)
    index = {node: position for position, node in enumerate(order)}
    reach = [0] * len(order)
    kept: dict[Address, list[Address]] = {}
    for node in order:
        wanted = sorted({index[other] for other in needs[node] if other in index}, reverse=True)
        covered, direct = 0, []
        for position in wanted:
            if not covered >> position & 1:
                direct.append(order[position])
                covered |= reach[position] | 1 << position
        reach[index[node]] = covered
        kept[node] = sorted(direct)
    return kept


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def dot(graph: Graph) -> str:
    """DOT text; an edge points from the dependent to what it needs, as Terraform draws it."""
    lines = ["digraph flowplan {", '  rankdir = "RL";', "  node [shape = rect];"]
    kept = reduce(graph.needs)
    lines += [f"  {_quote(str(address))};" for address in sorted(kept)]
    lines += [f"  {_quote(str(a))} -> {_quote(str(b))};" for a in sorted(kept) for b in kept[a]]
    return "\n".join([*lines, "}"])


def mermaid(graph: Graph) -> str:
    """Mermaid flowchart text; an edge points from the dependent to what it needs."""
    kept = reduce(graph.needs)
    names = {address: f"n{number}" for number, address in enumerate(sorted(kept))}
    lines = ["flowchart RL"]
    lines += [
        f"  {name}[{_quote(str(address)).replace(chr(92) + chr(34), '#quot;')}]"
        for address, name in names.items()
    ]
    lines += [f"  {names[a]} --> {names[b]}" for a in sorted(kept) for b in kept[a]]
    return "\n".join(lines)
