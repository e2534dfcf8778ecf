"""Settling operations that began and did not end, before anything else is done (apply-protocol.md, "Recovery").

First all of them are looked for together, one listing of each kind a round, for as long as a request may still be on
its way or a list may lag. Nothing is sent meanwhile. What is then neither found nor as it was asked for did not
happen: a creation is left to the next plan, an update or a deletion is done again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from attrs import evolve, field

from flowplan.apply import launching
from flowplan.apply.deleting import finish_delete
from flowplan.apply.looking import free, handle_of, keep_one, unknown_outcome
from flowplan.apply.run import Failed, OutcomeUnknown, Run
from flowplan.apply.updating import end_update, finish_update, is_finished
from flowplan.plan.observe import adopt, ours
from flowplan.ports import EventKind, Observed, StoreError
from flowplan.state.journal import Entry, Operation, Status
from flowplan.state.snapshot import Record
from flowplan.values.address import Kind
from flowplan.values.classes import define
from flowplan.values.diagnostic import Diagnostic, FlowplanError

_LONG_AGO_S = 3600.0
"""The age of an entry, in seconds, from which on none of its requests can still be on its way."""
_HEARTBEAT_S = 10.0
_NAMES_AT_MOST = 20
"""How many tasks are asked for by name, a request each, before listing them all is cheaper."""


async def recover(run: Run, unfinished: Sequence[Entry]) -> list[Diagnostic]:
    """Settle all entries; returns what could not be settled (its entry stays open).

    Raises:
        StoreError: the store cannot be written, or the lease was lost.
    """
    work = asyncio.create_task(_Recovery(run, list(unfinished)).settle())
    beating = asyncio.create_task(_beat(run))
    try:
        await asyncio.wait({work, beating}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            beating.result()
        return await work
    finally:
        for task in (work, beating):
            task.cancel()
        await asyncio.gather(work, beating, return_exceptions=True)


async def _beat(run: Run) -> None:
    """Keep the lease: a pause or the release of a volume may take minutes."""
    while True:
        await run.clock.sleep(_HEARTBEAT_S)
        run.writer.renew()


@define
class _Recovery:
    run: Run
    entries: list[Entry]
    left: list[Diagnostic] = field(factory=list)

    async def settle(self) -> list[Diagnostic]:
        looked_for = [entry for entry in self.entries if entry.operation is not Operation.DELETE]
        again = await self._look(looked_for) if looked_for else []
        if self.left:
            return self.left  # nothing is sent while the outcome of an earlier request is unknown
        again += [entry for entry in self.entries if entry.operation is Operation.DELETE]
        # Why together: they were begun side by side, so none needs another, and each may wait for minutes.
        await _together(self._guarded(entry, self._repeat(entry)) for entry in again)
        return self.left

    async def _look(self, entries: Sequence[Entry]) -> list[Entry]:
        """Look for what became of creations and updates; those updates that are certainly still to be done."""
        run, waiting, missed = self.run, list(entries), []
        begun = run.clock.monotonic()
        for pause in run.pauses():
            run.writer.renew()
            try:
                sight = await _Sight.of(run, waiting)
            except StoreError:
                raise
            except FlowplanError as error:
                self.left += [unknown_outcome(entry, "It was interrupted", error) for entry in waiting]
                return []
            for entry in list(waiting):
                is_last = run.clock.monotonic() - begun >= self._window(entry)
                if await self._guarded(entry, self._judge(entry, sight)):
                    waiting.remove(entry)
                elif is_last:
                    waiting.remove(entry)
                    missed.append(entry)
            if not waiting:
                break
            await run.clock.sleep(pause)
        for entry in missed:
            if entry.operation is Operation.CREATE:
                if entry.kind is Kind.TASK:
                    await launching.retire(run, entry.config, entry.name, "")
                await run.together.commit(entry.number, Status.FAILED, None)
                self._tell(entry, "interrupted create: nothing was made at the provider")
        return [entry for entry in missed if entry.operation is not Operation.CREATE]

    def _window(self, entry: Entry) -> float:
        """How long to look, in seconds from now on.

        Why from now on: a request may have left long after its entry began (it was tried again, or the process was
        suspended), so the age of the entry proves nothing unless it is great.
        """
        age = (self.run.clock.now() - entry.begun_at).total_seconds()
        return 0.0 if age > _LONG_AGO_S else self.run.patience.visibility_s

    async def _judge(self, entry: Entry, sight: _Sight) -> str | None:
        """What was found of an entry, once that settles it."""
        run = self.run
        if entry.operation is Operation.CREATE:
            found = free(run, ours(entry, sight.objects))
            if not found:
                return None
            kept, said = await keep_one(run, entry, found)
            for diagnostic in said:
                run.emit(EventKind.NOTICE, diagnostic=diagnostic, address=entry.address)
            record = adopt(entry, kept, run.records.get(entry.address))
            await run.together.commit(entry.number, Status.DONE, record)
            run.records[entry.address] = record
            return f"interrupted create: found at the provider and adopted [id={kept.id}]"
        record_now = run.records.get(entry.address)
        if record_now is None:
            await run.together.commit(entry.number, Status.FAILED, None)
            return "interrupted update: the resource is not in the state any more"
        observed = next((o for o in sight.objects if (o.kind, o.id) == (entry.kind, entry.id)), None)
        if observed is None or not is_finished(entry, observed):
            return None
        await end_update(run, entry, updated(entry, record_now), observed)
        return f"interrupted update: found to be done [id={entry.id}]"

    async def _repeat(self, entry: Entry) -> str:
        run, record_now = self.run, self.run.records.get(entry.address)
        if entry.operation is Operation.UPDATE:
            assert record_now is not None, "without a record it was judged"
            await finish_update(run, entry, updated(entry, record_now), again=True)
            return f"interrupted update: finished [id={entry.id}]"
        attributes = entry.changes.get("keep")
        keep = evolve(record_now, attributes=attributes) if attributes and record_now is not None else None
        await finish_delete(run, entry, keep)
        return f"interrupted delete: finished [id={entry.id}]"

    async def _guarded(self, entry: Entry, work: Coroutine[Any, Any, str | None]) -> bool:
        """Whether ``work`` settled the entry, one way or another; what it could not find out is put aside."""
        try:
            message = await work
        except OutcomeUnknown as error:
            self.left.append(error.diagnostic)
            return True
        except Failed as failure:
            message = f"could not be finished: {failure.diagnostic.summary}"
        except StoreError:
            raise
        except FlowplanError as error:
            self.left.append(unknown_outcome(entry, "It was interrupted", error))
            return True
        if message is None:
            return False
        self._tell(entry, message)
        return True

    def _tell(self, entry: Entry, message: str) -> None:
        made = self.run.records.get(entry.address) if entry.operation is Operation.CREATE else None
        self.run.emit(
            EventKind.RECOVERED,
            address=entry.address,
            operation=entry.operation.value,
            id=made.id if made is not None and "adopted" in message else entry.id,
            message=message,
        )


def updated(entry: Entry, record: Record) -> Record:
    """A record as the entry of an update will leave it, before what the provider says of it."""
    return evolve(
        record,
        config=entry.config,
        name=entry.name,
        dependencies=entry.dependencies,
        protected=entry.protected,
        retained=entry.retained,
        triggers=entry.triggers,
    )


@define
class _Sight:
    """What one round of looking saw: every volume and reservation by one listing, tasks by name or id."""

    objects: list[Observed]

    @classmethod
    async def of(cls, run: Run, entries: Sequence[Entry]) -> _Sight:
        """Look for all of ``entries``.

        Raises:
            FlowplanError: the provider cannot be asked.
        """
        made = {
            entry.name: entry
            for entry in entries
            if entry.kind is Kind.TASK and entry.operation is Operation.CREATE
        }
        changed = {
            entry.id: entry
            for entry in entries
            if entry.kind is Kind.TASK and entry.operation is Operation.UPDATE
        }
        whole: set[Kind] = {entry.kind for entry in entries if entry.kind is not Kind.TASK}
        if len(made) + len(changed) > _NAMES_AT_MOST:
            whole.add(Kind.TASK)
            made, changed = {}, {}
        reads: list[Coroutine[Any, Any, list[Observed]]] = [
            *(run.provider.find(handle_of(entry)) for entry in made.values()),
            *(_one(run, entry) for entry in changed.values()),
            *([_listed(run, whole)] if whole else []),
        ]
        found: dict[tuple[Kind, str], Observed] = {}
        for objects in await _together(reads):
            found.update({(one.kind, one.id): one for one in objects})
        return cls(list(found.values()))


async def _one(run: Run, entry: Entry) -> list[Observed]:
    found = await run.provider.read(entry.kind, entry.id)
    return [] if found is None else [found]


async def _listed(run: Run, kinds: set[Kind]) -> list[Observed]:
    """Everything of these kinds; no object has the id that would let a listing stop early."""
    seen = await run.provider.observe([(kind, "") for kind in kinds], kinds)
    return list(seen.objects.values())


async def _together(works: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """What all of them come to; the first one that fails ends the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
