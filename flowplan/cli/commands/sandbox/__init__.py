"""``flowplan sandbox``: the embedded provider, its server, its clock, its markets, its faults."""

from __future__ import annotations

from importlib import import_module

import click

_COMMANDS = {
    "serve": ("serving", "Serve the sandbox's API until interrupted."),
    "start": ("serving", "Serve the sandbox's API in the background."),
    "stop": ("serving", "End a server in the background."),
    "status": ("standing", "Say what lives in the sandbox and what it cost."),
    "reset": ("standing", "End every task and forget everything."),
    "clock": ("clock", "Show or move the sandbox's clock."),
    "market": ("market", "Show or set prices, machines and other bidders."),
    "fault": ("fault", "Add, list and clear faults."),
    "export": ("standing", "Print the whole world as JSON."),
}


class _Group(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """All names, in the order people meet them."""
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import and give the command."""
        if name not in _COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"{__name__}.{_COMMANDS[name][0]}"), name)
        return found

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group("sandbox", cls=_Group)
def command() -> None:
    """Serve, look at, and steer the embedded sandbox. Its tasks run as you, on this machine."""
