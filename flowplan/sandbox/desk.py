"""What a person does with a sandbox besides using its API: moving its clock, setting its markets, adding faults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from attrs import evolve

from flowplan.sandbox.faults import happen
from flowplan.sandbox.faults.kinds import Scenario, read_fault
from flowplan.sandbox.faults.strikes import REQUEST_KINDS
from flowplan.sandbox.world import auction
from flowplan.sandbox.world.terms import Clock, Era, Fault, Override, Series
from flowplan.sandbox.world.world import Effect, Moment, World
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError

if TYPE_CHECKING:
    from flowplan.sandbox.sandbox import Sandbox

ROUND_S = 120
"""The pace of auctions where others bid (provider.md 4)."""
_US = timedelta(microseconds=1)
_LONGEST = timedelta(days=3650)


@frozen
class ClockReading:
    """The world's time, whether it stands still, and how far it is ahead of the real one."""

    now: datetime
    is_frozen: bool
    ahead: timedelta


class Desk:
    """A person's hands on an open sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    # the clock

    def clock(self) -> ClockReading:
        """How the clock stands."""
        with self._sandbox.viewing() as (world, moment):
            return self._reading(world.clock, moment.now)

    def advance(self, by: timedelta) -> ClockReading:
        """Let so much time pass at once, with everything that happens in it.

        Raises:
            FlowplanError: the time is not more than nothing, or more than ten years.
        """
        if not timedelta() < by <= _LONGEST:
            hint = "Write one such as 30m or 3h, of at most ten years."
            raise FlowplanError(Diagnostic.error("The clock only goes forward", suggestion=hint))

        def move(clock: Clock, now: datetime) -> Clock:
            if clock.frozen_at is not None:
                return evolve(clock, frozen_at=now + by)
            return evolve(clock, offset_us=clock.offset_us + by // _US)

        return self._set_clock(move)

    def freeze(self) -> ClockReading:
        """Stop the clock; machines that boot go on doing so when it is moved."""
        return self._set_clock(lambda clock, now: evolve(clock, frozen_at=now))

    def resume(self) -> ClockReading:
        """Let the clock run again, from where it stands."""
        real = self._sandbox.real_now()
        return self._set_clock(lambda clock, now: Clock((now - real) // _US))

    def _set_clock(self, change: Callable[[Clock, datetime], Clock]) -> ClockReading:
        with self._sandbox.changing() as (world, moment):
            booting = [
                (one.fid, one.boots)
                for one in world.instances.values()
                if one.status(moment.now) == "STATUS_STARTING"
            ]
            clock = world.put(change(world.clock, moment.now))
            now = max(moment.now, clock.now(self._sandbox.real_now()))
            auction.advance(world, evolve(moment, now=now))
            world.effects += [Effect("boot", fid, boots) for fid, boots in booting]
            return self._reading(clock, now)

    def _reading(self, clock: Clock, now: datetime) -> ClockReading:
        return ClockReading(now, clock.frozen_at is not None, now - self._sandbox.real_now())

    # markets

    def set_model(
        self,
        model: str,
        seed: int = 0,
        round_s: int | None = None,
        series: Mapping[str, Iterable[tuple[int, int]]] | None = None,
    ) -> None:
        """From now on others bid like this: ``calm`` (nobody), ``seeded``, or ``recorded`` in ``series``.

        ``series`` gives for markets (or ``*``) pairs of a second from now and cents.
        """
        with self._sandbox.changing() as (world, moment):
            _begin_era(world, moment, model, seed, round_s, series or {})

    def override(
        self,
        market: str,
        price_cents: int | None = None,
        capacity: int | None = None,
        lasts: timedelta | None = None,
    ) -> list[str]:
        """Set the least price or the machines of a market (or of several, by machine, region or ``*``); which ones.

        Raises:
            FlowplanError: there is no such market.
        """
        with self._sandbox.changing() as (world, moment):
            found = self._markets(market)
            until = None if lasts is None else moment.now + lasts
            for type_fid in found:
                seq = world.take_seq()
                set_ = Override(
                    f"set-{seq}", seq, type_fid, moment.now, until, price_cents=price_cents, capacity=capacity
                )
                world.put(set_)
                auction.rouse(world, moment, type_fid)
            return found

    def clear_overrides(self, market: str = "*") -> int:
        """End what was set by hand in markets, or by faults; how much there was."""
        with self._sandbox.changing() as (world, moment):
            found = set(self._markets(market))
            open_ones = [
                one
                for one in list(world.overrides.values())
                if one.market in found and (one.until is None or one.until > moment.now)
            ]
            for one in open_ones:
                world.put(evolve(one, until=max(one.since, moment.now)))
                auction.rouse(world, moment, one.market)
            return len(open_ones)

    def _markets(self, name: str) -> list[str]:
        found = happen.markets_named(name)
        if not found:
            hint = "flowplan sandbox market lists them; a machine, a region or * stands for several."
            raise FlowplanError(Diagnostic.error(f"There is no market {name}", suggestion=hint))
        return found

    # faults

    def add_fault(self, kind: str, **settings: Any) -> str:
        """Add one fault, from now on; its id. The settings are those of a scenario.

        Raises:
            FlowplanError: something about it is wrong.
        """
        fault, problems = read_fault({"kind": kind, **settings})
        if problems or fault is None:
            raise FlowplanError(*[Diagnostic.error(p.summary, suggestion=p.suggestion) for p in problems])
        with self._sandbox.changing() as (world, moment):
            fid = _add(world, moment, *fault)
            auction.advance(world, moment)
            return fid

    def load(self, scenario: Scenario) -> list[str]:
        """Put a checked scenario into force; the ids of its faults."""
        with self._sandbox.changing() as (world, moment):
            rules = dict(scenario.rules)
            if scenario.seed is not None:
                rules["seed"] = scenario.seed
            if rules:
                world.put(evolve(world.rules, **rules))
            if scenario.model is not None:
                pace = scenario.round_s
                _begin_era(world, moment, scenario.model, scenario.market_seed, pace, scenario.series)
            found = [_add(world, moment, kind, settings) for kind, settings in scenario.faults]
            auction.advance(world, moment)
            return found

    def faults(self) -> list[Fault]:
        """The faults that are not over, oldest first, with the settings they were given."""
        with self._sandbox.viewing() as (world, _):
            return [
                evolve(fault, settings={k: v for k, v in fault.settings.items() if k != "before"})
                for fault in world.faults.values()
                if not fault.over
            ]

    def clear_faults(self, fids: Iterable[str] = ()) -> list[str]:
        """End these faults, or all; which ones.

        Raises:
            FlowplanError: there is no such fault.
        """
        with self._sandbox.changing() as (world, moment):
            wanted = list(fids) or [fault.fid for fault in world.faults.values() if not fault.over]
            for fid in wanted:
                if fid not in world.faults:
                    hint = "flowplan sandbox fault list shows them."
                    raise FlowplanError(Diagnostic.error(f"There is no fault {fid}", suggestion=hint))
                happen.clear(world, world.faults[fid], moment)
            auction.advance(world, moment)
            return wanted


def _begin_era(
    world: World,
    moment: Moment,
    model: str,
    seed: int,
    round_s: int | None,
    series: Mapping[str, Iterable[tuple[int, int]]],
) -> None:
    seq = world.take_seq()
    pace = (0 if model == "calm" else ROUND_S) if round_s is None else round_s
    era = world.put(Era(f"era-{seq}", seq, moment.now, model, seed, pace))
    for market, steps in series.items():
        pairs = sorted(steps)
        world.put(
            Series(
                f"{era.fid}/{market}",
                world.take_seq(),
                era.fid,
                market,
                tuple(second for second, _ in pairs),
                tuple(cents for _, cents in pairs),
            )
        )
    auction.rouse(world, moment)
    auction.advance(world, moment)


def _add(world: World, moment: Moment, kind: str, settings: Mapping[str, Any]) -> str:
    fid = f"fault-{len(world.faults) + 1}"
    due_at = None
    if kind not in REQUEST_KINDS:
        due_at = moment.now + timedelta(seconds=settings.get("at", 0.0))
    world.put(Fault(fid, world.take_seq(), kind, dict(settings), moment.now, due_at))
    return fid
