"""Changing a resource in place: what is sent, read again before it is repeated, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from flowplan.apply.looking import unknown_outcome
from flowplan.apply.run import Failed, OutcomeUnknown, Run
from flowplan.plan.change import ResourceChange
from flowplan.plan.diff import same
from flowplan.ports import Ambiguous, CapacityMarket, Done, Observed, Refused, StoreError
from flowplan.resources import Change, kind_of
from flowplan.state.journal import Entry, Status
from flowplan.state.snapshot import Record
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic, FlowplanError

TRIES = 3
"""How often a request is sent at most: again only after looking has shown that nothing came of it."""


async def finish_update(run: Run, entry: Entry, record: Record, again: bool = False) -> Record:
    """Send what an update's entry says and end it; ``again`` after an interruption: what holds already is not sent.

    After an interruption the caller has waited until none of the entry's requests can be on its way any more.

    Raises:
        Failed: it was refused; the entry has ended.
        OutcomeUnknown: no one knows; the entry stays open.
    """
    kind = kind_of(entry.kind)
    sends = dict(entry.changes["send"])
    observed: Observed | None = None
    try:
        if any(kind.attributes[name].change is Change.PAUSED for name in sends):
            observed = await _change_paused(run, entry, sends, again)
        else:
            for part in _parts(sends):
                if "quantity" in part:
                    observed = await _give_back(run, entry, part, again)
                else:
                    observed = await _request(run, entry, part, again)
    except Failed:
        await run.together.commit(entry.number, Status.FAILED, None)
        raise
    return await end_update(run, entry, record, observed)


async def end_update(run: Run, entry: Entry, record: Record, observed: Observed | None) -> Record:
    """Record what an update has come to, and the end of its entry, in one transaction."""
    if observed is not None:
        kept = {name: value for name, value in record.attributes.items() if name == "completion"}
        record = evolve(record, attributes={**observed.attributes, **kept})
    record = run.with_deposed(record)
    await run.together.commit(entry.number, Status.DONE, record)
    run.records[entry.address] = record
    run.updated.setdefault((entry.kind, entry.id), {}).update(entry.changes["send"])
    return record


async def resumes(run: Run, change: ResourceChange, sends: Mapping[str, Any]) -> bool:
    """Whether a task is resumed after a change that needs it paused: where it is not paused now, by someone else.

    Why ask again: the plan was made from a list, and one that lags may show it paused by a change that is over. Where
    no one can be asked, the plan's word stands.
    """
    pauses = any(kind_of(change.kind).attributes[name].change is Change.PAUSED for name in sends)
    if not pauses:
        return change.resumes
    try:
        found = await run.provider.read(change.kind, run.records[change.address].id)
    except StoreError:
        raise
    except FlowplanError:
        return change.resumes
    return change.resumes if found is None else found.attributes.get("status") != "paused"


def _parts(sends: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is sent in one request each: capacity is given back, and an end moved, by requests of their own."""
    rest = {name: value for name, value in sends.items() if name not in ("quantity", "end_time_utc")}
    parts = [{"quantity": sends["quantity"]}] if "quantity" in sends else []
    parts += [rest] if rest else []
    return parts + ([{"end_time_utc": sends["end_time_utc"]}] if "end_time_utc" in sends else [])


async def _give_back(run: Run, entry: Entry, part: Mapping[str, Any], again: bool) -> Observed | None:
    """Give back the instances that the entry names, until the reservation has only as many as wanted.

    They were chosen before the first request, and what is gone already is passed over, so that any repetition
    means the same. Instances that start or stop are waited for.

    Raises:
        Failed: it was refused, or the instances are not ready in time.
        OutcomeUnknown: no one knows.
    """
    if not isinstance(run.provider, CapacityMarket):
        raise Failed(
            Diagnostic.error(
                f"{entry.address}: this provider takes no capacity back",
                address=entry.address,
                suggestion="Set quantity back to what it was.",
            )
        )
    deadline = run.clock.monotonic() + run.patience.pause_s
    reason, is_unclear = "The instances were given back, and the reservation does not show it", again
    for pause in run.pauses():
        held = await _held(run, entry, part, reason)
        if held is not None:
            return held
        run.writer.check()
        key = f"{run.id}-{entry.number}-quantity"
        outcome = await run.provider.return_capacity(entry.id, entry.changes.get("instances", ()), key)
        reason = outcome.reason if isinstance(outcome, Ambiguous) else reason
        is_refused = isinstance(outcome, Refused) and not outcome.transient
        # A refusal for the time being is unclear too: a gateway that says it may have passed the request on.
        is_unclear = is_unclear or not is_refused
        # Why so long: an earlier request may be on its way, or this or another one be done and not listed as done; a
        # second one that names instances that are gone is refused, be they gone by this run or the one before.
        is_missing = isinstance(outcome, Refused) and outcome.status == 404
        is_taken = not isinstance(outcome, Refused) or (is_refused and (is_unclear or is_missing))
        if is_taken or run.clock.monotonic() >= deadline:
            held = await already(run, entry, part, reason, run.patience.visibility_s)
            if held is not None:
                return held
        if isinstance(outcome, Refused) and (is_refused or run.clock.monotonic() >= deadline):
            raise Failed(evolve(outcome.diagnostic, address=entry.address), outcome.transient)
        if run.clock.monotonic() >= deadline:
            raise OutcomeUnknown(unknown_outcome(entry, reason))
        await run.clock.sleep(pause)
    raise AssertionError("the pauses never end")


async def _change_paused(run: Run, entry: Entry, sends: Mapping[str, Any], again: bool) -> Observed | None:
    """Pause, change, resume. A change that is refused leaves the task running as it was found."""
    observed = await _held(run, entry, sends, "It was interrupted") if again else None
    if observed is None:
        paused = await _request(run, entry, {"paused": True}, again)
        if paused is None or paused.attributes.get("status") != "paused":
            await _until_paused(run, entry)
        try:
            observed = await _request(run, entry, sends, again)
        except Failed:
            if entry.changes.get("resume"):
                await _request(run, entry, {"paused": False})
            raise
    if entry.changes.get("resume"):
        observed = await _request(run, entry, {"paused": False}, again)
    return observed


async def _request(
    run: Run, entry: Entry, changes: Mapping[str, Any], again: bool = False
) -> Observed | None:
    """One request that sets absolute values; before it is sent again, the object is read (apply-protocol.md).

    Raises:
        Failed: it was refused; the entry is left open.
        OutcomeUnknown: no try was answered.
    """
    reason = "It was interrupted"
    for attempt in range(TRIES):
        if attempt or again:
            held = await already(run, entry, changes, reason, run.patience.visibility_s if attempt else 0.0)
            if held is not None:
                return held
        run.writer.check()
        key = f"{run.id}-{entry.number}-{'-'.join(changes)}-{attempt}"
        outcome = await run.provider.update(entry.kind, entry.id, changes, key)
        if isinstance(outcome, Done):
            return outcome.observed
        if isinstance(outcome, Refused):
            # Why look: what an earlier request has done already may be why this one is refused.
            held = await _held(run, entry, changes, reason) if attempt or again else None
            if held is not None:
                return held
            raise Failed(evolve(outcome.diagnostic, address=entry.address), outcome.transient)
        reason = outcome.reason
    held = await already(run, entry, changes, reason, run.patience.visibility_s)
    if held is not None:
        return held
    raise OutcomeUnknown(unknown_outcome(entry, reason))


async def already(
    run: Run, entry: Entry, changes: Mapping[str, Any], reason: str, window_s: float
) -> Observed | None:
    """The object as soon as it is as a request asked; None once the window has passed and it is not.

    Not every provider takes the same request twice, and one that arrives late must not undo what came after it.
    """
    deadline = run.clock.monotonic() + window_s
    for pause in run.pauses():
        held = await _held(run, entry, changes, reason)
        if held is not None or run.clock.monotonic() >= deadline:
            return held
        await run.clock.sleep(pause)
    raise AssertionError("the pauses never end")


async def already_so(run: Run, entry: Entry, old: Record, sends: Mapping[str, Any]) -> Observed | None:
    """The object, where the state says that it is as asked already, and so it is; then nothing is to be sent.

    Either another hand undid it, or the list that the plan was made from lagged. Not every provider takes the same
    request twice (an end that is reached already), and a task would be interrupted again. A task is read by itself;
    the lists that show the others are given time.
    """
    if not is_as_asked(old, sends):
        return None
    window = 0.0 if entry.kind is Kind.TASK else run.patience.visibility_s
    return await already(run, entry, sends, "The state says it is so", window)


async def _held(run: Run, entry: Entry, changes: Mapping[str, Any], reason: str) -> Observed | None:
    """The object, if it is as a request asked.

    Why not from a list where there is another way: one that lags would show a task that was paused a moment ago as
    running, and its resumption as done.
    """
    try:
        found = await run.provider.read(entry.kind, entry.id)
    except StoreError:
        raise
    except FlowplanError as error:
        raise OutcomeUnknown(unknown_outcome(entry, reason, error)) from error
    return found if found is not None and found.exists and is_as_asked(found, changes) else None


def is_finished(entry: Entry, found: Observed) -> bool:
    """Whether all that an update's entry asks for is so."""
    sends = dict(entry.changes["send"])
    pauses = any(kind_of(entry.kind).attributes[name].change is Change.PAUSED for name in sends)
    if pauses and entry.changes.get("resume"):
        sends["paused"] = False
    return found.exists and is_as_asked(found, sends)


def is_as_asked(found: Observed | Record, changes: Mapping[str, Any]) -> bool:
    """Whether an object, or what is recorded of it, has the values of a request."""
    declared = kind_of(found.kind).attributes
    for name, value in changes.items():
        if name == "paused":
            if (found.attributes.get("status") == "paused") is not value:
                return False
        elif not same(found.attributes.get(name), value, declared[name]):
            return False
    return True


async def _until_paused(run: Run, entry: Entry) -> None:
    deadline = run.clock.monotonic() + run.patience.pause_s
    for pause in run.pauses():
        found = await run.provider.read(entry.kind, entry.id)
        if found is None or not found.exists or found.attributes.get("status") == "paused":
            return
        if run.clock.monotonic() >= deadline:
            raise OutcomeUnknown(unknown_outcome(entry, f"{entry.id} did not pause in time"))
        await run.clock.sleep(pause)
