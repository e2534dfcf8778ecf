"""What the core asks of a store of state: reading for all, writing for the one who holds the lease."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from flowplan.state.journal import Entry, Status, Timing
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import FlowplanError

if TYPE_CHECKING:
    from flowplan.state.history import Serial


class StoreError(FlowplanError):
    """The store cannot be read or written, or the lease was lost: nothing more may be sent after this."""


@frozen
class LockInfo:
    """Who holds a stack's lease."""

    id: str
    operation: str
    who: str
    pid: int
    host: str
    version: str
    created_at: datetime
    expires_at: datetime
    token: int
    done: int = 0
    steps: int = 0
    """How far it had got when it last told: so many of its steps; 0 steps while it has not said."""
    is_over: bool = False
    """Whether it keeps no one out any more: it has run out, or its owner is known to have died."""


class Reader(Protocol):
    """The reading half of a backend: all that planning may have."""

    def snapshot(self, stack: str, serial: int | None = None) -> Snapshot:
        """The recorded state of a stack, now or as it was at ``serial``; an empty one (serial 0) if never applied.

        What it is now comes with what was done lately (`Snapshot.lately`).

        Raises:
            StoreError: the store is damaged, foreign, or cannot be read; or the stack never had that serial.
        """
        ...

    def key(self, stack: str) -> bytes:
        """The key of a stack's fingerprints, which is in its snapshots too; empty if never applied.

        Raises:
            StoreError: see `snapshot`.
        """
        ...

    def history(self, stack: str, limit: int = 0) -> list[Serial]:
        """The last ``limit`` serials (0: all), newest first."""
        ...

    def lock(self, stack: str) -> LockInfo | None:
        """Who has the stack's lease, or died with it; None where no one does."""
        ...

    def unfinished(self, stack: str) -> list[Entry]:
        """Journal entries that began and did not end, oldest first."""
        ...

    def timings(self, stack: str, limit: int) -> list[Timing]:
        """How long the last ``limit`` operations took that were done, newest first."""
        ...

    def stacks(self) -> list[str]:
        """The names of all recorded stacks, sorted."""
        ...


Ended = tuple[int, Status, Record | None, Address | None]
"""How an entry ends: its number, its result, the record to put, and the address to forget."""


class Writer(Protocol):
    """The writing half, held by the one writer of a stack while its lease lasts.

    Each method is one durable transaction that checks the lease's token first.

    Raises:
        StoreError: the lease was lost, or the store cannot be written; nothing was changed.
    """

    @property
    def token(self) -> int:
        """The fencing token of the lease."""
        ...

    @property
    def heartbeat_s(self) -> float:
        """How often the lease wants to be renewed, in seconds."""
        ...

    def check(self) -> None:
        """Make sure the lease still holds and the store takes records; called before each mutating request.

        After a write that failed it lets nothing pass until one has succeeded.
        """
        ...

    def progress(self, done: int, steps: int) -> None:
        """Say how far the work has come; told with the next transaction to whoever asks for the lease."""
        ...

    def renew(self) -> None:
        """The heartbeat: push the lease's end further out."""
        ...

    def begin(self, entry: Entry) -> int:
        """Record an intent, before anything is sent; returns the entry's number."""
        ...

    def begin_all(self, entries: Iterable[Entry]) -> list[int]:
        """Record several intents in one transaction; returns their numbers, in their order."""
        ...

    def commit(
        self, number: int, result: Status, record: Record | None, forget: Address | None = None
    ) -> None:
        """End an entry and record what came of it, in one transaction.

        ``record`` is put into the state under its address, ``forget``
        is taken out.
        """
        ...

    def commit_all(self, ended: Iterable[Ended]) -> None:
        """End several entries in one transaction, each with a serial of its own."""
        ...

    def save(
        self,
        records: Iterable[Record] = (),
        forget: Iterable[Address] = (),
        outputs: Mapping[str, Any] | None = None,
        project: str | None = None,
    ) -> None:
        """Record observations, outputs and the project: what no journal entry stands for."""
        ...

    def replace(self, snapshot: Snapshot, what: str) -> None:
        """Make the recorded state what ``snapshot`` says, under its serial, whatever it is now, even damaged.

        ``what`` stands in the history. The key of the stack's fingerprints stays; the serial must be a new one.
        """
        ...

    def release(self) -> None:
        """Give the lease back."""
        ...


class Backend(Reader, Protocol):
    """A store of state: any number of stacks, their journals and leases."""

    def acquire(self, stack: str, source: str, operation: str, timeout: float) -> Writer:
        """Take the stack's lease, waiting up to ``timeout`` seconds.

        Raises:
            StoreError: someone else holds it (exit code 7), naming who, or the store cannot be written.
        """
        ...

    def unlock(self, stack: str, id: str) -> bool:
        """Take the lease ``id`` away from whoever has it; False where it is not the stack's lease any more.

        It is safe: who has lost it can neither record nor send anything more.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
