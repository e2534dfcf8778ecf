"""What the core asks of a provider of resources, and what only some providers can do besides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from flowplan.plan.observation import HistoryEvent, Observation, Observed, Quota, Quote
from flowplan.values.address import Kind

if TYPE_CHECKING:
    from flowplan.launch import Ending  # it brings Jinja along
    from flowplan.ports.outcome import Handle, Outcome


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
