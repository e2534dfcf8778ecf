"""Reservations (provider.md 2.3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from attrs import evolve

from flowplan.sandbox.world import auction, wire
from flowplan.sandbox.world.calendar import free_between, latest_end, slots
from flowplan.sandbox.world.catalogue import RESERVED_LEAST_H, RESERVED_MOST_H, Market, markets
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.orders import (
    check_launch,
    check_name,
    check_project,
    check_volumes,
    find_market,
    matches,
    read_launch,
)
from flowplan.sandbox.world.pages import page, visible
from flowplan.sandbox.world.records import Reservation
from flowplan.sandbox.world.request import Refusal, Request, Response, refuse_field
from flowplan.sandbox.world.world import Moment, World

_STATUSES = ("Pending", "Active", "Paused", "Canceled", "Ended")
_SORTS = ("created_at", "status")
_LATE = timedelta(minutes=5)
"""How far in the past a start may lie, for clients that cut the seconds off."""
_HOUR = timedelta(hours=1)
_LONGEST = RESERVED_MOST_H * _HOUR


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
    launch = read_launch(fields)
    most = _read_most(fields)
    fields.text("notification_email", required=False)
    fields.check()
    assert start is not None and end is not None and quantity is not None
    check_project(world, project)
    check_name(name)
    market = find_market(type_fid, region)
    hours = _hours(start, end, moment.now, "body")
    check_launch(world, launch, region, quantity)
    unit = market.machine.reserved_cents
    _check_price(unit, most)
    if free_between(world, market, start, end) < quantity:
        raise Refusal(400, "Insufficient capacity")
    made = Reservation(
        fid=moment.new_fid("res"),
        seq=world.take_seq(),
        name=name,
        project=project,
        created_by=world.identity.user,
        created_at=moment.now,
        instance_quantity=quantity,
        instance_type=type_fid,
        region=region,
        launch=launch,
        start_time=start,
        end_time=end,
        unit_cents=unit,
        total_cents=unit * quantity * hours,
    )
    world.put(made)
    auction.advance(world, moment)
    return Response(201, wire.reservation(world.reservations[made.fid]))


def list_all(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/reservation."""
    query = Fields(request.query, "query")
    project = query.text("project")
    type_fid = query.text("instance_type", required=False)
    region = query.text("region", required=False)
    status = query.choice("status", _STATUSES, required=False)
    query.check()
    found = [
        item
        for item in visible(world, moment, world.reservations.values())
        if matches(item, project=project, instance_type=type_fid, region=region, status=status)
    ]
    return Response(200, page(found, query, _SORTS, lambda item: item.status, wire.reservation))


def get(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/reservation/{fid}: there is no such call."""
    raise Refusal(405, "Method Not Allowed")


def update(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """PATCH /v2/reservation/{fid}: pause, resume, other volumes."""
    found = _find_live(world, fid)
    fields = Fields(request.body, "body")
    paused = fields.boolean("paused")
    volumes = fields.texts("volumes", required=False) if fields.has("volumes") else None
    fields.check()
    if volumes is not None:
        check_volumes(world, volumes, found.region, found.instance_quantity, found.fid)
        found = world.put(evolve(found, launch=evolve(found.launch, volumes=volumes)))
    if paused is not None and found.status == "Pending":
        raise Refusal(400, "Reservation has not started")
    if paused is not None and paused != (found.status == "Paused"):
        found = auction.pause_reservation(world, found, paused, moment)
    return Response(200, wire.reservation(found))


def extend(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """POST /v2/reservation/{fid}/extend: a later end, charged at once."""
    found = _find_live(world, fid)
    fields = Fields(request.body, "body")
    end = fields.instant("end_time")
    most = _read_most(fields)
    fields.check()
    assert end is not None
    if end <= found.end_time:
        raise refuse_field(["body", "end_time"], "End time must be after the present end")
    _hours(found.start_time, end, None, "body")
    market = markets()[found.instance_type]
    unit = market.machine.reserved_cents
    _check_price(unit, most)
    if free_between(world, market, found.end_time, end) < found.instance_quantity:
        raise Refusal(400, "Insufficient capacity")
    added = (end - found.end_time) // _HOUR * unit * found.instance_quantity
    longer = evolve(found, end_time=end, total_cents=found.total_cents + added)
    return Response(200, wire.reservation(world.put(longer)))


def extension_availability(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/reservation/{fid}/extension-availability."""
    found = _find_live(world, fid)
    market = markets()[found.instance_type]
    bound = found.start_time + _LONGEST
    end = latest_end(world, market, found.end_time, bound, found.instance_quantity)
    return Response(
        200, {"latest_extension_time": wire.instant(end), "available": end >= found.end_time + _HOUR}
    )


def quote(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/reservation/quote: the one standard offer."""
    query = Fields(request.query, "query")
    market = _read_market(world, query)
    start = query.instant("start_time")
    end = query.instant("end_time")
    quantity = query.integer("quantity", minimum=1)
    query.check()
    assert start is not None and end is not None and quantity is not None
    hours = _hours(start, end, moment.now, "query")
    if free_between(world, market, start, end) < quantity:
        raise Refusal(400, "Insufficient capacity")
    unit = market.machine.reserved_cents
    nothing = wire.dollars(0)
    offer = {
        "key": "standard",
        "display_name": "Standard",
        "unit_price": wire.dollars(unit),
        "return_buyback_price": nothing,
        "pause_buyback_price": nothing,
        "total_price": wire.dollars(unit * quantity * hours),
        "total_etbp_value": nothing,
        "total_fubp_value": nothing,
        "option_premium": nothing,
    }
    return Response(200, {"offers": [offer]})


def availability(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/reservation/availability, in its three modes."""
    query = Fields(request.query, "query")
    market = _read_market(world, query)
    modes = ("slots", "latest_end_time", "check")
    mode = query.choice("mode", modes, required=False, default="latest_end_time")
    if mode == "slots":
        earliest = query.instant("earliest_start_time")
        latest = query.instant("latest_end_time")
        query.check()
        assert earliest is not None and latest is not None
        found = [
            {"start_time": wire.instant(start), "end_time": wire.instant(end), "quantity": free}
            for start, end, free in slots(world, market, earliest, latest)
        ]
        return Response(200, found)
    start = query.instant("start_time")
    quantity = query.integer("quantity", minimum=1)
    end = query.instant("end_time") if mode == "check" else start
    query.check()
    assert start is not None and end is not None and quantity is not None
    if mode == "check":
        is_free = start < end and free_between(world, market, start, end) >= quantity
        return Response(200, {"available": is_free})
    last = latest_end(world, market, start, start + _LONGEST, quantity)
    is_free = last >= start + RESERVED_LEAST_H * _HOUR
    return Response(200, {"latest_end_time": wire.instant(last), "available": is_free})


def _read_market(world: World, query: Fields) -> Market:
    project = query.text("project")
    type_fid = query.text("instance_type")
    region = query.text("region")
    query.check()
    check_project(world, project)
    market = markets().get(type_fid)
    if market is None or market.region.name != region:
        raise refuse_field(["query", "instance_type"], f"{type_fid} is not available in region {region}")
    return market


def _read_most(fields: Fields) -> int | None:
    """The highest price per instance-hour that the request accepts, in cents (provider.md 7-18)."""
    if not fields.has("price_specification"):
        return None
    inner: Any = fields.object("price_specification", required=False)
    inner.choice("offer_key", ("standard",), required=False)
    most: int | None = inner.integer("max_unit_price", required=False, minimum=0)
    return most


def _check_price(unit: int, most: int | None) -> None:
    if most is not None and unit > most:
        raise Refusal(400, f"Unit price {wire.dollars(unit)} is above the maximum of {wire.dollars(most)}")


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


def _find_live(world: World, fid: str) -> Reservation:
    found = world.reservations.get(fid)
    if found is None:
        raise Refusal(404, f"Reservation {fid} not found")
    if not found.is_live:
        raise Refusal(400, "Reservation has already ended")
    return found
