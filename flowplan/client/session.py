"""What an open Python API holds: the provider, its market and tasks, and the way into instances."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from attrs import field

from flowplan.client.market import Market, Tasks
from flowplan.models.task import TaskError
from flowplan.models.task_config import TaskConfig
from flowplan.ports import Clock, InstanceAccess, Provider, RemoteAccess
from flowplan.values.classes import define
from flowplan.values.diagnostic import Diagnostic, FlowplanError


@define(eq=False)
class Session:
    """The ports of an open `Flow`; ``access`` is None where instances cannot be reached.

    ``region`` is where things go that name none; ``configs`` are the configurations submitted here, by task id.
    """

    provider: Provider
    tasks: Tasks
    market: Market
    access: InstanceAccess | None
    region: str
    clock: Clock
    read_code: Callable[[Path], bytes]
    configs: dict[str, TaskConfig] = field(factory=dict)
    cancelled: set[str] = field(factory=set)
    """The tasks that were ended here before they had completed, by their id."""
    revoked: set[str] = field(factory=set)
    """The ended tasks whose own keys are revoked, by their id."""
    uploads: dict[str, asyncio.Task[None]] = field(factory=dict)
    """The code that is being copied to the instances of tasks, by their id."""

    def reading(self) -> InstanceAccess:
        """The way to what instances wrote.

        Raises:
            FlowplanError: there is none.
        """
        if self.access is None:
            raise FlowplanError(
                Diagnostic.error(
                    "The instances of this provider cannot be reached from here",
                    "What a task wrote lies on its instances.",
                    suggestion="Install what reaches them over SSH: pip install 'flowplan[ssh]'",
                )
            )
        return self.access

    def remote(self) -> RemoteAccess:
        """The way to run things on instances.

        Raises:
            FlowplanError: there is none, or it can only read output.
        """
        access = self.reading()
        if not isinstance(access, RemoteAccess):
            raise TaskError("the way into these instances can only read their output")
        return access


def pauses(first_s: float = 0.1, most_s: float = 2.0) -> Callable[[], float]:
    """Ever longer pauses between two looks, in seconds."""
    pause = first_s / 1.6

    def following() -> float:
        nonlocal pause
        pause = min(pause * 1.6, most_s)
        return pause

    return following
