"""The sandbox as a person sees it: what runs, what it costs, how the markets stand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from flowplan.sandbox.world import auction
from flowplan.sandbox.world.catalogue import markets
from flowplan.sandbox.world.conditions import capacity_at, era_at, market_name
from flowplan.sandbox.world.ledger import ledger
from flowplan.sandbox.world.prices import price_at, price_history
from flowplan.sandbox.world.records import Bid, Reservation
from flowplan.sandbox.world.wire import instant
from flowplan.sandbox.world.world import Moment, World

if TYPE_CHECKING:
    from flowplan.sandbox.sandbox import Sandbox

_SHOWN = 200
"""How many bids and instances are listed; all are counted."""
_POINTS = 120


def overview(sandbox: Sandbox) -> dict[str, Any]:
    """Everything that ``flowplan sandbox status`` and the web page show, as JSON data; money in cents."""
    counts = sandbox.status()
    with sandbox.viewing() as (world, moment):
        charges = ledger(world, moment.now)
        spent = {charge.fid: charge for charge in charges}
        bids = [bid for bid in world.bids.values() if bid.is_live][-_SHOWN:]
        live = [one for one in world.instances.values() if one.state != "TERMINATED"][-_SHOWN:]
        return {
            "now": instant(moment.now),
            "is_frozen": world.clock.frozen_at is not None,
            "model": era_at(world, moment.now).model,
            "counts": counts,
            "spent_cents": sum(charge.cents for charge in charges),
            "rate_cents": sum(charge.rate_cents for charge in charges),
            "bids": [
                {
                    "fid": bid.fid,
                    "name": bid.name,
                    "status": bid.status,
                    "market": market_name(markets()[bid.instance_type]),
                    "quantity": bid.instance_quantity,
                    "limit_cents": bid.limit_cents,
                    "spent_cents": spent[bid.fid].cents if bid.fid in spent else 0,
                }
                for bid in reversed(bids)
            ],
            "instances": [
                {
                    "fid": one.fid,
                    "name": one.name,
                    "status": one.status(moment.now).removeprefix("STATUS_").lower(),
                    "market": market_name(markets()[one.instance_type]),
                    "ssh": moment.ssh(one),
                }
                for one in reversed(live)
            ],
            "charges": [
                {"fid": one.fid, "kind": one.kind, "name": one.name, "cents": one.cents} for one in charges
            ],
        }


def standings(sandbox: Sandbox, hours: float = 0.0) -> list[dict[str, Any]]:
    """Every market: price, floor, machines, free ones; with ``hours`` also the prices of so long, as points."""
    with sandbox.viewing() as (world, moment):
        return [_standing(world, moment, fid, hours) for fid in markets()]


def _standing(world: World, moment: Moment, fid: str, hours: float) -> dict[str, Any]:
    market = markets()[fid]
    row: dict[str, Any] = {
        "fid": fid,
        "name": market_name(market),
        "price_cents": price_at(world, fid, moment.now),
        "floor_cents": market.machine.floor_cents,
        "capacity": capacity_at(world, fid, moment.now),
        "free": auction.free_machines(world, fid, moment),
        "bids": world.count_bids_in(fid),
    }
    if hours:
        start = moment.now - timedelta(hours=hours)
        row["history"] = _points(world, fid, start, moment.now)
    return row


def _points(world: World, fid: str, start: datetime, end: datetime) -> list[list[float]]:
    """(seconds before now, cents) of each change, the newest at most."""
    found = price_history(world, fid, start, end)[-_POINTS:]
    return [[round((at - end).total_seconds(), 3), cents] for at, cents in found]


def export(sandbox: Sandbox, scripts: bool = False) -> dict[str, Any]:
    """The whole world as JSON data: every object of every kind.

    Of keys only digests are in it, and of startup scripts, in which a task's environment stands, too: unless
    ``scripts`` asks for their texts.
    """
    with sandbox.viewing() as (world, moment):
        objects = sandbox.dump(world)
        whole = {"format": "flowplan-sandbox", "version": 1, "now": instant(moment.now), "objects": objects}
        if scripts:
            orders: list[Bid | Reservation] = [*world.bids.values(), *world.reservations.values()]
            keys = dict.fromkeys(order.launch.script for order in orders)
            whole["scripts"] = {key: world.texts.read(key) for key in keys if key is not None}
        return whole
