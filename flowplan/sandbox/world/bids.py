"""Spot bids (provider.md 2.1)."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from flowplan.sandbox.world import auction, quotas, wire
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.orders import (
    check_launch,
    check_name,
    check_project,
    check_volumes,
    find_market,
    read_launch,
    wanted,
)
from flowplan.sandbox.world.pages import by_facet, page, read_paging
from flowplan.sandbox.world.records import Bid, BidEvent
from flowplan.sandbox.world.request import Refusal, Request, Response
from flowplan.sandbox.world.world import Moment, World

STATUSES = ("Open", "Allocated", "Preempting", "Terminated", "Paused")


def create(world: World, request: Request, moment: Moment) -> Response:
    """POST /v2/spot/bids."""
    fields = Fields(request.body, "body")
    project = fields.text("project")
    region = fields.text("region")
    type_fid = fields.text("instance_type")
    limit = fields.money("limit_price")
    quantity = fields.integer("instance_quantity", minimum=1, maximum=256)
    name = fields.text("name")
    launch = read_launch(world, fields)
    fields.text("notification_email", required=False)
    fields.check()
    assert limit is not None and quantity is not None
    check_project(request, project)
    check_name(name)
    market = find_market(type_fid, region)
    _check_limit(limit, market.machine.floor_cents)
    check_launch(world, launch, project, region, quantity, moment.now)
    if world.rules.unique_bid_names and any(
        bid.is_live and bid.project == project for bid in world.bids_named(name)
    ):
        raise Refusal(400, "name already used")
    refusal = world.rules.spot_refusal_status
    if refusal and quotas.spot(world, project, type_fid, moment.now).left < quantity:
        raise Refusal(refusal, "Spot quota exceeded")
    bid = Bid(
        fid=moment.new_fid("bid"),
        seq=world.take_seq(),
        name=name,
        project=project,
        created_by=request.caller.user,
        created_at=moment.now,
        limit_cents=limit,
        instance_quantity=quantity,
        instance_type=type_fid,
        region=region,
        launch=launch,
        history=(BidEvent(moment.now, "Placed", limit, user=request.caller.user),),
    )
    world.put(bid)
    auction.enter(world, type_fid, moment, bid)
    return Response(201, wire.bid(world, world.bids[bid.fid]))


def list_all(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/spot/bids."""
    query = Fields(request.query, "query")
    project = query.text("project", required=False)
    type_fid = query.text("instance_type", required=False)
    region = query.text("region", required=False)
    status = query.choice("status", STATUSES, required=False)
    name = query.text("name", required=False)
    paging = read_paging(world, query, ("status",))
    query.check()
    visible = request.caller.projects
    if project:
        visible &= {project}
    where = {
        "project": visible,
        **wanted(instance_type=type_fid, region=region, status=status, name=name),
    }
    sorts = {"status": lambda: by_facet(world, "bid", "status")}

    def render(bid: Bid) -> str:
        return world.rendered(bid, lambda value: wire.listed(world, value))

    return page(world, moment, paging, "bid", where, render, sorts, prepare=world.prepare)


def get(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/spot/bids/{fid}."""
    return Response(200, wire.bid(world, _find(world, request, fid)))


def status(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/spot/bids/{fid}/status."""
    bid = _find(world, request, fid)
    is_moving = any(world.instances[one].state == "RELOCATING" for one in bid.instances)
    return Response(200, {"bid_fid": fid, "status": "Relocating" if is_moving else bid.status})


def history(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/spot/bids/{fid}/history, oldest event first."""
    events = [_event(event) for event in _find(world, request, fid).history]
    return Response(200, {"bid_fid": fid, "events": events})


def update(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """PATCH /v2/spot/bids/{fid}."""
    before = bid = _find(world, request, fid)
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
        will_be_paused = bid.status == "Paused" or (paused is True and not world.rules.pause_s)
        if world.rules.volumes_need_pause and not will_be_paused:
            raise Refusal(400, "Bid must be paused to change its volumes")
        check_volumes(world, volumes, bid.project, bid.region, bid.instance_quantity, bid.fid)
        bid = _change_volumes(world, bid, volumes, moment)
    if paused is False and bid.pauses_at is not None:
        bid = world.put(evolve(bid, pauses_at=None))
    elif paused is True and bid.status != "Paused" and bid.pauses_at is None:
        bid = auction.pause_bid(world, bid, moment)
    elif paused is False and bid.status == "Paused":
        bid = auction.resume_bid(world, bid, moment)
    bid = _sign(world, before, request.caller.user)
    return Response(200, wire.bid(world, bid))


def delete(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """DELETE /v2/spot/bids/{fid}."""
    bid = _find(world, request, fid)
    if bid.is_live:
        auction.end_bid(world, bid, moment)
        _sign(world, bid, request.caller.user)
    elif world.rules.delete_again_status >= 400:
        raise Refusal(world.rules.delete_again_status, "Bid is already terminated")
    return Response(204)


def _find(world: World, request: Request, fid: str) -> Bid:
    bid = world.bids.get(fid)
    if bid is None or bid.project not in request.caller.projects:
        raise Refusal(404, f"Bid {fid} not found")
    return bid


def _sign(world: World, before: Bid, user: str) -> Bid:
    """Say in the bid's history who did what was added to it."""
    bid = world.bids[before.fid]
    if len(bid.history) == len(before.history):
        return bid
    old, new = bid.history[: len(before.history)], bid.history[len(before.history) :]
    return world.put(evolve(bid, history=(*old, *(evolve(event, user=user) for event in new))))


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


def _event(event: BidEvent) -> dict[str, Any]:
    change = {"attached": event.attached, "removed": event.removed}
    return {
        "timestamp": wire.instant(event.at),
        "event_type": event.kind,
        "limit_price": None if event.limit_cents is None else wire.dollars(event.limit_cents),
        "user_id": event.user,
        "memory_gb": None,
        "persistent_disk_change": change if event.attached or event.removed else None,
    }
