"""Begins and ends that wait together share a transaction, and none is told of before it is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flowplan.apply.together import Together
from flowplan.backend.sqlite import SqliteBackend
from flowplan.ports import StoreError
from flowplan.state.journal import Entry, Operation, Status
from flowplan.state.snapshot import Record
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic

AT = datetime(2026, 11, 28, tzinfo=UTC)


def entry(number: int) -> Entry:
    return Entry(Operation.CREATE, Address.parse(f"task.t{number}"), "r", AT, name=f"t{number}")


def record(number: int) -> Record:
    return Record(Address.parse(f"task.t{number}"), f"bid_{number}", f"t{number}", {})


class Counting:
    """A writer that counts its transactions, and may refuse the next one."""

    def __init__(self, writer: Any) -> None:
        self.writer, self.sizes, self.refuses = writer, [], False  # type: ignore[var-annotated]

    def _pass(self, what: Sequence[Any]) -> list[Any]:
        if self.refuses:
            raise StoreError(Diagnostic.error("no space"))
        self.sizes.append(len(what))
        return list(what)

    def begin_all(self, entries: Sequence[Entry]) -> list[int]:
        return list(self.writer.begin_all(self._pass(list(entries))))

    def commit_all(self, ended: Sequence[Any]) -> None:
        self.writer.commit_all(self._pass(list(ended)))


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[SqliteBackend]:
    with closing(SqliteBackend(tmp_path)) as backend:
        yield backend


@pytest.fixture
def writer(backend: SqliteBackend) -> Counting:
    return Counting(backend.acquire("s", "s", "apply", 0))


def test_what_waits_together_is_written_together(backend: SqliteBackend, writer: Counting) -> None:
    async def one(together: Together, number: int) -> None:
        begun = await together.begin(entry(number))
        assert begun.number in [left.number for left in backend.unfinished("s")], "it is durable by now"
        await together.commit(begun.number, Status.DONE, record(number))
        assert record(number).address in backend.snapshot("s").records

    async def all_of_them() -> None:
        together = Together(writer)  # type: ignore[arg-type]
        await asyncio.gather(*(one(together, number) for number in range(10)))

    asyncio.run(all_of_them())
    assert writer.sizes == [10, 10]
    assert backend.snapshot("s").serial == 10, "each end has a serial of its own"
    assert backend.unfinished("s") == [] and len(backend.snapshot("s").records) == 10


def test_what_cannot_be_written_is_told_to_all_who_wait(backend: SqliteBackend, writer: Counting) -> None:
    async def all_of_them() -> list[Any]:
        together = Together(writer)  # type: ignore[arg-type]
        writer.refuses = True
        return await asyncio.gather(*(together.begin(entry(n)) for n in range(3)), return_exceptions=True)

    assert [type(error) for error in asyncio.run(all_of_them())] == [StoreError] * 3
    assert backend.unfinished("s") == []


def test_who_is_cancelled_begins_nothing_and_ends_what_happened(
    backend: SqliteBackend, writer: Counting
) -> None:
    async def all_of_them() -> None:
        together = Together(writer)  # type: ignore[arg-type]
        begun = await together.begin(entry(0))
        waiting = asyncio.ensure_future(together.begin(entry(1)))
        ending = asyncio.ensure_future(together.commit(begun.number, Status.DONE, record(0)))
        await asyncio.sleep(0)
        waiting.cancel()
        ending.cancel()
        await asyncio.gather(waiting, ending, return_exceptions=True)

    asyncio.run(all_of_them())
    assert backend.unfinished("s") == [], "it was never begun"
    assert list(backend.snapshot("s").records) == [record(0).address], "it happened, so it is recorded"
