"""``flowplan graph``: the dependency graph as DOT or Mermaid text."""

from __future__ import annotations

import click

from flowplan.cli.context import Context, Inputs
from flowplan.cli.options import stack_path, variables


@click.command("graph")
@stack_path
@variables
@click.option(
    "--format",
    "form",
    type=click.Choice(["dot", "mermaid"]),
    default="dot",
    show_default=True,
    help="How it is written.",
)
def command(path: str, variables: tuple[str, ...], var_files: tuple[str, ...], form: str) -> int:
    """Draw the graph of the stack at PATH; an edge points from a resource to what it needs."""
    from flowplan.graph import build
    from flowplan.graph.draw import dot, mermaid
    from flowplan.state.snapshot import Snapshot
    from flowplan.values.diagnostic import FlowplanError

    loaded = Context.make().load(path, Inputs(variables, var_files))
    graph = build(loaded.stack, Snapshot(loaded.stack.name))
    if circle := graph.cycle():
        raise FlowplanError(circle)
    click.echo(dot(graph) if form == "dot" else mermaid(graph))
    return 0
