"""``flowplan logs``: what a task has written."""

from __future__ import annotations

import asyncio
import sys

import click

from flowplan.cli.context import Connection, Context
from flowplan.cli.options import stack_name

_START_S = 12.0
"""How long a task that has written nothing yet is waited for."""


@click.command("logs")
@click.argument("address")
@stack_name
@click.option("-f", "--follow", is_flag=True, help="Go on until the task has completed.")
@click.option("--stderr", is_flag=True, help="Print what it wrote to its standard error instead.")
@click.option("--node", type=click.IntRange(0), default=0, show_default=True, help="Which of its instances.")
@click.option("--tail", type=click.IntRange(0), metavar="N", help="Only the last N lines.")
def command(address: str, stack: str | None, follow: bool, stderr: bool, node: int, tail: int | None) -> int:
    """Print the output of the task at ADDRESS."""
    from flowplan.cli.recorded import record_at, recorded
    from flowplan.values.address import Kind
    from flowplan.values.diagnostic import Diagnostic, FlowplanError

    context = Context.make()
    with recorded(context, stack) as (project, _, snapshot):
        record = record_at(snapshot, address)
    if record.kind is not Kind.TASK:
        raise FlowplanError(
            Diagnostic.error(f"{record.address} has no logs", "Only tasks write any.", address=record.address)
        )
    stream = "stderr" if stderr else "stdout"

    async def go() -> None:
        async with context.connect_recorded(project, snapshot) as connection:
            await _print(connection, record.id, str(record.address), node, stream, follow, tail)

    asyncio.run(go())
    return 0


async def _print(
    connection: Connection, id: str, address: str, node: int, stream: str, follow: bool, tail: int | None
) -> None:
    from flowplan.values.diagnostic import Diagnostic, FlowplanError

    access = connection.access
    if access is None:
        raise FlowplanError(
            Diagnostic.error(
                f"The logs of {address} are on its instances",
                "They are reached by SSH, which is not installed here.",
                suggestion="Log in to the instance and read /var/log/foundry/startup_script.log.",
            )
        )
    offset, waited, held = 0, 0.0, b""
    while True:
        done = await access.completion(id) is not None
        piece = await access.log(id, node, stream, offset)
        if piece is None and (done or waited >= _START_S):
            raise FlowplanError(
                Diagnostic.error(f"{address} has no instance {node} that has written anything")
            )
        if piece is not None and piece[0]:
            offset, held = piece[1], held + piece[0]
            if tail is None:
                _write(held)
                held = b""
            continue
        if done or (not follow and (offset or waited >= _START_S)):
            break
        await asyncio.sleep(0.1)
        waited += 0.1
    if tail:
        _write(b"".join(held.splitlines(keepends=True)[-tail:]))


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
