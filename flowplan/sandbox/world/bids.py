"""Spot bids (provider.md 2.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import evolve

from flowplan.sandbox.world import auction, wire
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
from flowplan.sandbox.world.records import Bid, BidEvent
from flowplan.sandbox.world.request import Refusal, Request, Response
from flowplan.sandbox.world.world import Moment, World

STATUSES = ("Open", "Allocated", "Preempting", "Terminated", "Paused")
_SORTS = ("created_at", "status")


def create(world: World, request: Request, moment: Moment) -> Response:
    """POST /v2/spot/bids."""
    fields = Fields(request.body, "body")
    project = fields.text("project")
    region = fields.text("region")
    type_fid = fields.text("instance_type")
    limit = fields.money("limit_price")
    quantity = fields.integer("instance_quantity", minimum=1, maximum=256)
    name = fields.text("name")
    launch = read_launch(fields)
    fields.text("notification_email", required=False)
    fields.check()
    assert limit is not None and quantity is not None
    check_project(world, project)
    check_name(name)
    market = find_market(type_fid, region)
    _check_limit(limit, market.machine.floor_cents)
    check_launch(world, launch, region, quantity)
    if world.rules.unique_bid_names and any(bid.is_live for bid in world.bids_named(name)):
        raise Refusal(400, "name already used")
    bid = Bid(
        fid=moment.new_fid("bid"),
        seq=world.take_seq(),
        name=name,
        project=project,
        created_by=world.identity.user,
        created_at=moment.now,
        limit_cents=limit,
        instance_quantity=quantity,
        instance_type=type_fid,
        region=region,
        launch=launch,
        history=(BidEvent(moment.now, "Placed", limit),),
    )
    world.put(bid)
    auction.hold(world, type_fid, moment)
    return Response(201, wire.bid(world.bids[bid.fid]))


def list_all(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/spot/bids."""
    query = Fields(request.query, "query")
    project = query.text("project", required=False)
    type_fid = query.text("instance_type", required=False)
    region = query.text("region", required=False)
    status = query.choice("status", STATUSES, required=False)
    name = query.text("name", required=False)
    query.check()
    source: Iterable[Bid] = world.bids_named(name) if name else world.bids.values()
    found = [
        bid
        for bid in visible(world, moment, source)
        if matches(bid, project=project, instance_type=type_fid, region=region, status=status)
    ]
    return Response(200, page(found, query, _SORTS, lambda bid: bid.status, wire.bid))


def get(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/spot/bids/{fid}."""
    return Response(200, wire.bid(_find(world, fid)))


def status(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/spot/bids/{fid}/status."""
    return Response(200, {"bid_fid": fid, "status": _find(world, fid).status})


def history(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/spot/bids/{fid}/history, oldest event first."""
    events = [_event(world, event) for event in _find(world, fid).history]
    return Response(200, {"bid_fid": fid, "events": events})


def update(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """PATCH /v2/spot/bids/{fid}."""
    bid = _find(world, fid)
    fields = Fields(request.body, "body")
    limit = fields.money("limit_price", required=False)
    paused = fields.boolean("paused")
    volumes = fields.texts("volumes", required=False) if fields.has("volumes") else None
    memory = fields.integer("memory_gb", required=False)
    fields.check()
    if not bid.is_live:
        raise Refusal(409, "Bid is already terminated")
    if memory is not None:
        raise Refusal(400, "Memory is not adjustable for this instance type")
    if limit is not None:
        bid = _change_limit(world, bid, limit, moment)
    if volumes is not None:
        will_be_paused = bid.status == "Paused" or paused is True
        if world.rules.volumes_need_pause and not will_be_paused:
            raise Refusal(400, "Bid must be paused to change its volumes")
        check_volumes(world, volumes, bid.region, bid.instance_quantity, bid.fid)
        bid = _change_volumes(world, bid, volumes, moment)
    if paused is True and bid.status != "Paused":
        bid = auction.pause_bid(world, bid, moment)
    elif paused is False and bid.status == "Paused":
        bid = auction.resume_bid(world, bid, moment)
    return Response(200, wire.bid(bid))


def delete(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """DELETE /v2/spot/bids/{fid}."""
    bid = _find(world, fid)
    if bid.is_live:
        auction.end_bid(world, bid, moment)
    elif world.rules.delete_again_status >= 400:
        raise Refusal(world.rules.delete_again_status, "Bid is already terminated")
    return Response(204)


def _find(world: World, fid: str) -> Bid:
    bid = world.bids.get(fid)
    if bid is None:
        raise Refusal(404, f"Bid {fid} not found")
    return bid


def _check_limit(limit: int, floor: int) -> None:
    if limit < floor:
        raise Refusal(400, f"Limit price below minimum of {wire.dollars(floor)}")


def _change_limit(world: World, bid: Bid, limit: int, moment: Moment) -> Bid:
    market = find_market(bid.instance_type, bid.region)
    _check_limit(limit, market.machine.floor_cents)
    if limit == bid.limit_cents:
        return bid
    auction.call(world, bid.instance_type, moment)
    event = BidEvent(moment.now, "Limit Price Changed", limit)
    return world.put(evolve(bid, limit_cents=limit, history=(*bid.history, event)))


def _change_volumes(world: World, bid: Bid, volumes: tuple[str, ...], moment: Moment) -> Bid:
    before = bid.launch.volumes
    events = [
        *(BidEvent(moment.now, "Volumes Attached", attached=fid) for fid in volumes if fid not in before),
        *(BidEvent(moment.now, "Volumes Removed", removed=fid) for fid in before if fid not in volumes),
    ]
    launch = evolve(bid.launch, volumes=volumes)
    return world.put(evolve(bid, launch=launch, history=(*bid.history, *events)))


def _event(world: World, event: BidEvent) -> dict[str, Any]:
    change = {"attached": event.attached, "removed": event.removed}
    return {
        "timestamp": wire.instant(event.at),
        "event_type": event.kind,
        "limit_price": None if event.limit_cents is None else wire.dollars(event.limit_cents),
        "user_id": None if event.kind in ("Allocated", "Preempted") else world.identity.user,
        "memory_gb": None,
        "persistent_disk_change": change if event.attached or event.removed else None,
    }
