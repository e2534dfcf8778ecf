"""Schedules of faults over random stacks, and the promise that each of them must keep.

A case is a pair of stacks in one of the four modes, a schedule one series of cuts and bad weather over it. Both come
from a seed, so a failure is replayed by its number alone.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field, frozen
from fault_world import Knife
from faulty_line import WEATHER
from law_world import Broken, LawWorld
from random_stacks import Pair, random_pair

MODES: dict[str, tuple[dict[str, Any], float]] = {
    "ignores the key, lists consistent": ({}, 0.0),
    "honours the key, lists consistent": ({"honour_idempotency_key": True}, 0.0),
    "ignores the key, lists lag": ({}, 4.0),
    "honours the key, lists lag": ({"honour_idempotency_key": True}, 4.0),
}
"""The provider's switches and the lag of its lists in seconds, by the name of the mode."""


class Unfit(Exception):
    """A pair that cannot even be applied undisturbed: no case."""


class Violation(AssertionError):
    """A promise that was not kept."""


@frozen
class Attempt:
    """One run under faults: where it is cut, what weather its requests meet, how long after it the next one starts."""

    cut: int
    weather: dict[int, str]
    parallelism: int
    pause_s: float


@define
class Tally:
    """What a soak has seen."""

    schedules: int = 0
    cuts: int = 0
    recoveries_cut: int = 0
    weather: int = 0
    runs: int = 0
    unfit: int = 0
    where: dict[str, int] = field(factory=dict)


class Case:
    """A pair of stacks in one mode: applied once without faults, then again and again with them."""

    def __init__(self, room: Path, seed: int, mode: str) -> None:
        self.seed, self.mode = seed, mode
        self.home = Path(tempfile.mkdtemp(dir=room))
        self.pair: Pair = random_pair(f"stack {seed}")
        rules, lag = MODES[mode]
        self.start = LawWorld(self.home / "start", {**rules, "seed": seed}, lag_s=lag)
        self.start.home.mkdir()
        self.start.sandbox().close()
        self.start.elapsed += 100.0
        if self.pair.before is not None:
            self._whole(self.start, self.pair.before, None)
        self.start.elapsed += 100.0
        self.uncut = Knife()
        world = self.start.fresh(self.home / "uncut", seed)
        self._whole(world, self.pair.after, self.pair.mode, self.uncut)
        world.elapsed += 100.0
        self.picture = world.picture()
        owners = [owner for owner, _, _ in self.picture["live"]]
        assert len(owners) == len(set(owners)), owners
        shutil.rmtree(world.home)

    def _whole(self, world: LawWorld, stack: Any, mode: Any, knife: Knife | None = None) -> None:
        try:
            result = world.apply(stack, *([mode] if mode else []), knife=knife)
        except Broken as error:
            raise Violation(f"{self.seed}, undisturbed: {error}\n{self.pair.texts}") from error
        except AssertionError as error:
            raise Unfit(str(error)) from error
        if result is not None and result.fatal is not None and not result.done:
            raise Unfit(result.fatal.summary)  # its plan is refused
        if result is None or not result.ok:
            raise Violation(f"{self.seed}, undisturbed: {result}\n{self.pair.texts}")

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.home, ignore_errors=True)

    def attempts(self, number: int) -> list[Attempt]:
        """The faults of the schedule with this number."""
        chance = Random(f"schedule {self.seed} {number}")
        made = []
        for _ in range(chance.choice((1, 1, 2, 3))):
            weather = {}
            if chance.random() < 0.6:
                for _ in range(chance.choice((1, 1, 2, 3))):
                    weather[chance.randint(1, self.uncut.requests + 2)] = chance.choice(WEATHER)
            cut = 0 if weather and chance.random() < 0.3 else chance.randint(1, self.uncut.passed + 3)
            made.append(Attempt(cut, weather, chance.choice((1, 4)), chance.choice((0.0, 0.5, 30.0))))
        return made

    def run(self, number: int, tally: Tally) -> None:
        """Let the schedule happen, then recover and apply, and compare.

        Raises:
            Violation: with all that is needed to see it again.
        """
        world = self.start.fresh(self.home / f"run{number}", self.seed * 1000 + number)
        said = []
        try:
            for attempt in self.attempts(number):
                knife = Knife(attempt.cut, attempt.weather)
                said.append(f"{attempt} -> failed")
                was_open = bool(world.unfinished())
                result = world.apply(
                    self.pair.after, self.pair.mode, knife=knife, parallelism=attempt.parallelism
                )
                world.elapsed += attempt.pause_s
                said[-1] = f"{attempt} -> {knife.where or 'not cut'}"
                tally.runs += 1
                tally.weather += sum(n <= knife.requests for n in attempt.weather)
                if result is None:
                    tally.cuts += 1
                    tally.recoveries_cut += was_open
                    where = knife.where.split("/")[0] if "/" in knife.where else knife.where
                    tally.where[where] = tally.where.get(where, 0) + 1
                elif result.ok:
                    break
            self.converges(world)
        except Exception as error:
            if isinstance(error, AssertionError) or not isinstance(error, Unfit):
                told = "\n  ".join(said)
                raise Violation(
                    f"seed {self.seed}, schedule {number}, {self.mode}:\n  {told}\n"
                    f"before:\n{self.pair.texts[0]}\nafter:\n{self.pair.texts[1]}\n{type(error).__name__}: {error}"
                ) from error
            raise
        finally:
            shutil.rmtree(world.home, ignore_errors=True)
        tally.schedules += 1

    def converges(self, world: LawWorld) -> None:
        """An undisturbed apply ends where the run that was never cut ended."""
        result = world.apply(self.pair.after, self.pair.mode)
        assert result is not None and result.ok, result
        world.elapsed += 100.0
        again = world.plan(self.pair.after, self.pair.mode)
        assert again.is_empty, [(str(c.address), c.action, c.reasons) for c in again.changes]
        picture = world.picture()
        assert picture == self.picture, "\n".join(_differences(picture, self.picture))
        assert world.unfinished() == [] and world.snapshot().verify() == []


def _differences(got: Any, want: Any, path: str = "") -> list[str]:
    """Where two pictures differ, a line each."""
    if isinstance(got, dict) and isinstance(want, dict):
        found = []
        for name in sorted({*got, *want}):
            found += _differences(got.get(name), want.get(name), f"{path}.{name}")
        return found
    return [] if got == want else [f"{path}: {got!r} instead of {want!r}"]
