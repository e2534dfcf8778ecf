"""What the Python API asks of a provider beyond `flowplan.ports.Provider`: reads, as the documented models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from flowplan.models.config import Project, User
from flowplan.models.enums import TaskStatus
from flowplan.models.hardware import InstanceMatch
from flowplan.models.instance import AvailableInstance, Instance
from flowplan.models.reservation import Reservation
from flowplan.models.task import Task
from flowplan.models.volume import Volume
from flowplan.values.diagnostic import Diagnostic


class Tasks(Protocol):
    """Tasks and their instances. Every method may raise `FlowplanError` for a read that failed."""

    async def task(self, task_id: str) -> Task:
        """The task as it is now; its cost is worked out from its history.

        Raises:
            FlowplanError: there is none with this id, or it cannot be read.
        """
        ...

    async def tasks(self, status: TaskStatus | None, offset: int, limit: int) -> tuple[list[Task], int]:
        """At most ``limit`` tasks after the first ``offset``, newest first, and how many there are in all."""
        ...

    async def instances(self, task_id: str) -> list[Instance]:
        """The instances of a task in the order of their nodes, then those it had before."""
        ...


class Market(Protocol):
    """What is for sale, what is owned, and whose key it is. May raise `FlowplanError` like `Tasks`."""

    async def user(self, user_id: str | None) -> User:
        """The user with this id; None is the key's own."""
        ...

    async def projects(self) -> list[Project]:
        """The projects the key may use."""
        ...

    async def volumes(self) -> list[Volume]:
        """The volumes of the project."""
        ...

    async def reservations(self) -> list[Reservation]:
        """The reservations of the project, newest first."""
        ...

    async def matches(self, instance_type: str | None) -> list[InstanceMatch]:
        """Offers of GPU instances with a price, of this type in any spelling or of all types; not scored."""
        ...

    async def available(self) -> list[AvailableInstance]:
        """Everything on offer that has a price."""
        ...

    async def objections(self, attributes: Mapping[str, Any]) -> Sequence[Diagnostic]:
        """What the provider would say to a task with these attributes, as far as reads can tell.

        Errors are reasons to refuse it; warnings are worth knowing.
        """
        ...
