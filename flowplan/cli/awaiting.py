"""Running a coroutine whose result is large."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def await_result(main: Coroutine[Any, Any, T]) -> T:
    """What `asyncio.run` gives, without the result being the task's.

    Why: as it puts the handler of Ctrl-C back, Python writes out the task with its result, only to throw the text away
    (``signal.getsignal`` tries the handler as a number): of a plan of 10,000 resources that is a fifth of the time.
    """
    import asyncio

    results: list[T] = []

    async def keep() -> None:
        results.append(await main)

    asyncio.run(keep())
    return results[0]
