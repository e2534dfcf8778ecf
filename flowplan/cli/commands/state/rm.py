"""``flowplan state rm``."""

from __future__ import annotations

import click

from flowplan.cli.context import Context
from flowplan.cli.options import lock_timeout, stack_name


@click.command("rm")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@click.option("--dry-run", is_flag=True, help="Only show what would be taken off the record.")
@lock_timeout
@stack_name
def command(addresses: tuple[str, ...], dry_run: bool, lock_timeout: float, stack: str | None) -> int:
    """Take resources off the record: addresses, all instances of one, whole modules, or patterns.

    Nothing at the provider changes: the objects go on, and cost what they cost.
    """
    from flowplan.cli.editing import chosen_records
    from flowplan.cli.ledger import editing
    from flowplan.cli.recorded import chosen
    from flowplan.report.paint import clean
    from flowplan.state.edits import without

    context = Context.make()
    with chosen(context, stack) as (_, backend, name):
        if dry_run:
            gone = chosen_records(backend.snapshot(name), addresses)
        else:
            with editing(context, backend, name, "state rm", lock_timeout) as edit:
                gone = chosen_records(edit.snapshot, addresses)
                left = without(edit.snapshot, [record.address for record in gone])
                serial = edit.put(left, "state rm")
    for record in gone:
        ids = ", ".join([record.id, *(old.id for old in record.deposed)])
        click.echo(
            f"{'Would remove' if dry_run else 'Removed'} {clean(str(record.address))} [id={clean(ids)}]"
        )
    click.echo("What they stand for goes on at the provider, and no stack knows it.")
    if not dry_run:
        click.echo(
            f"The state of stack {clean(name)} is at serial {serial}; "
            f"flowplan state rollback {serial - 1} takes this back."
        )
    return 0
