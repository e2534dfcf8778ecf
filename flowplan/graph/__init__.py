"""The dependency graph: which resource needs which, why, in what order, and where it goes in a circle."""

from __future__ import annotations

from flowplan.graph.build import Edge, Graph, build
from flowplan.graph.order import CycleFound, find_cycle, ranks, topological

__all__ = ["CycleFound", "Edge", "Graph", "build", "find_cycle", "ranks", "topological"]
