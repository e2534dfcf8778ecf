"""Restoring a stack's lost records from what lives at the provider: look, show, ask, record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click
from attrs import evolve

from flowplan.cli.awaiting import await_result
from flowplan.cli.context import Connection, Context, Loaded
from flowplan.cli.project import prepare_state
from flowplan.cli.scanning import observe_all
from flowplan.graph import build
from flowplan.plan.observation import Observation
from flowplan.plan.rebuild import Finding, ended_tasks, find_objects, restored
from flowplan.report.paint import Paint, clean
from flowplan.resources import Settings
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError


@frozen
class Seen:
    """What a rebuild looked at: the stack's own state, everybody's records, and the world."""

    snapshot: Snapshot
    taken: frozenset[tuple[Kind, str]]
    observation: Observation
    finding: Finding


def parse_choices(pairs: Sequence[str]) -> dict[Address, str]:
    """``ADDRESS=ID`` as the user wrote them.

    Raises:
        click.UsageError: one is written otherwise.
    """
    found = {}
    for pair in pairs:
        text, equals, id = pair.rpartition("=")
        if not equals or not text or not id:
            raise click.UsageError(f"--choose {pair!r} names no object; write --choose ADDRESS=ID")
        try:
            found[Address.parse(text)] = id
        except ValueError as error:
            raise click.UsageError(f"--choose {pair!r}: {error}") from None
    return found


def look_around(context: Context, loaded: Loaded, chosen: Mapping[Address, str]) -> Seen:
    """Find the objects of what is declared and not on record. Nothing is written, and no lock is taken.

    Raises:
        FlowplanError: the state or the provider cannot be read, or an apply was interrupted and must be settled first.
    """
    snapshot, taken = _records(context, loaded)
    settings, stack = Settings(loaded.region), loaded.stack

    async def look() -> Observation:
        async with context.connect(stack, loaded.project) as connection:
            seen = await observe_all(connection)
            asked = [*ended_tasks(stack, snapshot, seen, settings)]
            asked += [id for address, id in chosen.items() if address.kind is Kind.TASK]
            return evolve(seen, completions=await _completions(connection, asked))

    observation = await_result(look())
    finding = find_objects(stack, snapshot, observation, taken, settings, chosen)
    return Seen(snapshot, taken, observation, finding)


def _records(context: Context, loaded: Loaded) -> tuple[Snapshot, frozenset[tuple[Kind, str]]]:
    backend = context.backend(loaded.project)
    try:
        snapshot = backend.snapshot(loaded.stack.name)
        if backend.unfinished(loaded.stack.name):
            raise FlowplanError(
                Diagnostic.error(
                    "An apply was interrupted, and what it began is not settled",
                    suggestion="Run flowplan apply on the stack first; it adopts what it finds.",
                )
            )
        taken = {owner for name in backend.stacks() for owner in backend.snapshot(name).ids()}
    finally:
        backend.close()
    context.check_source(loaded, snapshot)
    return snapshot, frozenset(taken)


async def _completions(connection: Connection, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for id in ids if connection.access is not None else ():
        completion = await connection.access.completion(id)  # type: ignore[union-attr]
        if completion is not None:
            found[id] = completion
    return found


def problems_of(finding: Finding) -> list[Diagnostic]:
    """What a person has to decide or mend before anything can be recorded."""
    found = [Diagnostic.error(words, address=address) for address, words in sorted(finding.wrong.items())]
    for address, candidates in sorted(finding.several.items()):
        ids = ", ".join(one.id for one in candidates)
        found.append(
            Diagnostic.error(
                f"{len(candidates)} objects may be {address}",
                f"They are {ids}.",
                address=address,
                suggestion=f"Say which one it is: --choose '{address}={candidates[0].id}'",
            )
        )
    return found


def render_finding(finding: Finding, paint: Paint) -> str:
    """What was found and what was not, a line each."""
    return "\n".join(_lines(finding, paint))


def _lines(finding: Finding, paint: Paint) -> Iterator[str]:
    for one in finding.found:
        status = one.observed.attributes.get("status") if one.observed.exists else "completed"
        said = f" ({clean(str(status))})" if status else ""
        yield f"  {paint('=', 'green')} {clean(str(one.address))} [id={clean(one.observed.id)}]{said}"
    for address in finding.absent:
        others = finding.taken.get(address, ())
        why = f"; {clean(others[0].id)} has its name, and is on another record" if others else ""
        yield f"  {paint('?', 'yellow')} {clean(str(address))}: nothing was found{why}"
    yield f"\nRebuild: {len(finding.found)} to record, {len(finding.absent)} not found."


def record_found(
    context: Context, loaded: Loaded, seen: Seen, lock_timeout: float, said: Callable[[str], None]
) -> int:
    """Record what was found, in one transaction under the lease; returns the new serial.

    Raises:
        FlowplanError: the lease is held, the state has changed since it was looked at, or cannot be written.
    """
    prepare_state(loaded.project)
    backend = context.backend(loaded.project)
    name = loaded.stack.name
    try:
        writer = backend.acquire(name, loaded.files.label, "state rebuild", lock_timeout)
        try:
            snapshot = backend.snapshot(name)
            if (snapshot.records, backend.unfinished(name)) != (seen.snapshot.records, []):
                raise FlowplanError(
                    Diagnostic.error(
                        "The state was changed while it was being rebuilt",
                        "Nothing was recorded.",
                        suggestion="Run the command again.",
                    ),
                    exit_code=8,
                )
            graph = build(loaded.stack, snapshot)
            settings = Settings(loaded.region)
            records, outputs = restored(loaded.stack, snapshot, graph, seen.finding, settings)
            writer.save(records, outputs=outputs, project=seen.observation.project)
            for record in records:
                said(f"{record.address}: Recorded [id={record.id}]")
            return backend.snapshot(name).serial
        finally:
            writer.release()
    finally:
        backend.close()
