"""``flowplan sandbox``: the embedded provider, its server, its clock, its markets, its faults."""

from __future__ import annotations

import click

from flowplan.cli.group import LazyGroup

_COMMANDS = {
    "serve": ("serving:serve", "Serve the sandbox's API until interrupted."),
    "start": ("serving:start", "Serve the sandbox's API in the background."),
    "stop": ("serving:stop", "End a server in the background."),
    "status": ("standing:status", "Say what lives in the sandbox and what it cost."),
    "reset": ("standing:reset", "End every task and forget everything."),
    "clock": ("clock:clock", "Show or move the sandbox's clock."),
    "market": ("market:market", "Show or set prices, machines and other bidders."),
    "fault": ("fault:fault", "Add, list and clear faults."),
    "export": ("standing:export", "Print the whole world as JSON."),
}


@click.group("sandbox", cls=LazyGroup, package=__name__, table=_COMMANDS)
def command() -> None:
    """Serve, look at, and steer the embedded sandbox. Its tasks run as you, on this machine."""
