"""Open providers for commands that start from recorded tasks: one session per project, opened when first needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from attrs import field

from flowplan.cli.context import Context
from flowplan.cli.project import Project
from flowplan.client.session import Session
from flowplan.models.task import TaskError
from flowplan.state.snapshot import Snapshot
from flowplan.values.classes import define
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.wiring import session


@define(eq=False)
class Sessions:
    """The sessions of the Python API that recorded stacks live in; made by `open_sessions`."""

    context: Context
    project: Project
    _closing: AsyncExitStack
    _known: dict[str, Session | FlowplanError] = field(factory=dict)
    _opening: asyncio.Lock = field(factory=asyncio.Lock)

    async def of(self, snapshot: Snapshot) -> Session:
        """The session for a recorded stack; stacks of one project share it.

        Raises:
            FlowplanError: its provider cannot be reached; the same one for every later call.
        """
        async with self._opening:
            found = self._known.get(snapshot.project)
            if found is None:
                connecting = self.context.connect_recorded(self.project, snapshot)
                try:
                    found = await self._closing.enter_async_context(
                        session(connecting, self.context.region(None))
                    )
                except FlowplanError as error:
                    found = error
                self._known[snapshot.project] = found
        if isinstance(found, FlowplanError):
            raise found
        return found


@asynccontextmanager
async def open_sessions(context: Context, project: Project) -> AsyncIterator[Sessions]:
    """Sessions that are open as long as this context."""
    async with AsyncExitStack() as closing:
        yield Sessions(context, project, closing)


@contextmanager
def asked_of_a_handle() -> Iterator[None]:
    """Turns what a task's handle cannot do into a diagnostic; the message says why, and what can be done."""
    try:
        yield
    except FlowplanError:
        raise
    except (TaskError, ValueError) as error:
        text = str(error)
        raise FlowplanError(Diagnostic.error(f"{text[:1].upper()}{text[1:]}")) from error
