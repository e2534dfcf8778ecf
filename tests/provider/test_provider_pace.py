"""The pace of the client: it finds the rate that a server bears, and gets its speed back."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "apply"))

from fault_world import Clock, VirtualLoop

from flowplan.provider.pace import LEAST_RATE, Pace, server_moment


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(0.0)) as runner:
        return runner.run(main)


class Limited:
    """A server that takes so many requests in each second and refuses the others."""

    def __init__(self, per_second: float) -> None:
        self.per_second, self.window, self.count = per_second, -1, 0
        self.taken: list[float] = []
        self.refused: list[float] = []

    def ask(self, now: float) -> bool:
        if int(now) != self.window:
            self.window, self.count = int(now), 0
        self.count += 1
        (self.taken if self.count <= self.per_second else self.refused).append(now)
        return self.count <= self.per_second


async def work(pace: Pace, server: Limited, until: float, wait_s: float = 0.5, workers: int = 8) -> None:
    async def one() -> None:
        while True:
            number = await pace.ready()
            sent = asyncio.get_running_loop().time()
            if sent >= until:
                return
            await asyncio.sleep(0.01)
            pace.answered() if server.ask(sent) else pace.complained(number, wait_s)

    await asyncio.gather(*(one() for _ in range(workers)))


@pytest.mark.parametrize("limit", [5, 20, 100])
def test_the_client_finds_the_rate_that_a_server_bears(limit: int) -> None:
    async def main() -> None:
        server, pace = Limited(limit), Pace(Clock(), lambda: 0.5)
        await work(pace, server, 120.0)
        steady = [moment for moment in server.taken if moment > 20]
        refused = [moment for moment in server.refused if moment > 20]
        assert len(steady) / 100 > 0.5 * limit, "most of what the server bears is used"
        assert len(refused) < 0.15 * len(steady), "and hardly anything is asked in vain"

    run(main())


def test_speed_is_regained_when_the_complaints_end() -> None:
    async def main() -> None:
        server, pace = Limited(10), Pace(Clock(), lambda: 0.5)
        assert pace.rate is None
        await work(pace, server, 10.0)
        assert pace.rate is not None
        server.per_second = 1e9
        await work(pace, server, 100.0)
        assert pace.rate is None
        last = [moment for moment in server.taken if moment > 98]
        assert len(last) > 1000, "as fast as eight requests at a time are"

    run(main())


def test_one_storm_cuts_the_rate_once_and_the_longest_hold_counts() -> None:
    async def main() -> None:
        pace = Pace(Clock(), lambda: 0.5)
        sent = [await pace.ready() for _ in range(16)]
        for number in sent:
            pace.complained(number, 7.0 if number == 3 else 1.0)
        assert pace.rate == 8.0
        moments = []
        for _ in range(5):
            await pace.ready()
            moments.append(asyncio.get_running_loop().time())
        assert moments[0] == 7.0
        gaps = [b - a for a, b in itertools.pairwise(moments)]
        assert gaps == pytest.approx([1 / 8] * 4)

    run(main())


def test_the_rate_never_falls_to_nothing() -> None:
    async def main() -> None:
        pace = Pace(Clock(), lambda: 0.5)
        for _ in range(50):
            pace.complained(await pace.ready(), 0.0)
        assert pace.rate == LEAST_RATE

    run(main())


MOMENTS = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(
    lambda at: at.replace(microsecond=0, tzinfo=UTC)
)


@given(MOMENTS)
def test_the_time_that_a_server_tells_is_read_to_the_second(moment: datetime) -> None:
    assert server_moment(format_datetime(moment, usegmt=True)) == moment


@given(MOMENTS, st.integers(0, 28), st.characters())
def test_a_time_that_is_told_otherwise_is_read_as_the_standard_library_reads_it(
    moment: datetime, at: int, other: str
) -> None:
    text = format_datetime(moment, usegmt=True)
    text = text[:at] + other + text[at + 1 :]
    try:
        expected: datetime | None = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        expected = None
    if expected is not None and expected.tzinfo is None:
        expected = expected.replace(tzinfo=UTC)
    assert server_moment(text) == expected
