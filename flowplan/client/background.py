"""An event loop in a thread of its own, so that asynchronous ports can be used by plain calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from flowplan.values.diagnostic import Diagnostic, FlowplanError

T = TypeVar("T")


class Background:
    """Runs coroutines and hands back what they return; `close` ends the thread. Usable from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="flowplan", daemon=True)
        self._thread.start()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._loop.is_closed()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns or raises; an interrupt while waiting cancels it.

        Raises:
            FlowplanError: the loop was closed.
            RuntimeError: called from a coroutine of this very loop, which would wait for itself.
        """
        if self._loop.is_closed() or not self._thread.is_alive():
            coroutine.close()
            raise _closed()
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError(
                "a plain call of the Python API from within its own event loop would never return"
            )
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise _closed() from None
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel what still runs and end the thread; closing twice is nothing."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


def _closed() -> FlowplanError:
    return FlowplanError(
        Diagnostic.error(
            "The connection to the provider is closed",
            suggestion="Use tasks inside the with block of flowplan.connect(), or connect again.",
        )
    )
