"""What everything has cost so far: one line for each order and volume, so that the lines add up to the whole."""

from __future__ import annotations

from datetime import datetime

from flowplan.sandbox.world.charges import bid_charge, volume_charge
from flowplan.sandbox.world.records import Bid, Reservation
from flowplan.sandbox.world.usage import credit_cents
from flowplan.sandbox.world.world import World
from flowplan.values.classes import frozen


@frozen
class Charge:
    """What one order or volume has cost so far, in cents; ``rate_cents`` is what an hour costs now."""

    fid: str
    kind: str
    name: str
    cents: int
    rate_cents: int = 0


def ledger(world: World, now: datetime) -> list[Charge]:
    """Every bid, reservation and volume that has cost something or does so now, in order of creation."""
    found: list[tuple[int, Charge]] = []
    for bid in world.bids.values():
        if bid.instances:
            rate = _rate(world, bid, now)
            found.append((bid.seq, Charge(bid.fid, "bid", bid.name, bid_charge(world, bid, now), rate)))
    for order in world.reservations.values():
        cents = reservation_charge(world, order, now)
        found.append((order.seq, Charge(order.fid, "reservation", order.name, cents)))
    for volume in world.volumes.values():
        cents = volume_charge(volume, now)
        found.append((volume.seq, Charge(volume.fid, "volume", volume.name, cents)))
    return [
        charge for _, charge in sorted(found, key=lambda item: item[0]) if charge.cents or charge.rate_cents
    ]


def reservation_charge(world: World, order: Reservation, now: datetime) -> int:
    """What a reservation has cost, less the credits for capacity given back and for pauses, in cents."""
    return order.total_cents - order.returned_cents - credit_cents(world, order, now)


def _rate(world: World, bid: Bid, now: datetime) -> int:
    """What the machines of a bid that run now cost an hour, in cents."""
    runs = sum(
        world.instances[fid].status(now) in ("STATUS_RUNNING", "STATUS_PREEMPTING") for fid in bid.instances
    )
    return runs * (world.prices(bid.instance_type).at(now) or 0) if runs else 0
