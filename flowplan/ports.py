"""The ports: what the core asks of the world outside, and the values that pass through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from attrs import field, frozen

from flowplan.plan.observation import HistoryEvent, Observation, Observed, Offer, Quota, Quote
from flowplan.state.history import Serial
from flowplan.state.journal import Entry, Status, Timing
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Diagnostic, FlowplanError

if TYPE_CHECKING:
    from flowplan.launch import Ending  # it brings Jinja along

__all__ = [
    "Ambiguous",
    "Asker",
    "Backend",
    "CapacityMarket",
    "Clock",
    "Done",
    "Ended",
    "Estimator",
    "Event",
    "EventKind",
    "Guarded",
    "Handle",
    "Historian",
    "HistoryEvent",
    "InstanceAccess",
    "LockInfo",
    "Observation",
    "Observed",
    "Offer",
    "Outcome",
    "Pager",
    "Provider",
    "Quota",
    "Quote",
    "Reader",
    "Refused",
    "RemoteAccess",
    "Reporter",
    "StoreError",
    "TaskKeys",
    "Writer",
]


@frozen
class Handle:
    """What lets us recognise our own creation later (apply-protocol.md, "Words").

    Chosen and recorded before the request is sent. ``seen`` are the ids that already bore ``name`` then;
    ``digest`` is that of the startup script that was sent, which bears a mark of its own; "" without one.
    """

    kind: Kind
    name: str
    region: str = ""
    seen: tuple[str, ...] = ()
    digest: str = ""


@frozen
class Done:
    """The provider did it. ``observed`` is the object as it now is; None after a deletion."""

    observed: Observed | None


@frozen
class Refused:
    """The provider definitely did not do it; ``transient`` when trying again later may work."""

    diagnostic: Diagnostic
    transient: bool = False
    gone: bool = False
    """The object does not exist (404)."""
    status: int = 0


@frozen
class Ambiguous:
    """No one can tell from the answer whether it happened: time-out, lost connection, 5xx, unreadable answer."""

    reason: str


Outcome = Done | Refused | Ambiguous


class StoreError(FlowplanError):
    """The store cannot be read or written, or the lease was lost: nothing more may be sent after this."""


class Provider(Protocol):
    """An adapter to a provider of resources. Every method may raise `FlowplanError` for a read that failed."""

    async def project(self) -> str:
        """The id of the project everything is done in."""
        ...

    async def observe(self, wanted: Iterable[tuple[Kind, str]], kinds: Iterable[Kind]) -> Observation:
        """List ``kinds`` (never one request per resource); listing may stop once all ``wanted`` ids were seen."""
        ...

    async def read(self, kind: Kind, id: str) -> Observed | None:
        """One object; None if there is none.

        Where the API has a request for one of the kind it is as it is now; else it is as its list shows it, which may
        be some seconds old.
        """
        ...

    async def find(self, handle: Handle) -> list[Observed]:
        """The objects that bear the handle's name, ended ones included, oldest first."""
        ...

    async def create(self, kind: Kind, attributes: Mapping[str, Any], idempotency_key: str) -> Outcome:
        """Send the create request; ``attributes`` are the kind's, fully known, secrets still wrapped."""
        ...

    async def update(self, kind: Kind, id: str, changes: Mapping[str, Any], idempotency_key: str) -> Outcome:
        """Change attributes in place, in one request."""
        ...

    async def delete(self, kind: Kind, id: str, idempotency_key: str) -> Outcome:
        """Delete, cancel or terminate it."""
        ...


@runtime_checkable
class Guarded(Protocol):
    """A provider that asks, before each mutating request leaves, whether it still may."""

    def guard(self, check: Callable[[], None]) -> None:
        """Call ``check`` at the last moment before each mutating request; what it raises keeps the request back."""
        ...


@runtime_checkable
class Historian(Protocol):
    """A provider that remembers what was done to its objects, and by whom."""

    async def history(self, kind: Kind, id: str) -> Sequence[HistoryEvent]:
        """The events of one object, oldest first; none where the provider keeps none. May raise `FlowplanError`."""
        ...


@runtime_checkable
class Pager(Protocol):
    """A provider whose lists can be read page by page, newest first: a bounded number of requests at a time."""

    async def page(self, kind: Kind, cursor: str) -> tuple[Sequence[Observed], str]:
        """One page, from the start where ``cursor`` is ""; and the cursor of the next one, "" after the last.

        May raise `FlowplanError`.
        """
        ...


@runtime_checkable
class CapacityMarket(Protocol):
    """A provider that takes back instances of a reservation."""

    async def return_capacity(self, id: str, instances: Sequence[str], idempotency_key: str) -> Outcome:
        """Pause these instances of a reservation and give them back, for good: its quantity shrinks by them.

        Instances that have been given back already are passed over, so that a repetition does no harm.
        """
        ...


@runtime_checkable
class Estimator(Protocol):
    """A provider that tells beforehand what something costs and how much of it may be had."""

    async def quotas(self) -> Sequence[Quota]:
        """The project's quotas; may raise `FlowplanError`."""
        ...

    async def quote(
        self, instance_type: str, region: str, quantity: int, start: str, end: str
    ) -> Quote | None:
        """What a reservation would cost; None where it is not offered. May raise `FlowplanError`."""
        ...


@runtime_checkable
class TaskKeys(Protocol):
    """A provider whose tasks can end themselves, with a key that is made for each of them."""

    async def make_task_key(self, name: str, now: datetime, lasts: timedelta) -> Ending | None:
        """A key for the task ``name`` that lasts so long; None where its instances cannot reach the provider.

        Raises:
            FlowplanError: none can be made.
        """
        ...

    async def retire_task(self, name: str, id: str) -> None:
        """Revoke the key of a task that has ended, and (with its ``id``) remove what it left with the provider.

        Raises:
            FlowplanError: that failed; the key expires by itself.
        """
        ...


class InstanceAccess(Protocol):
    """Reading from a task's instances: its output and its completion record."""

    async def completion(self, task_id: str) -> Mapping[str, Any] | None:
        """The completion record (``exit_code``, ``started_at``, ``ended_at``) or None while there is none."""
        ...

    async def log(self, task_id: str, node: int, stream: str, offset: int) -> tuple[bytes, int] | None:
        """What ``stdout``/``stderr`` of a node holds from ``offset`` on, and the next offset; None if no node."""
        ...


@runtime_checkable
class RemoteAccess(InstanceAccess, Protocol):
    """Besides reading its output: files, commands and shells on a task's instances, by node number from 0.

    The methods may raise `FlowplanError` where a node is there and cannot be reached.
    """

    async def read_file(self, task_id: str, node: int, path: str) -> bytes | None:
        """What the file at the absolute ``path`` holds; None if there is no such file or node."""
        ...

    async def upload(self, task_id: str, node: int, data: bytes, path: str) -> None:
        """Make a file at the absolute ``path``, whole or not at all.

        Raises:
            NotYet: there is no such node, it does not run, or it does not answer.
        """
        ...

    async def run(self, task_id: str, node: int, command: str | Sequence[str]) -> tuple[int, bytes, bytes]:
        """Run a shell line, or a program with its arguments; its exit code, output and error output."""
        ...

    async def shell_argv(self, task_id: str, node: int, command: str | None) -> list[str] | None:
        """The local program that opens a shell there, or runs ``command`` with a terminal; None without a way in."""
        ...


class Clock(Protocol):
    """Time, passed in."""

    def now(self) -> datetime:
        """The time of day, in UTC. For records; never for ordering."""
        ...

    def monotonic(self) -> float:
        """Seconds from some start; for measuring and deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


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

        Raises:
            StoreError: the store is damaged, foreign, or cannot be read; or the stack never had that serial.
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


class EventKind(Enum):
    """What an event tells. The first two and the last two come once in a run, but for ``PLANNED``: once a change."""

    PLANNED = "planned"
    PLAN = "plan"
    STARTED = "started"
    PROGRESS = "progress"
    STATUS = "status"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    RECOVERED = "recovered"
    NOTICE = "notice"
    SUMMARY = "summary"
    OUTPUTS = "outputs"


@frozen
class Event:
    """One thing that happened during apply, for reporters."""

    kind: EventKind
    at: datetime
    address: Address | None = None
    operation: str = ""
    id: str = ""
    elapsed_s: float = 0.0
    message: str = ""
    diagnostic: Diagnostic | None = None
    condition: str = ""
    """What is waited for, where the step is a wait: that the task is ``running`` or ``completed``."""
    status: str = ""
    """How the task stands, in the provider's words."""
    usd_per_hour: float | None = None
    """What the resource costs an hour at most, in US dollars, where it is a task and that is known."""
    data: Mapping[str, Any] = field(factory=dict)
    """What a plan, a summary or outputs tell besides: plain values, fit to be shown."""


class Reporter(Protocol):
    """Whoever listens to events."""

    def emit(self, event: Event) -> None:
        """Take one event; never raises, never waits long."""
        ...


class Asker(Protocol):
    """Asks a person; the base answer, without a person, is no."""

    def confirm(self, question: str) -> bool:
        """Whether the person typed ``yes``."""
        ...
