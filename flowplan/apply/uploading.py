"""Copying a task's code to its instances once they run, for the upload strategies that do not embed it (models.md 2.6).

A launch script waits for its code, so this runs beside whatever else there is to do. It changes nothing on record: if
it never comes to an end, the task fails by itself and says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from attrs import field

from flowplan.launch import CODE_PATH
from flowplan.ports import Clock, RemoteAccess, StoreError
from flowplan.values.address import Address
from flowplan.values.classes import define, frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError, NotYet

_FIRST_PAUSE_S, _MOST_PAUSE_S = 0.1, 2.0
_RENEW_S = 5.0


async def upload_code(
    access: RemoteAccess,
    clock: Clock,
    task_id: str,
    nodes: int,
    code: bytes,
    timeout_s: float,
    patience_s: float | None,
) -> None:
    """Copy ``code`` to every node of a task; each may take ``timeout_s`` once it can be reached.

    ``patience_s`` is how long it may take until a node can be reached; None is without limit.

    Raises:
        NotYet: a node could not be reached in time.
        FlowplanError: a node did not take the code, or not in time.
    """

    async def one(node: int) -> None:
        deadline = None if patience_s is None else clock.monotonic() + patience_s
        pause = _FIRST_PAUSE_S
        while True:
            try:
                async with asyncio.timeout(timeout_s):
                    await access.upload(task_id, node, code, CODE_PATH)
                return
            except TimeoutError:
                raise FlowplanError(
                    Diagnostic.error(
                        f"the code could not be copied to node {node} of {task_id} in {timeout_s:g} seconds",
                        suggestion="Raise its upload_timeout, or send less code.",
                    )
                ) from None
            except NotYet:
                if deadline is not None and clock.monotonic() >= deadline:
                    raise
            await clock.sleep(pause)
            pause = min(1.6 * pause, _MOST_PAUSE_S)

    async with asyncio.TaskGroup() as group:
        copies = [group.create_task(_kept(one(node))) for node in range(nodes)]
    for copy in copies:
        if (error := copy.result()) is not None:
            raise error


async def _kept(copy: Any) -> FlowplanError | None:
    """A copy's error as a value: one node that fails must not cut off the others."""
    try:
        await copy
    except FlowplanError as error:
        return error
    return None


@frozen
class LateCode:
    """A task whose code was not copied, and why."""

    address: Address
    diagnostic: Diagnostic


@define(eq=False)
class Uploads:
    """The copies of one run that are under way."""

    _copies: dict[Address, asyncio.Task[None]] = field(factory=dict)

    def begin(
        self,
        address: Address,
        access: RemoteAccess,
        clock: Clock,
        id: str,
        config: Mapping[str, Any],
        code: bytes,
    ) -> None:
        """Start to copy the code of a task that was just made."""
        limit = float(config.get("upload_timeout") or 600)
        nodes = int(config.get("num_instances") or 1)
        copying = upload_code(access, clock, id, nodes, code, limit, limit)
        self._copies[address] = asyncio.create_task(copying)

    def __bool__(self) -> bool:
        return bool(self._copies)

    @property
    def under_way(self) -> list[Address]:
        """The tasks whose code is still to be copied."""
        return [address for address, copy in self._copies.items() if not copy.done()]

    async def settle(self, stop: asyncio.Event, renew: Callable[[], None]) -> list[LateCode]:
        """Wait for all copies, or until ``stop``; those that failed or were given up. ``renew`` keeps the lease."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while (left := [one for one in self._copies.values() if not one.done()]) and not stop.is_set():
                await asyncio.wait([*left, stopping], timeout=_RENEW_S, return_when=asyncio.FIRST_COMPLETED)
                try:
                    renew()
                except StoreError:
                    break  # another run may be at work by now
        finally:
            stopping.cancel()
            for copy in self._copies.values():
                copy.cancel()
            await asyncio.gather(stopping, *self._copies.values(), return_exceptions=True)
        return [
            LateCode(address, _late(address, copy))
            for address, copy in self._copies.items()
            if copy.cancelled() or copy.exception() is not None
        ]


def _late(address: Address, copy: asyncio.Task[None]) -> Diagnostic:
    error = None if copy.cancelled() else copy.exception()
    if error is not None and not isinstance(error, FlowplanError):
        raise error
    why = "it was interrupted" if error is None else error.diagnostics[0].summary
    return Diagnostic.error(
        f"the code of {address} was not copied to its instances",
        f"{why[:1].upper()}{why[1:]}. The task was made, and waits for its code as long as its upload_timeout says, "
        "from when it runs; then it fails.",
        address=address,
        suggestion=f"Copy it when the task runs: flowplan upload '{address}'.",
    )
