"""``flowplan state rollback``."""

from __future__ import annotations

import click

from flowplan.cli.context import Context
from flowplan.cli.options import as_json, lock_timeout, stack_name


@click.command("rollback")
@click.argument("serial", type=click.IntRange(1))
@click.option("--dry-run", is_flag=True, help="Only show what would be recorded.")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--keep-newer", is_flag=True, help="Keep the records of objects that were not on record then.")
@click.option(
    "--forget-newer",
    is_flag=True,
    help="Take them off the record; they go on at the provider, and no stack knows them.",
)
@click.option(
    "--out", metavar="FILE", help="Save what would be recorded as a state document, for state push."
)
@lock_timeout
@stack_name
@as_json
def command(
    serial: int,
    dry_run: bool,
    auto_approve: bool,
    keep_newer: bool,
    forget_newer: bool,
    out: str | None,
    lock_timeout: float,
    stack: str | None,
    as_json: bool,
) -> int:
    """Record again, as a new serial, what was recorded at SERIAL; also where the state is damaged now.

    Nothing at the provider changes: the next plan shows what differs between it and that record.
    """
    from flowplan.cli.rolling_back import Rollback, roll_back

    if keep_newer and forget_newer:
        raise click.UsageError("--keep-newer and --forget-newer exclude each other.")
    wish = Rollback(serial, dry_run, auto_approve, keep_newer, forget_newer, out, lock_timeout, as_json)
    return roll_back(Context.make(), stack, wish)
