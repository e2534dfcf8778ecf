"""``flowplan state mv``."""

from __future__ import annotations

import click

from flowplan.cli.context import Context
from flowplan.cli.options import lock_timeout, stack_name


@click.command("mv")
@click.argument("source")
@click.argument("target")
@click.option("--dry-run", is_flag=True, help="Only show what would be recorded.")
@lock_timeout
@stack_name
def command(source: str, target: str, dry_run: bool, lock_timeout: float, stack: str | None) -> int:
    """Record SOURCE under the address TARGET: a resource, all its instances, or a whole module.

    Nothing at the provider changes. In a stack file, a moved entry does the same for everyone who applies it.
    """
    from flowplan.cli.editing import moved_state
    from flowplan.cli.ledger import editing
    from flowplan.cli.recorded import chosen
    from flowplan.report.paint import clean

    context = Context.make()
    with chosen(context, stack) as (_, backend, name):
        if dry_run:
            moves, _ = moved_state(backend.snapshot(name), source, target)
        else:
            with editing(context, backend, name, "state mv", lock_timeout) as edit:
                moves, moved = moved_state(edit.snapshot, source, target)
                serial = edit.put(moved, "state mv")
    for old, new in moves.items():
        click.echo(f"{'Would move' if dry_run else 'Moved'} {clean(str(old))} to {clean(str(new))}")
    if not dry_run:
        click.echo(f"The state of stack {clean(name)} is at serial {serial}.")
    return 0
