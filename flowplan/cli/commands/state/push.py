"""``flowplan state push``."""

from __future__ import annotations

import click

from flowplan.cli.context import Context
from flowplan.cli.options import lock_timeout


@click.command("push")
@click.argument("file", metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Only show what would be recorded.")
@lock_timeout
def command(file: str, dry_run: bool, lock_timeout: float) -> int:
    """Record what the state document FILE says (- for standard input), as flowplan state pull prints it.

    A state of another lineage, or one that is not newer than what is recorded, is refused.
    """
    from flowplan.cli.pushing import push

    return push(Context.make(), file, dry_run, lock_timeout)
