"""Order, cycles, ranks, reduction and drawing, each beside networkx or brute force."""

from __future__ import annotations

import re
from collections.abc import Mapping

import networkx as nx  # noqa: TID253 - the oracle of these tests
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.graph import Graph, find_cycle, ranks, topological
from flowplan.graph.draw import dot, mermaid, reduce
from flowplan.graph.order import CycleFound
from flowplan.values.address import Address, Kind

relations = st.integers(0, 9).flatmap(
    lambda n: st.fixed_dictionaries(
        {i: st.lists(st.integers(0, n), max_size=4).map(tuple) for i in range(n + 1)}
    )
)
dags = st.integers(0, 9).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            i: st.lists(st.integers(0, i - 1), max_size=4, unique=True).map(tuple) if i else st.just(())
            for i in range(n + 1)
        }
    )
)


def as_nx(needs: Mapping[int, tuple[int, ...]]) -> nx.DiGraph[int]:
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(needs)
    graph.add_edges_from((node, other) for node, wanted in needs.items() for other in wanted)
    return graph


@given(dags)
def test_an_order_holds_every_node_once_after_all_it_needs(needs: dict[int, tuple[int, ...]]) -> None:
    order = topological(needs, key=lambda node: -node)
    assert sorted(order) == sorted(as_nx(needs).nodes)
    place = {node: index for index, node in enumerate(order)}
    assert all(place[other] < place[node] for node, wanted in needs.items() for other in wanted)
    assert order == list(nx.lexicographical_topological_sort(as_nx(needs).reverse(), key=lambda node: -node))


@given(relations)
def test_a_cycle_is_found_exactly_where_networkx_finds_one(needs: dict[int, tuple[int, ...]]) -> None:
    chain = find_cycle(needs)
    assert bool(chain) is not nx.is_directed_acyclic_graph(as_nx(needs))
    assert len(chain) == len(set(chain))
    assert all(chain[(i + 1) % len(chain)] in needs[node] for i, node in enumerate(chain))
    if chain:
        with pytest.raises(CycleFound):
            topological(needs)


@given(dags, st.lists(st.integers(1, 9), min_size=10, max_size=10))
def test_a_rank_is_the_longest_way_through_dependents(
    needs: dict[int, tuple[int, ...]], weights: list[int]
) -> None:
    def longest(node: int) -> int:
        return weights[node] + max((longest(d) for d, wanted in needs.items() if node in wanted), default=0)

    assert ranks(needs, lambda node: weights[node]) == {node: longest(node) for node in needs}


def test_what_is_needed_but_is_no_node_is_passed_over() -> None:
    assert topological({1: (7,), 2: (1, 7)}) == [1, 2]
    assert ranks({1: (7,), 2: (1,)}, lambda node: 1.0) == {1: 2.0, 2: 1.0}


def address(number: int) -> Address:
    return Address(Kind.TASK, f"t{number}")


@given(dags)
def test_drawing_keeps_only_what_no_longer_chain_implies(needs: dict[int, tuple[int, ...]]) -> None:
    by_address = {address(n): tuple(map(address, wanted)) for n, wanted in needs.items()}
    wanted = {(address(a), address(b)) for a, b in nx.transitive_reduction(as_nx(needs)).edges}
    assert {(a, b) for a, others in reduce(by_address).items() for b in others} == wanted
    graph = Graph(by_address, {})
    drawn = re.findall(r'"(task\.t\d)" -> "(task\.t\d)";', dot(graph))
    assert {(Address.parse(a), Address.parse(b)) for a, b in drawn} == wanted
    text = mermaid(graph)
    names = {node: Address.parse(label) for node, label in re.findall(r'(n\d+)\["(.*)"\]', text)}
    assert set(names.values()) == set(by_address)
    assert {(names[a], names[b]) for a, b in re.findall(r"(n\d+) --> (n\d+)", text)} == wanted


def test_drawings_quote_keys() -> None:
    one, other = Address(Kind.TASK, "a", 'k"1'), Address(Kind.VOLUME, "v")
    graph = Graph({one: (other,), other: ()}, {})
    assert '"task.a[\\"k\\\\\\"1\\"]" -> "volume.v";' in dot(graph)
    assert dot(graph).startswith("digraph flowplan {") and dot(graph).endswith("}")
    lines = mermaid(graph).splitlines()
    assert lines[0] == "flowchart RL" and all(line.count('"') in (0, 2) for line in lines)
