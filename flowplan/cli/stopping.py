"""Signals: how they reach an apply, and what waits for them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from attrs import field

from flowplan.apply.engine import Stop
from flowplan.ports import StoreError, Writer
from flowplan.provider.pace import SystemClock
from flowplan.values.classes import define
from flowplan.values.diagnostic import Diagnostic, FlowplanError
from flowplan.values.exit_code import ExitCode

_T = TypeVar("_T")
_GRACE_S = 1.0
"""How long the engine may take to sum up after a second signal."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@define(eq=False)
class Signals:
    """What stops an apply; ``code`` is the exit code that the last signal means. ``tell`` says what was understood."""

    tell: Callable[[str], None]
    stop: Stop = field(factory=Stop)
    code: int = ExitCode.INTERRUPTED

    def listen(self) -> None:
        """Let SIGINT, SIGTERM and SIGHUP stop the apply, from now on."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._on, number)

    def rest(self) -> None:
        """Once a signal was heeded, let further ones mean nothing: all is said, and the process is about to end."""
        if not self.stop.requested.is_set():
            return
        loop = asyncio.get_running_loop()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # none may come while its handler is changed
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _on(self, number: int) -> None:
        self.code = 128 + number
        if self.stop.requested.is_set():
            self.tell("\nStopping at once; the journal covers what is in flight.")
        else:
            self.tell("\nInterrupted: starting nothing new, finishing what is in flight.")
        self.stop.interrupt()


async def wait_for_lock(acquire: Callable[[], Writer], timeout: float, signals: Signals) -> Writer:
    """The lease; asked for again and again for ``timeout`` seconds, unless a signal comes first.

    Raises:
        FlowplanError: it is still held, or a signal came.
    """
    clock = SystemClock()
    deadline = clock.monotonic() + timeout
    requested = signals.stop.requested
    while True:
        try:
            return acquire()
        except StoreError as error:
            if error.exit_code != ExitCode.LOCKED or clock.monotonic() >= deadline:
                raise
        with suppress(TimeoutError):
            await asyncio.wait_for(requested.wait(), min(0.2, max(0.0, deadline - clock.monotonic())))
        if requested.is_set():
            raise FlowplanError(
                Diagnostic.error("Interrupted while waiting for the lock", "Nothing was changed."),
                exit_code=signals.code,
            )


async def unless_stopped(work: Coroutine[Any, Any, _T], signals: Signals) -> _T:
    """What comes of ``work``, unless a second signal asks to stop at once and it does not end by itself.

    Raises:
        FlowplanError: it was cut off.
    """
    task = asyncio.create_task(work)
    hurry = asyncio.create_task(signals.stop.at_once.wait())
    try:
        await asyncio.wait({task, hurry}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait({task}, timeout=_GRACE_S)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise FlowplanError(
                Diagnostic.error(
                    "Stopped at once",
                    "What had begun is in the journal.",
                    suggestion="flowplan plan shows it, and the next apply settles it first.",
                ),
                exit_code=signals.code,
            )
        return task.result()
    finally:
        hurry.cancel()
