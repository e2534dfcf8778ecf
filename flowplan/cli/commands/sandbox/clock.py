"""``flowplan sandbox clock``."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from flowplan.cli.commands.sandbox.opening import home_option, opened
from flowplan.cli.options import Seconds, as_json

if TYPE_CHECKING:
    from flowplan.sandbox.desk import ClockReading


@click.group("clock", invoke_without_command=True)
@click.pass_context
def clock(context: click.Context) -> None:
    """Show the sandbox's clock, move it forward, stop it. What falls into the time skipped happens at once.

    Commands of tasks run in real time.
    """
    if context.invoked_subcommand is None:
        context.invoke(show)


@clock.command("show")
@as_json
@home_option
def show(home: str | None = None, as_json: bool = False) -> int:
    """Show what time it is there."""
    from flowplan.sandbox.desk import Desk

    with opened(home) as sandbox:
        found = Desk(sandbox).clock()
    if as_json:
        ahead = found.ahead.total_seconds()
        document = {"now": found.now.isoformat(), "is_frozen": found.is_frozen, "ahead_s": ahead}
        click.echo(json.dumps(document))
    else:
        _say(found)
    return 0


@clock.command("advance")
@click.argument("duration", type=Seconds(), metavar="DURATION")
@home_option
def advance(duration: float, home: str | None) -> int:
    """Let DURATION pass at once, such as 30m, 3h or 7d."""
    from flowplan.sandbox.desk import Desk

    with opened(home) as sandbox:
        _say(Desk(sandbox).advance(timedelta(seconds=duration)))
    return 0


@clock.command("freeze")
@home_option
def freeze(home: str | None) -> int:
    """Stop the clock."""
    from flowplan.sandbox.desk import Desk

    with opened(home) as sandbox:
        _say(Desk(sandbox).freeze())
    return 0


@clock.command("resume")
@home_option
def resume(home: str | None) -> int:
    """Let the clock run on from where it stands."""
    from flowplan.sandbox.desk import Desk

    with opened(home) as sandbox:
        _say(Desk(sandbox).resume())
    return 0


def _say(found: ClockReading) -> None:
    from flowplan.values.quantity import format_duration

    state = "stands still at" if found.is_frozen else "is at"
    seconds = found.ahead.total_seconds()
    away = ""
    if abs(seconds) >= 1:
        away = f", {format_duration(abs(seconds))} {'ahead' if seconds > 0 else 'behind'}"
    click.echo(f"The sandbox's clock {state} {found.now.isoformat(timespec='seconds')}{away}.")
