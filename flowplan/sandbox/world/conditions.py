"""How a market stands at a time, by what rules it: machines, lowest price, who else bids. Stores nothing."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta

from flowplan.sandbox.market import rivals
from flowplan.sandbox.world.catalogue import Market, markets
from flowplan.sandbox.world.market import Demand, clear
from flowplan.sandbox.world.terms import Era, Series
from flowplan.sandbox.world.world import World
from flowplan.values.classes import frozen

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CALM = Era("era", 0, _EPOCH)


@frozen
class Conditions:
    """``floor_cents`` is the lowest price that can win, ``rivals`` are the others, highest limit first."""

    capacity: int
    floor_cents: int
    rivals: tuple[Demand, ...] = ()
    refuses: bool = False


def market_name(market: Market) -> str:
    """A market as people and series name it: the machine, ``@``, the region."""
    return f"{market.machine.name}@{market.region.name}"


def era_at(world: World, at: datetime) -> Era:
    """The era in force; calm before the first."""
    return max((era for era in world.eras if era.since <= at), key=lambda era: era.seq, default=_CALM)


def conditions_at(world: World, type_fid: str, at: datetime) -> Conditions:
    """Everything that decides an auction besides the user's own bids and reservations."""
    market = markets()[type_fid]
    capacity, floor, refuses = market.capacity, market.machine.floor_cents, False
    for override in world.overrides.values():
        if override.holds(type_fid, at):
            capacity = capacity if override.capacity is None else override.capacity
            floor = floor if override.price_cents is None else max(floor, override.price_cents)
            refuses = override.refuses
    era = era_at(world, at)
    if era.model == "recorded" and (series := _series(world, era, market)) is not None:
        passed = bisect_right(series.seconds, (at - era.since).total_seconds())
        floor = max(floor, series.cents[passed - 1]) if passed else floor
    if era.model != "seeded":
        return Conditions(capacity, floor, (), refuses)
    usual = (market.capacity, market.machine.floor_cents)
    others = rivals.demands(era.seed, market_name(market), _round(era, at), *usual)
    return Conditions(capacity, floor, others, refuses)


def capacity_at(world: World, type_fid: str, at: datetime) -> int:
    """The machines a market has."""
    return conditions_at(world, type_fid, at).capacity


def next_change(world: World, type_fid: str, after: datetime) -> datetime | None:
    """When the conditions of a market may next be others than they are at ``after``."""
    found = [era.since for era in world.eras]
    for override in world.overrides.values():
        if override.market in ("", type_fid):
            found.append(override.since)
            if override.until is not None:
                found.append(override.until)
    era = era_at(world, after)
    market = markets()[type_fid]
    if era.model == "recorded" and (series := _series(world, era, market)) is not None:
        passed = bisect_right(series.seconds, (after - era.since).total_seconds())
        found += [era.since + timedelta(seconds=second) for second in series.seconds[passed : passed + 1]]
    elif era.model == "seeded":
        number = rivals.next_change(era.seed, market_name(market), _round(era, after))
        found.append(_EPOCH + timedelta(seconds=number * _length(era)))
    return min((at for at in found if at > after), default=None)


def next_round(world: World, at: datetime) -> datetime:
    """When something that changed at ``at`` is auctioned: at the next round, or at once where there are none."""
    era = era_at(world, at)
    if not era.round_s:
        return at
    return _EPOCH + timedelta(seconds=(_round(era, at) + 1) * era.round_s)


def quiet_price(world: World, type_fid: str, at: datetime) -> int:
    """What winners pay while nobody of this world takes part."""
    now = conditions_at(world, type_fid, at)
    return clear(now.capacity, now.floor_cents, now.rivals).price_cents if now.rivals else now.floor_cents


def _round(era: Era, at: datetime) -> int:
    return (at - _EPOCH) // timedelta(seconds=_length(era))


def _length(era: Era) -> int:
    return era.round_s or 120


def _series(world: World, era: Era, market: Market) -> Series | None:
    """The series that names the market most exactly."""
    for name in (market_name(market), market.machine.name, "*"):
        if (found := world.series.get(f"{era.fid}/{name}")) is not None:
            return found
    return None
