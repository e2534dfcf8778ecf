"""What time and the market do to bids, reservations and their machines (provider.md sections 2 and 4)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from attrs import evolve

from flowplan.sandbox.world.catalogue import markets
from flowplan.sandbox.world.conditions import conditions_at, era_at, next_change, next_round
from flowplan.sandbox.world.machines import switch, switch_on
from flowplan.sandbox.world.market import Clearing, Demand, clear
from flowplan.sandbox.world.prices import price_at, record
from flowplan.sandbox.world.records import Auction, Bid, BidEvent, Reservation, ReservationEvent
from flowplan.sandbox.world.world import Moment, World


def advance(world: World, moment: Moment) -> None:
    """Let everything happen that is due by now, each thing at its own time, in order."""
    while (first := world.first_due(moment.now)) is not None:
        at, kind, fid = first
        then = evolve(moment, now=at)
        if kind == "auction":
            hold(world, fid, then)
        elif kind == "bid":
            _bid_is_due(world, world.bids[fid], then)
        elif kind == "fault":
            from flowplan.sandbox.faults.happen import happen

            happen(world, world.faults[fid], then)
        else:
            _reservation_is_due(world, world.reservations[fid], then)


def free_machines(world: World, type_fid: str, moment: Moment) -> int:
    """The machines of a market that nobody holds now."""
    held = world.held_in(type_fid)
    capacity, outcome, others = _clear(world, type_fid, moment)
    taken = sum(rival.quantity for rival in others if rival.fid in outcome.winners)
    return max(0, capacity - held - taken)


def last_price(world: World, type_fid: str, moment: Moment) -> int:
    """Cents per instance-hour that winners pay now."""
    return price_at(world, type_fid, moment.now)


def call(world: World, type_fid: str, moment: Moment) -> None:
    """Ask for an auction: at the next round, or, where there are none, before the next request is answered
    (or after the lag that the rules set).
    """
    at = next_round(world, moment.now + timedelta(seconds=world.rules.auction_lag_s))
    auction = _auction(world, type_fid)
    if auction.due_at is None or at < auction.due_at:
        world.put(evolve(auction, due_at=at))


def enter(world: World, type_fid: str, moment: Moment, newcomer: Bid | None = None) -> None:
    """Let a new bid (or one that was preempted) take part: at once, or where auctions are held in rounds at the next."""
    if era_at(world, moment.now).round_s:
        call(world, type_fid, moment)
    elif newcomer is not None and _has_room_for(world, newcomer, moment):
        floor = conditions_at(world, type_fid, moment.now).floor_cents
        _allocate(world, newcomer, moment)
        _conclude(world, type_fid, floor, moment)
    else:
        hold(world, type_fid, moment)


def rouse(world: World, moment: Moment, type_fid: str = "") -> None:
    """Hold an auction now wherever the world takes part (or in one market), since the conditions have changed."""
    for fid in [type_fid] if type_fid else list(markets()):
        if _is_watched(world, fid):
            world.put(evolve(_auction(world, fid), due_at=moment.now))


def hold(world: World, type_fid: str, moment: Moment) -> None:
    """Hold the auction of a market: allocate winners there is room for, give outbid bids notice."""
    capacity, outcome, others = _clear(world, type_fid, moment)
    winners = set(outcome.winners)
    held = world.held_in(type_fid) + sum(rival.quantity for rival in others if rival.fid in winners)
    for demand in world.ladder(type_fid).ranked(world.holders_in(type_fid) - winners):
        bid = world.bids[demand.fid]
        if bid.status == "Allocated":
            notice = timedelta(seconds=world.rules.preemption_s)
            switch(world, bid.instances, "PREEMPTING", moment)
            world.put(evolve(bid, status="Preempting", due_at=moment.now + notice))
    for demand in world.ladder(type_fid).ranked(world.noticed_in(type_fid) & winners):
        bid = world.bids[demand.fid]
        switch(world, bid.instances, "RUNNING", moment)
        world.put(evolve(bid, status="Allocated", due_at=None))
    found = (world.bids.get(fid) for fid in outcome.winners)
    rising = [bid for bid in found if bid is not None and bid.status == "Open"]
    refuses = bool(rising) and conditions_at(world, type_fid, moment.now).refuses
    for bid in rising:
        if held + bid.instance_quantity <= capacity and not refuses:
            held += bid.instance_quantity
            _allocate(world, bid, moment)
    _conclude(world, type_fid, outcome.price_cents, moment)


def _has_room_for(world: World, newcomer: Bid, moment: Moment) -> bool:
    """Whether a new bid is allocated and nothing else changes: nobody has lost, nobody else bids, machines are free.

    Then the auction need not be held to know how it goes, however many take part.
    """
    type_fid = newcomer.instance_type
    now = conditions_at(world, type_fid, moment.now)
    return (
        len(world.ladder(type_fid)) == len(world.holders_in(type_fid)) + 1
        and not world.noticed_in(type_fid)
        and not now.rivals
        and not now.refuses
        and newcomer.limit_cents >= now.floor_cents
        and not _spot_quotas(world, type_fid)
        and world.held_in(type_fid) + newcomer.instance_quantity
        <= max(0, now.capacity - _reserved(world, type_fid))
    )


def _conclude(world: World, type_fid: str, cents: int, moment: Moment) -> None:
    """Take down the price of an auction, and when the next is due."""
    auction = _auction(world, type_fid)
    pending = auction.due_at if auction.due_at is not None and auction.due_at > moment.now else None
    if _is_watched(world, type_fid):
        record(world, type_fid, moment.now, cents)
        change = next_change(world, type_fid, moment.now)
        due = min((at for at in (pending, change) if at is not None), default=None)
    else:
        record(world, type_fid, moment.now, None)
        due = None
    world.put(evolve(auction, price_cents=cents, due_at=due))


def pause_bid(world: World, bid: Bid, moment: Moment) -> Bid:
    """Switch a bid's machines off and take it out of the auction, at once or after the lag that the rules set."""
    lag = timedelta(seconds=world.rules.pause_s)
    if lag and bid.pauses_at is None:
        return world.put(evolve(bid, pauses_at=moment.now + lag))
    switch(world, bid.instances, "PAUSED", moment)
    call(world, bid.instance_type, moment)
    event = BidEvent(moment.now, "Paused")
    history = (*bid.history, event)
    return world.put(evolve(bid, status="Paused", due_at=None, pauses_at=None, history=history))


def resume_bid(world: World, bid: Bid, moment: Moment) -> Bid:
    """Put a paused bid back into the auction (Open first, provider.md 7-8)."""
    call(world, bid.instance_type, moment)
    event = BidEvent(moment.now, "Resumed")
    return world.put(evolve(bid, status="Open", history=(*bid.history, event)))


def relocate_bid(world: World, bid: Bid, moment: Moment) -> Bid:
    """Move a bid's machines to other hosts: they are away for a while and boot again, disks kept."""
    switch(world, bid.instances, "RELOCATING", moment)
    back_at = moment.now + timedelta(seconds=world.rules.relocation_s)
    return world.put(evolve(bid, due_at=back_at))


def end_bid(world: World, bid: Bid, moment: Moment) -> Bid:
    """Terminate a bid and its machines."""
    switch(world, bid.instances, "TERMINATED", moment)
    call(world, bid.instance_type, moment)
    lag = world.rules.release_lag_s
    return world.put(
        evolve(
            bid,
            status="Terminated",
            deactivated_at=moment.now,
            pauses_at=None,
            due_at=moment.now + timedelta(seconds=lag) if lag else None,
            history=(*bid.history, BidEvent(moment.now, "Terminated")),
        )
    )


def pause_reservation(world: World, reservation: Reservation, paused: bool, moment: Moment) -> Reservation:
    """Switch a reservation's machines off, or on again."""
    switch(world, reservation.instances, "PAUSED" if paused else "RUNNING", moment)
    return world.put(evolve(reservation, status="Paused" if paused else "Active"))


def cancel_reservation(world: World, order: Reservation, moment: Moment) -> Reservation:
    """End a reservation before its time, as only the provider can; what was paid stays paid."""
    switch(world, order.instances, "TERMINATED", moment)
    call(world, order.instance_type, moment)
    history = (*order.history, ReservationEvent(moment.now, "Canceled"))
    return world.put(evolve(order, status="Canceled", deactivated_at=moment.now, history=history))


def _bid_is_due(world: World, bid: Bid, moment: Moment) -> None:
    if bid.pauses_at is not None and bid.pauses_at <= moment.now:
        pause_bid(world, bid, moment)
        return
    if bid.status == "Allocated":
        switch(world, bid.instances, "RUNNING", moment)
    if bid.status != "Preempting":
        world.put(evolve(bid, due_at=None))
        return
    # All whose notice ends now go together, so that one auction is enough for their machines.
    for other in world.holding_in(bid.instance_type):
        if other.status == "Preempting" and other.due_at == bid.due_at:
            switch(world, other.instances, "PREEMPTED", moment)
            event = BidEvent(moment.now, "Preempted")
            world.put(evolve(other, status="Open", due_at=None, history=(*other.history, event)))
    enter(world, bid.instance_type, moment)


def _reservation_is_due(world: World, reservation: Reservation, moment: Moment) -> None:
    if reservation.status == "Pending":
        fids = switch_on(world, reservation, moment)
        event = ReservationEvent(moment.now, "Active")
        history = (*reservation.history, event)
        world.put(evolve(reservation, status="Active", instances=fids, history=history))
    else:
        switch(world, reservation.instances, "TERMINATED", moment)
        history = (*reservation.history, ReservationEvent(moment.now, "Ended"))
        ended = evolve(reservation, status="Ended", deactivated_at=reservation.end_time, history=history)
        world.put(ended)
    hold(world, reservation.instance_type, moment)


def _allocate(world: World, bid: Bid, moment: Moment) -> None:
    fids = switch_on(world, bid, moment)
    event = BidEvent(moment.now, "Allocated")
    world.put(evolve(bid, status="Allocated", due_at=None, instances=fids, history=(*bid.history, event)))


def _clear(world: World, type_fid: str, moment: Moment) -> tuple[int, Clearing, tuple[Demand, ...]]:
    """How the auction would go: the machines it can hand out, who wins at what price, and who the rivals are."""
    now = conditions_at(world, type_fid, moment.now)
    capacity = max(0, now.capacity - _reserved(world, type_fid))
    ladder = world.ladder(type_fid)
    left = _spot_quotas(world, type_fid)
    if left:
        demands = _within_quotas(world, list(ladder), left)
        return capacity, clear(capacity, now.floor_cents, [*demands, *now.rivals]), now.rivals
    return capacity, ladder.clear(capacity, now.floor_cents, now.rivals), now.rivals


def _spot_quotas(world: World, type_fid: str) -> dict[str, int]:
    """The spot quotas that were set in a market, by project."""
    return {
        quota.project: quota.total
        for quota in world.quotas.values()
        if quota.product_type == "Spot" and quota.instance_type == type_fid and quota.total is not None
    }


def _within_quotas(world: World, ranked: list[Demand], left: dict[str, int]) -> Iterable[Demand]:
    """Those of a project's bids that its spot quota has room for; the others take no part (provider.md 7-13).

    What is allocated counts first, and nothing is taken back because a quota has become smaller.
    """
    bids = {demand.fid: world.bids[demand.fid] for demand in ranked}
    for bid in bids.values():
        if bid.status != "Open" and bid.project in left:
            left[bid.project] -= bid.instance_quantity
    found = []
    for demand in ranked:
        bid = bids[demand.fid]
        if bid.status == "Open" and bid.project in left:
            if left[bid.project] < demand.quantity:
                continue
            left[bid.project] -= demand.quantity
        found.append(demand)
    return found


def _reserved(world: World, type_fid: str) -> int:
    """The machines that running reservations have taken out of the auction."""
    return sum(order.instance_quantity for order in world.bookings(type_fid).running())


def _is_watched(world: World, type_fid: str) -> bool:
    """Whether the world takes part in a market, so that each change there matters."""
    return bool(world.ladder(type_fid)) or bool(world.bookings(type_fid).running())


def _auction(world: World, type_fid: str) -> Auction:
    found = world.auctions.get(type_fid)
    return found or Auction(type_fid, world.take_seq(), markets()[type_fid].machine.floor_cents)
