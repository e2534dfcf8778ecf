"""Printing what tasks have written: once or as it comes, of one task or of several side by side."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import click

from flowplan.cli.handles import Found, Target
from flowplan.cli.sessions import Sessions, asked_of_a_handle
from flowplan.client import logs
from flowplan.client.session import Session, pauses
from flowplan.models.task import Task, TaskError
from flowplan.report.paint import Paint, clean
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError

START_S = 12.0
"""How long a task that has written nothing yet is waited for, unless it is followed."""


@frozen
class Reading:
    """What of a task's output is wanted. ``source`` is a log type of `flowplan.client.logs`; ``tail`` None is all."""

    source: str = "stdout"
    node: int = 0
    tail: int | None = None
    follow: bool = False
    as_json: bool = False
    on_stderr: bool = False
    """Whether it is printed on our standard error."""


async def print_logs(sessions: Sessions, found: Found, wish: Reading, paint: Paint) -> list[FlowplanError]:
    """Print the output of all targets; those that have none, or cannot be asked, do not hold up the others.

    Returns:
        What went wrong, in the order of the targets.
    """
    several = len(found.targets) > 1

    async def one(target: Target) -> FlowplanError | None:
        label = clean(found.label(target)) if several else ""
        try:
            async for line in _lines(sessions, target, wish):
                _write(line, label, target, wish, paint)
        except FlowplanError as error:
            return error
        return None

    if not wish.follow:
        results = [await one(target) for target in found.targets]
    else:
        running = [asyncio.create_task(one(target)) for target in found.targets]
        try:
            results = await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
    return [error for error in results if error is not None]


async def _lines(sessions: Sessions, target: Target, wish: Reading) -> AsyncIterator[str]:
    """The lines of one target, each with the end it was written with."""
    record = target.record
    if record is None:
        raise FlowplanError(
            Diagnostic.error(
                f"{target.address} has not been made",
                "Its creation was interrupted.",
                address=target.address,
                suggestion=f"flowplan cancel '{target.address}' --stack {target.stack} settles it.",
            )
        )
    count = int(record.config.get("num_instances") or 1)
    if wish.node >= count:
        raise FlowplanError(
            Diagnostic.error(f"{target.address} has no node {wish.node}", f"It has {count}, from 0.")
        )
    session = await sessions.of(target.snapshot)
    task = await session.tasks.task(record.id)
    if wish.follow:
        with asked_of_a_handle():
            async for line in logs.follow(session, task, wish.source, wish.node, wish.tail):
                yield f"{line}\n"
        return
    if not task.is_terminal:
        await _until_written(session, task, wish)
    try:
        text = await logs.last_lines(session, task, wish.tail, wish.source, wish.node)
    except TaskError as error:
        hint = "" if task.is_terminal else "flowplan logs --follow waits until it runs."
        words = str(error).partition("; ")[0]
        raise FlowplanError(
            Diagnostic.error(f"{words[:1].upper()}{words[1:]}", address=target.address, suggestion=hint)
        ) from error
    # Why not splitlines: a carriage return, say, ends no line of a progress bar.
    *whole, rest = text.split("\n")
    for line in whole:
        yield f"{line}\n"
    if rest:
        yield rest


async def _until_written(session: Session, task: Task, wish: Reading) -> None:
    """Wait until the task has written something, has ended, or has had time enough."""
    stream, access, pause = logs.stream_of(wish.source), session.reading(), pauses()
    deadline = session.clock.monotonic() + START_S
    while session.clock.monotonic() < deadline:
        if await access.completion(task.task_id) is not None:
            return
        piece = await access.log(task.task_id, wish.node, stream, 0)
        if piece is not None and piece[0]:
            return
        await session.clock.sleep(pause())


def _write(line: str, label: str, target: Target, wish: Reading, paint: Paint) -> None:
    if wish.as_json:
        document = {
            "stack": target.stack,
            "address": str(target.address),
            "node": wish.node,
            "stream": wish.source,
            "text": line.removesuffix("\n"),
        }
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    # Why bytes: a task writes what it likes, in colour or not, and this terminal may not know its characters.
    whole = line if line.endswith("\n") or not label else f"{line}\n"
    text = f"{paint(label, 'cyan')} | {whole}" if label else whole
    stream = sys.stderr if wish.on_stderr else sys.stdout
    stream.buffer.write(text.encode("utf-8", "replace"))
    stream.buffer.flush()
