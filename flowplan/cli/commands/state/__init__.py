"""``flowplan state``: what is recorded, what was, and editing it by hand."""

from __future__ import annotations

from importlib import import_module

import click

_COMMANDS = {
    "list": ("listing", "List the addresses of recorded resources."),
    "show": ("showing", "Show what is recorded, now or at an earlier serial."),
    "history": ("history", "List the serials of a state, newest first."),
    "diff": ("diff", "Show what differs between two serials."),
    "operations": ("operations", "List operations that began and did not end."),
    "mv": ("mv", "Record resources under other addresses."),
    "rm": ("rm", "Take resources off the record; they go on at the provider."),
    "rollback": ("rollback", "Record again what was recorded at an earlier serial."),
    "pull": ("pull", "Print the recorded state as a JSON document."),
    "push": ("push", "Record what a JSON document says."),
    "unlock": ("unlock", "Take the lock of a stack away from whoever holds it."),
    "rebuild": ("rebuild", "Record again what a stack has at the provider."),
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
        found: click.Command = import_module(f"{__name__}.{_COMMANDS[name][0]}").command
        return found

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group("state", cls=_Group)
def command() -> None:
    """Look at what is recorded, at what was, and edit it by hand."""
