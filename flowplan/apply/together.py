"""Begins and ends of operations that wait together share one transaction: a disk is slow however little it is given.

What is asked for within one turn of the event loop is written at its end, and told of when it is durable. While the
disk works, more answers arrive, and their records go into the next transaction together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve, field

from flowplan.ports import Ended, Writer
from flowplan.state.journal import Entry, Status
from flowplan.state.snapshot import Record
from flowplan.values.address import Address
from flowplan.values.classes import define


@define(eq=False)
class Together:
    """The way of one run's operations into the journal."""

    writer: Writer
    open: dict[int, Address] = field(factory=dict)
    """The addresses of the operations that are in the journal and have not ended, by their numbers there."""
    _begins: list[tuple[Entry, asyncio.Future[int]]] = field(factory=list)
    _ends: list[tuple[Ended, asyncio.Future[None]]] = field(factory=list)

    async def begin(self, entry: Entry) -> Entry:
        """Record an intent; it is durable, and has its number, when this returns. See `Writer.begin`."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._schedule()
        self._begins.append((entry, future))
        begun = evolve(entry, number=await future)
        self.open[begun.number] = begun.address
        return begun

    async def commit(
        self, number: int, result: Status, record: Record | None, forget: Address | None = None
    ) -> None:
        """End an entry and record what came of it, durably. See `Writer.commit`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._schedule()
        self._ends.append(((number, result, record, forget), future))
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            # What happened at the provider is recorded, whatever became of who waits for it; so it has ended.
            self._flush()
            future.result()
        self.open.pop(number, None)

    def _schedule(self) -> None:
        if not (self._begins or self._ends):
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        ends, self._ends = self._ends, []
        begins, self._begins = [one for one in self._begins if not one[1].done()], []
        # Ends first: they tell what happened, and a begin that cannot be written must not keep them back.
        if ends:
            _settle([future for _, future in ends], lambda: self._commit([ended for ended, _ in ends]))
        if begins:
            _settle(
                [future for _, future in begins],
                lambda: self.writer.begin_all([entry for entry, _ in begins]),
            )

    def _commit(self, ended: Sequence[Ended]) -> list[None]:
        self.writer.commit_all(ended)
        return [None] * len(ended)


def _settle(futures: Sequence[asyncio.Future[Any]], write: Callable[[], Sequence[Any]]) -> None:
    """Tell each who waits its result, or all of them what went wrong."""
    try:
        results = write()
    except BaseException as error:
        for future in futures:
            if not future.done():
                future.set_exception(error)
        return
    for future, result in zip(futures, results, strict=True):
        if not future.done():
            future.set_result(result)
