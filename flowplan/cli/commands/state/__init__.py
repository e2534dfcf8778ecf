"""``flowplan state``: what is recorded, what was, and editing it by hand."""

from __future__ import annotations

import click

from flowplan.cli.group import LazyGroup

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


@click.group("state", cls=LazyGroup, package=__name__, table=_COMMANDS)
def command() -> None:
    """Look at what is recorded, at what was, and edit it by hand."""
