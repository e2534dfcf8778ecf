"""Taking a stack's lock away from whoever holds it."""

from __future__ import annotations

import click

from flowplan.backend.lease import lock_lines
from flowplan.cli.context import Context
from flowplan.cli.ledger import confirmed
from flowplan.cli.recorded import chosen
from flowplan.provider.pace import SystemClock
from flowplan.report.paint import clean
from flowplan.values.diagnostic import Diagnostic, FlowplanError


def unlock(context: Context, stack: str | None, lock_id: str | None, approved: bool) -> int:
    """Show who holds the lock, ask, and take it away; returns the exit code.

    Raises:
        FlowplanError: it is another lock than ``lock_id``, or there is no one to ask.
    """
    with chosen(context, stack) as (_, backend, name):
        lock = backend.lock(name)
        if lock is None:
            click.echo(f"Stack {clean(name)} is not locked.")
            return 0
        said = [clean(line) for line in lock_lines(lock, backend.path, SystemClock().now())]
        if lock_id is not None and lock_id != lock.id:
            raise FlowplanError(
                Diagnostic.error(
                    f"Stack {name} is locked by another lock than {lock_id}",
                    "\n".join(["Nothing was unlocked. Lock info:", *said]),
                )
            )
        click.echo("\n".join([f"Stack {clean(name)} is locked. Lock info:", *said]))
        question = "\nWhoever holds it stops before its next request. Take the lock away?"
        if not confirmed(question, approved, "state unlock"):
            click.echo("Nothing was unlocked.")
            return 1
        if not backend.unlock(name, lock.id):
            click.echo("It was given back meanwhile; the stack is not locked by it any more.")
            return 0
    click.echo(
        f"Unlocked. What was in flight is in the journal: flowplan state operations --stack {clean(name)}"
    )
    return 0
