"""Settling operations that began and did not end, before anything else is done (apply-protocol.md, "Recovery")."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from flowplan.apply.looking import keep_one, look, unknown_outcome
from flowplan.apply.operations import finish_delete
from flowplan.apply.run import Failed, OutcomeUnknown, Run
from flowplan.apply.updating import finish_update
from flowplan.plan.observe import adopt
from flowplan.ports import EventKind, StoreError
from flowplan.state.journal import Entry, Operation, Status
from flowplan.values.diagnostic import Diagnostic, FlowplanError

_LONG_AGO_S = 3600.0
"""The age of an entry, in seconds, from which on none of its requests can still be on its way."""


async def recover(run: Run, unfinished: Sequence[Entry]) -> list[Diagnostic]:
    """Settle each entry by looking; returns what could not be settled (its entry stays open).

    A creation that is found is adopted; one that is not found, after the provider's visibility window, has
    not happened. Updates and deletions are simply done again: they set absolute values.
    """
    left = []
    # Why: one window for all, from now on. A request may have left long after its entry began (it was tried
    # again, or the process was suspended), so the age of the entry proves nothing unless it is great.
    until = run.clock.monotonic() + run.patience.visibility_s
    for entry in unfinished:
        # Why: each may take as long as the provider's lists lag, and together longer than the lease lasts.
        run.writer.renew()
        try:
            message = await _settle(run, entry, until)
        except OutcomeUnknown as error:
            left.append(error.diagnostic)
            continue
        except StoreError:
            raise
        except FlowplanError as error:
            left.append(unknown_outcome(entry, "It was interrupted", error))
            continue
        except Failed as failure:
            message = f"could not be finished: {failure.diagnostic.summary}"
        run.emit(
            EventKind.RECOVERED,
            address=entry.address,
            operation=entry.operation.value,
            id=entry.id,
            message=message,
        )
    return left


async def _settle(run: Run, entry: Entry, until: float) -> str:
    if entry.operation is Operation.CREATE:
        age = (run.clock.now() - entry.begun_at).total_seconds()
        window = 0.0 if age > _LONG_AGO_S else max(0.0, until - run.clock.monotonic())
        found = await look(run, entry, window)
        if not found:
            run.writer.commit(entry.number, Status.FAILED, None)
            return "interrupted create: nothing was made at the provider"
        kept, said = await keep_one(run, entry, found)
        for diagnostic in said:
            run.emit(EventKind.NOTICE, diagnostic=diagnostic, address=entry.address)
        record = adopt(entry, kept, run.records.get(entry.address))
        run.writer.commit(entry.number, Status.DONE, record)
        run.records[entry.address] = record
        return f"interrupted create: found at the provider and adopted [id={kept.id}]"
    record_now = run.records.get(entry.address)
    if entry.operation is Operation.UPDATE:
        if record_now is None:
            run.writer.commit(entry.number, Status.FAILED, None)
            return "interrupted update: the resource is not in the state any more"
        record = evolve(
            record_now,
            config=entry.config,
            name=entry.name,
            dependencies=entry.dependencies,
            protected=entry.protected,
            retained=entry.retained,
            triggers=entry.triggers,
        )
        await finish_update(run, entry, record, again=True)
        return f"interrupted update: finished [id={entry.id}]"
    attributes = entry.changes.get("keep")
    keep = evolve(record_now, attributes=attributes) if attributes and record_now is not None else None
    await finish_delete(run, entry, keep)
    return f"interrupted delete: finished [id={entry.id}]"
