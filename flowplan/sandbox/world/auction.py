"""What time and the market do to bids, reservations and their machines."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve

from flowplan.sandbox.world.catalogue import markets
from flowplan.sandbox.world.market import Demand, clear
from flowplan.sandbox.world.records import Auction, Bid, BidEvent, Instance, Reservation
from flowplan.sandbox.world.world import Effect, Moment, World

_COMPETING = ("Open", "Allocated", "Preempting")
_SWITCHED_OFF = ("PAUSED", "PREEMPTED", "TERMINATED")


def advance(world: World, moment: Moment) -> None:
    """Let everything happen that is due by now."""
    while ready := world.due(moment.now):
        kind, fid = ready[0]
        if kind == "auction":
            hold(world, fid, moment)
        elif kind == "bid":
            _bid_is_due(world, world.bids[fid], moment)
        else:
            _reservation_is_due(world, world.reservations[fid], moment)


def free_machines(world: World, type_fid: str) -> int:
    """The machines of a market that nobody holds now."""
    held = sum(
        b.instance_quantity for b in world.live_bids_in(type_fid) if b.status in ("Allocated", "Preempting")
    )
    return max(0, _spot_capacity(world, type_fid) - held)


def last_price(world: World, type_fid: str) -> int:
    """Cents per instance-hour that winners pay now."""
    auction = world.auctions.get(type_fid)
    return auction.price_cents if auction else markets()[type_fid].machine.floor_cents


def call(world: World, type_fid: str, moment: Moment) -> None:
    """Ask for an auction: it is held before the next request is answered, or after the lag the rules set."""
    auction = _auction(world, type_fid)
    if auction.due_at is None:
        world.put(evolve(auction, due_at=moment.now + timedelta(seconds=world.rules.auction_lag_s)))


def hold(world: World, type_fid: str, moment: Moment) -> None:
    """Hold the auction of a market: allocate winners there is room for, give outbid bids notice."""
    capacity = _spot_capacity(world, type_fid)
    bids = {bid.fid: bid for bid in world.live_bids_in(type_fid) if bid.status in _COMPETING}
    outcome = clear(
        capacity,
        markets()[type_fid].machine.floor_cents,
        [Demand(bid.fid, bid.limit_cents, bid.instance_quantity, bid.seq) for bid in bids.values()],
    )
    winners = set(outcome.winners)
    for bid in bids.values():
        if bid.status == "Allocated" and bid.fid not in winners:
            notice = timedelta(seconds=world.rules.preemption_s)
            _switch(world, bid.instances, "PREEMPTING", moment)
            world.put(evolve(bid, status="Preempting", due_at=moment.now + notice))
        elif bid.status == "Preempting" and bid.fid in winners:
            _switch(world, bid.instances, "RUNNING", moment)
            world.put(evolve(bid, status="Allocated", due_at=None))
    held = sum(bid.instance_quantity for bid in bids.values() if bid.status != "Open")
    for fid in outcome.winners:
        bid = bids[fid]
        if bid.status == "Open" and held + bid.instance_quantity <= capacity:
            held += bid.instance_quantity
            _allocate(world, bid, moment)
    world.put(evolve(_auction(world, type_fid), price_cents=outcome.price_cents, due_at=None))


def pause_bid(world: World, bid: Bid, moment: Moment) -> Bid:
    """Switch a bid's machines off and take it out of the auction."""
    _switch(world, bid.instances, "PAUSED", moment)
    call(world, bid.instance_type, moment)
    event = BidEvent(moment.now, "Paused")
    return world.put(evolve(bid, status="Paused", due_at=None, history=(*bid.history, event)))


def resume_bid(world: World, bid: Bid, moment: Moment) -> Bid:
    """Put a paused bid back into the auction (Open first, provider.md 7-8)."""
    call(world, bid.instance_type, moment)
    event = BidEvent(moment.now, "Resumed")
    return world.put(evolve(bid, status="Open", history=(*bid.history, event)))


def end_bid(world: World, bid: Bid, moment: Moment) -> Bid:
    """Terminate a bid and its machines."""
    _switch(world, bid.instances, "TERMINATED", moment)
    call(world, bid.instance_type, moment)
    lag = world.rules.release_lag_s
    return world.put(
        evolve(
            bid,
            status="Terminated",
            deactivated_at=moment.now,
            due_at=moment.now + timedelta(seconds=lag) if lag else None,
            history=(*bid.history, BidEvent(moment.now, "Terminated")),
        )
    )


def pause_reservation(world: World, reservation: Reservation, paused: bool, moment: Moment) -> Reservation:
    """Switch a reservation's machines off, or on again."""
    _switch(world, reservation.instances, "PAUSED" if paused else "RUNNING", moment)
    return world.put(evolve(reservation, status="Paused" if paused else "Active"))


def _bid_is_due(world: World, bid: Bid, moment: Moment) -> None:
    if bid.status != "Preempting":
        world.put(evolve(bid, due_at=None))
        return
    _switch(world, bid.instances, "PREEMPTED", moment)
    event = BidEvent(moment.now, "Preempted")
    world.put(evolve(bid, status="Open", due_at=None, history=(*bid.history, event)))
    hold(world, bid.instance_type, moment)


def _reservation_is_due(world: World, reservation: Reservation, moment: Moment) -> None:
    if reservation.status == "Pending":
        fids = _switch_on(world, reservation, moment)
        world.put(evolve(reservation, status="Active", instances=fids))
    else:
        _switch(world, reservation.instances, "TERMINATED", moment)
        world.put(evolve(reservation, status="Ended", deactivated_at=reservation.end_time))
    hold(world, reservation.instance_type, moment)


def _allocate(world: World, bid: Bid, moment: Moment) -> None:
    fids = _switch_on(world, bid, moment)
    event = BidEvent(moment.now, "Allocated")
    world.put(evolve(bid, status="Allocated", instances=fids, history=(*bid.history, event)))


def _switch_on(world: World, order: Bid | Reservation, moment: Moment) -> tuple[str, ...]:
    """Start an order's machines, making them if it never had any."""
    if order.instances:
        _switch(world, order.instances, "RUNNING", moment)
        return order.instances
    made = []
    for number in range(1, order.instance_quantity + 1):
        seq = world.take_seq()
        instance = Instance(
            fid=moment.new_fid("inst"),
            seq=seq,
            name=f"{order.name}-{number}",
            project=order.project,
            created_by=order.created_by,
            created_at=moment.now,
            instance_type=order.instance_type,
            region=order.region,
            private_ip=_loopback(seq),
            bid=order.fid if isinstance(order, Bid) else None,
            reservation=None if isinstance(order, Bid) else order.fid,
            running_at=moment.now + timedelta(seconds=moment.boot_delay_s),
        )
        world.put(instance)
        world.effects.append(Effect("start", instance.fid, instance.boots))
        made.append(instance.fid)
    return tuple(made)


def _switch(world: World, fids: tuple[str, ...], state: str, moment: Moment) -> None:
    """Bring machines into a state; those already ended stay ended."""
    for fid in fids:
        instance = world.instances[fid]
        if instance.state in ("TERMINATED", state):
            continue
        if state == "RUNNING" and instance.state in _SWITCHED_OFF:
            boots = instance.boots + 1
            at = moment.now + timedelta(seconds=moment.boot_delay_s)
            world.put(evolve(instance, state=state, boots=boots, running_at=at))
            world.effects.append(Effect("start", fid, boots))
            continue
        if state in _SWITCHED_OFF and instance.state not in _SWITCHED_OFF:
            world.effects.append(Effect("stop", fid, instance.boots))
        world.put(evolve(instance, state=state))


def _spot_capacity(world: World, type_fid: str) -> int:
    """Machines the auction may hand out: those that no running reservation has."""
    reserved = sum(
        r.instance_quantity for r in world.live_reservations_in(type_fid) if r.status in ("Active", "Paused")
    )
    return max(0, markets()[type_fid].capacity - reserved)


def _auction(world: World, type_fid: str) -> Auction:
    found = world.auctions.get(type_fid)
    return found or Auction(type_fid, world.take_seq(), markets()[type_fid].machine.floor_cents)


def _loopback(number: int) -> str:
    """An address of this machine that no other instance has, so that nodes can talk to each other."""
    return f"127.{1 + number // 62500 % 250}.{1 + number // 250 % 250}.{1 + number % 250}"
