"""Prices of the markets, now and before (provider.md section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from flowplan.sandbox.world import auction, wire
from flowplan.sandbox.world.catalogue import Market, markets
from flowplan.sandbox.world.conditions import capacity_at
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.prices import price_at, price_history
from flowplan.sandbox.world.request import Refusal, Request, Response, refuse_field
from flowplan.sandbox.world.world import Moment, World

_USUAL_SPAN = timedelta(days=14)
_ALL = -1


def current(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/pricing/current."""
    query = Fields(request.query, "query")
    fid = query.text("instance_type")
    region = query.text("region", required=False)
    quantity = query.integer("instance_quantity", required=False, minimum=1, maximum=256) or 1
    query.check()
    market = markets().get(fid)
    if market is None or (region and market.region.name != region):
        raise Refusal(404, f"No market for {fid}" + (f" in {region}" if region else ""))
    free = auction.free_machines(world, fid, moment)
    lowest = lowest_allocated(world, fid)
    price = auction.last_price(world, fid, moment)
    floor = market.machine.floor_cents
    total = capacity_at(world, fid, moment.now)
    enough = price if free >= quantity or lowest is None else max(lowest + 1, floor)
    return Response(
        200,
        {
            "spot_price_cents": price,
            "reserved_price_cents": market.machine.reserved_cents,
            "minimum_price_cents": floor,
            "lowest_allocated_bid_cents": lowest,
            "dynamic_win_price_cents": enough if quantity <= total else None,
            "available_capacity": free,
            "total_capacity": total,
        },
    )


def history(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/pricing/history: every change (``num_samples`` -1), or so many prices at equal distances, the newest last.

    Without times it tells of the last 14 days. Types that are not on sale have no series.
    """
    query = Fields(request.query, "query")
    types = query.commas("instance_types")
    region = query.text("region", required=False)
    asked = query.integer("num_samples", required=False, minimum=_ALL, maximum=1000)
    start = query.instant("start_time", required=False)
    end = query.instant("end_time", required=False)
    query.check()
    end = min(end or moment.now, moment.now)
    start = start or end - _USUAL_SPAN
    if start > end:
        raise refuse_field(
            ["query", "start_time"], "Start time must lie before the end and not in the future"
        )
    count = 100 if asked is None else asked
    found = [
        _series(market, _samples(world, fid, start, end, count))
        for fid, market in markets().items()
        if (types is None or fid in types) and (not region or market.region.name == region)
    ]
    return Response(200, {"series": found, "complete": True})


def lowest_allocated(world: World, type_fid: str) -> int | None:
    """The lowest limit in cents of the bids that have machines."""
    limits = [bid.limit_cents for bid in world.holding_in(type_fid) if bid.status == "Allocated"]
    return min(limits, default=None)


def _samples(
    world: World, fid: str, start: datetime, end: datetime, count: int
) -> Sequence[tuple[datetime, int]]:
    if count == _ALL:
        return price_history(world, fid, start, end)
    step = (end - start) / max(count - 1, 1)
    times = [end - step * before for before in range(count - 1, -1, -1)]
    return [(at, price_at(world, fid, at)) for at in times]


def _series(market: Market, samples: Sequence[tuple[datetime, int]]) -> dict[str, Any]:
    reserved = wire.dollars(market.machine.reserved_cents)
    return {
        "instance_type": market.type_fid,
        "region": market.region.name,
        "timestamps": [wire.instant(at) for at, _ in samples],
        "spot_prices": [wire.dollars(cents) for _, cents in samples],
        "reserved_prices": [reserved] * len(samples),
        "region_disabled": False,
    }
