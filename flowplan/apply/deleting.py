"""Deleting and letting go: an intent recorded first, sent until what was asked for is so, and ended."""

from __future__ import annotations

from attrs import evolve

from flowplan.apply import launching
from flowplan.apply.looking import unknown_outcome
from flowplan.apply.run import Failed, OutcomeUnknown, Run
from flowplan.apply.updating import TRIES
from flowplan.plan.change import Step
from flowplan.ports import Ambiguous, Refused
from flowplan.state.journal import Entry, Operation, Status
from flowplan.state.snapshot import Record
from flowplan.values.address import Address, Kind


async def delete(run: Run, step: Step) -> None:
    """Delete a resource, or an object it has replaced; it is gone from the state when this returns."""
    if not step.deposed:
        await _delete(run, step.address, keep=None)
        return
    record = run.records[step.address]
    old = next((one for one in record.deposed if one.id == step.deposed), None)
    if old is None:
        return
    entry = Entry(
        operation=Operation.DELETE,
        address=step.address,
        run=run.id,
        begun_at=run.clock.now(),
        id=old.id,
        name=old.name,
        changes={"deposed": True},
    )
    entry = await run.together.begin(entry)
    await finish_delete(run, entry, None)


def _without(record: Record | None, id: str) -> Record | None:
    """A record without the deposed object ``id``."""
    if record is None:
        return None
    return evolve(record, deposed=tuple(old for old in record.deposed if old.id != id))


async def release(run: Run, record: Record) -> Record:
    """End a completed task's instances and keep its record: it is satisfied, and costs nothing any more.

    ``record`` holds the completion, and the entry holds it too: the state learns of both at once, so no
    completion is ever on record of a task whose instances were forgotten.
    """
    kept = evolve(record, attributes={**record.attributes, "status": "completed"})
    await _delete(run, record.address, keep=kept)
    return kept


async def _delete(run: Run, address: Address, keep: Record | None) -> None:
    record = run.records[address]
    entry = Entry(
        operation=Operation.DELETE,
        address=address,
        run=run.id,
        begun_at=run.clock.now(),
        id=record.id,
        name=record.name,
        changes={"keep": None if keep is None else dict(keep.attributes)},
    )
    entry = await run.together.begin(entry)
    await finish_delete(run, entry, keep)


async def finish_delete(run: Run, entry: Entry, keep: Record | None) -> None:
    """Send a deletion (again, if need be: what is gone stays gone) and end its entry."""
    reason, waited = "", False
    for _ in range(TRIES):
        run.writer.check()
        outcome = await run.provider.delete(entry.kind, entry.id, f"{run.id}-{entry.number}")
        if isinstance(outcome, Refused) and outcome.transient and entry.kind is Kind.VOLUME and not waited:
            waited = True
            await _until_released(run, entry)
            continue
        if isinstance(outcome, Refused) and not outcome.gone:
            await run.together.commit(entry.number, Status.FAILED, None)
            raise Failed(evolve(outcome.diagnostic, address=entry.address), outcome.transient)
        if isinstance(outcome, Ambiguous):
            reason = outcome.reason
            await run.clock.sleep(run.patience.poll_s)
            continue
        if entry.changes.get("deposed"):
            keep = _without(run.records.get(entry.address), entry.id)
        elif keep is not None:
            keep = run.with_deposed(keep)
        now = run.records.get(entry.address)
        # Why before the end of the entry: a run that dies in between has the key revoked by whoever settles it. Keys
        # go by name, so that of an object replaced by one of the same name is left to the end of the other.
        if entry.kind is Kind.TASK and not (now and now.id != entry.id and now.name == entry.name):
            before = keep or now
            await launching.retire(run, before.config if before else {}, entry.name, entry.id)
        await run.together.commit(entry.number, Status.DONE, keep, None if keep else entry.address)
        run.ended.add((entry.kind, entry.id))
        if keep is None:
            run.records.pop(entry.address, None)
        else:
            run.records[entry.address] = keep
        return
    raise OutcomeUnknown(unknown_outcome(entry, reason))


async def _until_released(run: Run, entry: Entry) -> None:
    """Wait until nothing uses a volume any more: the end of a bid takes effect on its volumes with a delay."""
    deadline = run.clock.monotonic() + run.patience.release_s
    ours = {r.id: r.kind for r in run.records.values()}
    for pause in run.pauses():
        seen = await run.provider.observe([(entry.kind, entry.id)], [entry.kind])
        found = seen.find(entry.kind, entry.id)
        users = (
            [*(found.attributes.get("bids") or ()), *(found.attributes.get("reservations") or ())]
            if found
            else []
        )
        if not users or run.clock.monotonic() >= deadline:
            return
        holders = [(ours[user], user) for user in users if user in ours]
        if holders:
            seen = await run.provider.observe(holders, {kind for kind, _ in holders})
            if any((one := seen.find(*holder)) is not None and one.exists for holder in holders):
                return  # another live resource of ours holds it on purpose; waiting would not help
        await run.clock.sleep(pause)


def forget(run: Run, step: Step) -> None:
    """Drop a record, or what is left on it of an object it has replaced; the provider is not asked for anything."""
    if step.deposed:
        record = _without(run.records[step.address], step.deposed)
        assert record is not None
        run.writer.save([record])
        run.records[step.address] = record
        return
    run.writer.save(forget=[step.address])
    run.records.pop(step.address, None)
