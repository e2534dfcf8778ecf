"""``flowplan state unlock``."""

from __future__ import annotations

import click

from flowplan.cli.context import Context
from flowplan.cli.options import stack_name


@click.command("unlock")
@click.argument("lock_id", required=False, metavar="[ID]")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@stack_name
def command(lock_id: str | None, auto_approve: bool, stack: str | None) -> int:
    """Take the lock of a stack away from whoever holds it; with ID, only if it is that one.

    It is safe: who held it can then record and send nothing more, and what it had in flight is in the journal. A lock
    whose owner died on this machine, or that has run out, needs no unlocking.
    """
    from flowplan.cli.unlocking import unlock

    return unlock(Context.make(), stack, lock_id, auto_approve)
