"""``flowplan sandbox fault``."""

from __future__ import annotations

import json
from typing import Any

import click

from flowplan.cli.commands.sandbox.documents import read_document, refuse
from flowplan.cli.commands.sandbox.opening import home_option, opened, table
from flowplan.cli.options import as_json
from flowplan.values.diagnostic import Diagnostic, FlowplanError


@click.group("fault")
def fault() -> None:
    """Make the sandbox fail on demand: single requests, markets, quotas, whole objects."""


@fault.command("kinds")
def kinds() -> int:
    """List the kinds of faults and their settings."""
    from flowplan.sandbox.faults.kinds import KINDS

    for line in table(
        ["KIND", "WHAT HAPPENS", "SETTINGS"], [[k, t, ", ".join(r)] for k, (r, _, t) in KINDS.items()]
    ):
        click.echo(line)
    return 0


@fault.command("add")
@click.argument("kind")
@click.argument("settings", nargs=-1, metavar="[NAME=VALUE]…")
@home_option
def add(kind: str, settings: tuple[str, ...], home: str | None) -> int:
    """Add a fault, for example: throttle path=/v2/spot/bids method=POST nth=2 retry_after=1."""
    from flowplan.sandbox.desk import Desk
    from flowplan.sandbox.faults.kinds import read_fault

    given = dict(_setting(text) for text in settings)
    _, problems = read_fault({**given, "kind": kind})
    if problems:
        raise FlowplanError(*[Diagnostic.error(p.summary, suggestion=p.suggestion) for p in problems])
    with opened(home) as sandbox:
        click.echo(Desk(sandbox).add_fault(kind, **given))
    return 0


@fault.command("load")
@click.argument("file", metavar="FILE")
@home_option
def load(file: str, home: str | None) -> int:
    """Put a scenario of YAML or JSON into force."""
    from flowplan.sandbox.desk import Desk
    from flowplan.sandbox.faults.kinds import read_scenario

    document = read_document(file)
    scenario, problems = read_scenario(document.root)
    refuse(document, problems)
    with opened(home) as sandbox:
        for fid in Desk(sandbox).load(scenario):
            click.echo(fid)
    return 0


@fault.command("list")
@as_json
@home_option
def list_(home: str | None, as_json: bool) -> int:
    """List the faults that are in force or to come."""
    from flowplan.sandbox.desk import Desk

    with opened(home) as sandbox:
        found = Desk(sandbox).faults()
    if as_json:
        rows = [
            {
                "fid": one.fid,
                "kind": one.kind,
                "settings": one.settings,
                "matched": one.matched,
                "struck": one.struck,
            }
            for one in found
        ]
        click.echo(json.dumps(rows, indent=2))
    elif not found:
        click.echo("There are no faults.")
    else:
        lines = [[one.fid, one.kind, str(one.struck), _settings(one.settings)] for one in found]
        for line in table(["FAULT", "KIND", "STRUCK>", "SETTINGS"], lines):
            click.echo(line)
    return 0


@fault.command("clear")
@click.argument("fids", nargs=-1, metavar="[FAULT]…")
@home_option
def clear(fids: tuple[str, ...], home: str | None) -> int:
    """End faults, or all."""
    from flowplan.sandbox.desk import Desk

    with opened(home) as sandbox:
        ended = Desk(sandbox).clear_faults(fids)
    click.echo(f"Ended: {', '.join(ended) or 'none'}.")
    return 0


def _setting(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.UsageError(f"{text!r} is no setting; write NAME=VALUE.")
    from flowplan.lang.build import parse_document

    document, found = parse_document(name, value)
    return name, value if found.has_errors or document.root is None else document.root


def _settings(settings: dict[str, Any]) -> str:
    return " ".join(f"{name}={json.dumps(value)}" for name, value in settings.items())
