"""Outputs: settled after an apply, and printed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from flowplan.apply.run import Run
from flowplan.cli.planning import Planned
from flowplan.lang.stack import Stack
from flowplan.plan.change import Mode
from flowplan.plan.outputs import settled_outputs
from flowplan.report.paint import Paint, clean
from flowplan.values.diagnostic import Diagnostic
from flowplan.values.value import Fingerprint, Sensitive, transform


def settle_outputs(planned: Planned, run: Run) -> tuple[dict[str, Any], list[Diagnostic]]:
    """The outputs as they are now, sealed, and what is wrong with those that cannot be computed.

    One whose value no one knows yet, or that is wrong, is left out.
    """
    if planned.plan.mode is Mode.DESTROY:
        return ({} if not run.records else dict(planned.snapshot.outputs)), []
    wrong: list[Diagnostic] = []
    return settled_outputs(planned.loaded.stack, run.lookup, run.key, wrong), wrong


def masked(value: Any) -> Any:
    """A stored output as it may be shown."""
    return transform(
        value, lambda leaf: "<sensitive>" if isinstance(leaf, (Sensitive, Fingerprint)) else leaf
    )


def print_outputs(outputs: Mapping[str, Any], stack: Stack | None, paint: Paint) -> None:
    """``Outputs:`` with a line each; what is not known yet says so."""
    names = list(stack.outputs) if stack is not None else sorted(outputs)
    if not names:
        return
    click.echo("\n" + paint("Outputs:", "bold", "green") + "\n")
    for name in names:
        if name not in outputs:
            click.echo(f"{name} = (not known yet)")
            continue
        value = masked(outputs[name])
        text = "<sensitive>" if value == "<sensitive>" else json.dumps(value, indent=2, ensure_ascii=False)
        click.echo(f"{clean(name)} = {clean(text)}")
