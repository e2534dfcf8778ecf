"""Reservations (provider.md 2.3)."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import evolve

from flowplan.sandbox.world import auction, wire
from flowplan.sandbox.world.calendar import free_between, latest_end, slots
from flowplan.sandbox.world.catalogue import RESERVED_LEAST_H, RESERVED_MOST_H, Market, markets
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.offers import Offer, choose, grant, offers, quoted, read_wish
from flowplan.sandbox.world.orders import (
    check_launch,
    check_name,
    check_project,
    check_volumes,
    find_market,
    read_launch,
    read_project,
    wanted,
)
from flowplan.sandbox.world.pages import by_facet, page, read_paging
from flowplan.sandbox.world.quotas import reservations as reservation_quota
from flowplan.sandbox.world.records import Reservation, ReservationEvent
from flowplan.sandbox.world.request import Refusal, Request, Response, refuse_field
from flowplan.sandbox.world.world import Moment, World

_STATUSES = ("Pending", "Active", "Paused", "Canceled", "Ended")
_LATE = timedelta(minutes=5)
"""How far in the past a start may lie, for clients that cut the seconds off."""
_HOUR = timedelta(hours=1)
_LONGEST = RESERVED_MOST_H * _HOUR
_NEEDED = {
    "latest_end_time": ("start_time", "quantity"),
    "slots": ("earliest_start_time", "latest_end_time"),
    "check": ("start_time", "end_time", "quantity"),
}
"""What each mode of availability requires."""


def create(world: World, request: Request, moment: Moment) -> Response:
    """POST /v2/reservation."""
    fields = Fields(request.body, "body")
    project = fields.text("project")
    type_fid = fields.text("instance_type")
    region = fields.text("region")
    start = fields.instant("start_time")
    end = fields.instant("end_time")
    quantity = fields.integer("instance_quantity", minimum=1, maximum=256)
    name = fields.text("name")
    launch = read_launch(world, fields)
    wish = read_wish(fields)
    fields.text("notification_email", required=False)
    fields.check()
    assert start is not None and end is not None and quantity is not None
    check_project(request, project)
    check_name(name)
    market = find_market(type_fid, region)
    hours = _hours(start, end, moment.now, "body")
    check_launch(world, launch, project, region, quantity, moment.now)
    offer = choose(market, wish)
    quota = reservation_quota(world, project, type_fid, moment.now)
    if quota.left < quantity * hours:
        raise Refusal(403, f"Reservation quota exceeded: {quota.left} instance-hours are left")
    if free_between(world, market, start, end) < quantity:
        raise Refusal(400, "Insufficient capacity")
    made = Reservation(
        fid=moment.new_fid("res"),
        seq=world.take_seq(),
        name=name,
        project=project,
        created_by=request.caller.user,
        created_at=moment.now,
        instance_quantity=quantity,
        instance_type=type_fid,
        region=region,
        launch=launch,
        start_time=start,
        end_time=end,
        unit_cents=offer.unit_cents,
        total_cents=offer.unit_cents * quantity * hours,
        offer=offer.key,
        grants=(grant(offer, moment.new_fid("grant"), start, end, quantity),),
        history=(
            ReservationEvent(moment.now, "Placed", request.caller.user),
            _terms(moment, "Terms Set", request.caller.user, offer),
        ),
    )
    world.put(made)
    auction.advance(world, moment)
    return Response(201, wire.reservation(world, world.reservations[made.fid]))


def list_all(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/reservation."""
    query = Fields(request.query, "query")
    type_fid = query.text("instance_type", required=False)
    region = query.text("region", required=False)
    status = query.choice("status", _STATUSES, required=False)
    paging = read_paging(world, query, ("status",))
    project = read_project(request, query)
    where = wanted(project=project, instance_type=type_fid, region=region, status=status)
    sorts = {"status": lambda: by_facet(world, "reservation", "status")}

    def render(order: Reservation) -> str:
        return world.rendered(order, lambda value: wire.listed(world, value))

    return page(world, moment, paging, "reservation", where, render, sorts, prepare=world.prepare)


def update(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """PATCH /v2/reservation/{fid}: pause, resume, other volumes."""
    found = _find_live(world, request, fid)
    fields = Fields(request.body, "body")
    paused = fields.boolean("paused")
    volumes = fields.texts("volumes", required=False) if fields.has("volumes") else None
    fields.check()
    if volumes is not None:
        check_volumes(world, volumes, found.project, found.region, found.instance_quantity, found.fid)
        found = world.put(evolve(found, launch=evolve(found.launch, volumes=volumes)))
    if paused is not None and found.status == "Pending":
        raise Refusal(400, "Reservation has not started")
    if paused is not None and paused != (found.status == "Paused"):
        found = auction.pause_reservation(world, found, paused, moment)
        event = ReservationEvent(moment.now, "Paused" if paused else "Resumed", request.caller.user)
        found = world.put(evolve(found, history=(*found.history, event)))
    return Response(200, wire.reservation(world, found))


def extend(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """POST /v2/reservation/{fid}/extend: a later end, charged at once."""
    found = _find_live(world, request, fid)
    fields = Fields(request.body, "body")
    end = fields.instant("end_time")
    wish = read_wish(fields)
    fields.check()
    assert end is not None
    if end <= found.end_time:
        raise refuse_field(["body", "end_time"], "End time must be after the present end")
    _hours(found.start_time, end, None, "body")
    market = markets()[found.instance_type]
    offer = choose(market, wish if fields.has("price_specification") else evolve(wish, key=found.offer))
    if free_between(world, market, found.end_time, end) < found.instance_quantity:
        raise Refusal(400, "Insufficient capacity")
    hours = (end - found.end_time) // _HOUR
    quota = reservation_quota(world, found.project, found.instance_type, moment.now)
    if quota.left < hours * found.instance_quantity:
        raise Refusal(403, f"Reservation quota exceeded: {quota.left} instance-hours are left")
    bought = grant(offer, moment.new_fid("grant"), found.end_time, end, found.instance_quantity)
    longer = evolve(
        found,
        end_time=end,
        total_cents=found.total_cents + hours * offer.unit_cents * found.instance_quantity,
        grants=(*found.grants, bought),
        history=(*found.history, _terms(moment, "Terms Changed", request.caller.user, offer)),
    )
    return Response(200, wire.reservation(world, world.put(longer)))


def extension_availability(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/reservation/{fid}/extension-availability."""
    found = _find_live(world, request, fid)
    market = markets()[found.instance_type]
    bound = found.start_time + _LONGEST
    end = latest_end(world, market, found.end_time, bound, found.instance_quantity)
    return Response(
        200, {"latest_extension_time": wire.instant(end), "available": end >= found.end_time + _HOUR}
    )


def quote(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/reservation/quote."""
    query = Fields(request.query, "query")
    start = query.instant("start_time")
    end = query.instant("end_time")
    quantity = query.integer("quantity", minimum=1)
    market = _read_market(request, query)
    assert start is not None and end is not None and quantity is not None
    hours = _hours(start, end, moment.now, "query")
    if free_between(world, market, start, end) < quantity:
        raise Refusal(400, "Insufficient capacity")
    found = [quoted(market, offer, quantity, hours) for offer in offers(market)]
    return Response(200, {"offers": found})


def availability(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/reservation/availability, in its three modes."""
    query = Fields(request.query, "query")
    mode = query.choice("mode", tuple(_NEEDED), required=False, default="latest_end_time")
    times = {
        name: query.instant(name, required=name in _NEEDED[mode])
        for name in ("earliest_start_time", "latest_end_time", "start_time", "end_time")
    }
    quantity = query.integer("quantity", required="quantity" in _NEEDED[mode], minimum=1)
    market = _read_market(request, query)
    needed = [at for name, at in times.items() if name in _NEEDED[mode] and at is not None]
    if mode == "slots":
        earliest, latest = needed
        found = [
            {"start_time": wire.instant(left), "end_time": wire.instant(right), "quantity": free}
            for left, right, free in slots(world, market, earliest, latest)
        ]
        return Response(200, found)
    assert quantity is not None
    start = needed[0]
    if mode == "check":
        is_free = start < needed[1] and free_between(world, market, start, needed[1]) >= quantity
        return Response(200, {"available": is_free})
    last = latest_end(world, market, start, start + _LONGEST, quantity)
    is_free = last >= start + RESERVED_LEAST_H * _HOUR
    return Response(200, {"latest_end_time": wire.instant(last), "available": is_free})


def _read_market(request: Request, query: Fields) -> Market:
    type_fid = query.text("instance_type")
    region = query.text("region")
    read_project(request, query)
    market = markets().get(type_fid)
    if market is None or market.region.name != region:
        raise refuse_field(["query", "instance_type"], f"{type_fid} is not available in region {region}")
    return market


def _terms(moment: Moment, kind: str, user: str, offer: Offer) -> ReservationEvent:
    return ReservationEvent(moment.now, kind, user, offer.unit_cents, offer.pause_cents, offer.return_cents)


def _hours(start: datetime, end: datetime, now: datetime | None, place: str) -> int:
    """The length in hours, refused with 422 unless it is one that can be reserved."""
    if now is not None and start < now - _LATE:
        raise refuse_field([place, "start_time"], "Start time must not be in the past")
    hours, rest = divmod(end - start, _HOUR)
    if rest:
        raise refuse_field([place, "end_time"], "Reservations last whole hours")
    if not RESERVED_LEAST_H <= hours <= RESERVED_MOST_H:
        message = f"Reservations last {RESERVED_LEAST_H} to {RESERVED_MOST_H} hours"
        raise refuse_field([place, "end_time"], message)
    return hours


def _find_live(world: World, request: Request, fid: str) -> Reservation:
    found = world.reservations.get(fid)
    if found is None or found.project not in request.caller.projects:
        raise Refusal(404, f"Reservation {fid} not found")
    if not found.is_live:
        raise Refusal(400, "Reservation has already ended")
    return found
