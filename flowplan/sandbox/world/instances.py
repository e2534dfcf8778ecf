"""Instances (provider.md 2.2): lists, status, and what can be done to a single one."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta

from attrs import evolve

from flowplan.sandbox.world import wire
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.images import is_offered
from flowplan.sandbox.world.index import Where
from flowplan.sandbox.world.machines import switch
from flowplan.sandbox.world.orders import read_project, wanted
from flowplan.sandbox.world.pages import Sort, by_facet, page, read_paging
from flowplan.sandbox.world.records import Instance, ReservationEvent
from flowplan.sandbox.world.request import Refusal, Request, Response
from flowplan.sandbox.world.world import Effect, Moment, World

STATUSES = tuple(
    f"STATUS_{word}"
    for word in (
        "NEW",
        "CONFIRMED",
        "INITIALIZING",
        "STARTING",
        "RUNNING",
        "STOPPING",
        "TERMINATED",
        "RELOCATING",
        "PREEMPTING",
        "PREEMPTED",
        "REPLACED",
        "PAUSED",
        "ERROR",
    )
)
_TURNING = frozenset(
    ("STATUS_NEW", "STATUS_CONFIRMED", "STATUS_INITIALIZING", "STATUS_STARTING", "STATUS_STOPPING")
)
"""Statuses that pass by themselves."""


def list_all(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/instances."""
    query = Fields(request.query, "query")
    type_fid = query.text("instance_type", required=False)
    region = query.text("region", required=False)
    statuses = query.commas("status_in", STATUSES)
    kinds = query.commas("order_type_in", ("Bid", "Reservation"))
    bids = query.commas("bid_fid_in")
    reservations = query.commas("reservation_fid_in")
    paging = read_paging(world, query, ("instance_status", "instance_type_fid"))
    project = read_project(request, query)
    where: dict[str, Collection[str]] = {}
    where.update(wanted(project=project, instance_type=type_fid, region=region))
    if kinds is not None:
        where["order_type"] = tuple(kinds)
    if bids is not None or reservations is not None:
        where["order"] = tuple((bids or frozenset()) | (reservations or frozenset()))
    if statuses is not None:
        where.update(_with_status(world, statuses, moment))
    sorts = {
        "instance_status": lambda: Sort(
            sorted(STATUSES),
            lambda status: _with_status(world, frozenset((status,)), moment),
            lambda instance: str(instance.status(moment.now)),
        ),
        "instance_type_fid": lambda: by_facet(world, "instance", "instance_type"),
    }

    def render(instance: Instance) -> str:
        return json.dumps(wire.instance(instance, moment))

    def keep(instance: Instance) -> bool:
        return statuses is None or instance.status(moment.now) in statuses

    return page(world, moment, paging, "instance", where, render, sorts, keep)


def status(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/instances/{fid}/status."""
    instance = _find(world, request, fid)
    end = world.reservations[instance.reservation].end_time if instance.reservation else None
    return Response(
        200,
        {
            "fid": fid,
            "name": instance.name,
            "status": instance.status(moment.now),
            "bid": instance.bid,
            "reservation": instance.reservation,
            "end_time": wire.maybe_instant(end),
        },
    )


def change(world: World, request: Request, moment: Moment) -> Response:
    """PATCH /v2/instances: start or pause machines of reservations, all or none of those named."""
    fields = Fields(request.body, "body")
    fids = fields.texts("instances", unique=True)
    target = fields.choice("status", ("STATUS_RUNNING", "STATUS_PAUSED"))
    fields.check()
    found = [_find(world, request, fid) for fid in fids]
    for instance in found:
        if instance.bid is not None:
            raise Refusal(501, "Spot bids are not yet supported")
    answer = {}
    for instance in found:
        before = instance.status(moment.now)
        if before in _TURNING:
            raise Refusal(409, f"Instance {instance.fid} is not ready for this operation")
        answer[instance.fid] = before
        if target == "STATUS_PAUSED" and before == "STATUS_RUNNING":
            _pause(world, instance, moment)
            answer[instance.fid] = "STATUS_STOPPING"
        elif target == "STATUS_RUNNING" and before == "STATUS_PAUSED":
            switch(world, [instance.fid], "RUNNING", moment)
            _wake(world, instance.reservation or "", request.caller.user, moment)
            answer[instance.fid] = "STATUS_CONFIRMED"
    return Response(200, {"instances": answer})


def restart(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """POST /v2/instances/{fid}/restart: off and on again, with the boot disk it has."""
    instance = _find(world, request, fid)
    if instance.status(moment.now) != "STATUS_RUNNING":
        raise Refusal(409, "The instance is not running")
    switch(world, [fid], "PAUSED", moment)
    switch(world, [fid], "RUNNING", moment)
    return Response(202, {"fid": fid, "status": "STATUS_CONFIRMED"})


def refresh_boot_disk(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """POST /v2/instances/{fid}/refresh-boot-disk: a new disk for a paused machine of a reservation."""
    fields = Fields({} if request.body is None else request.body, "body")
    image = fields.text("image_version", required=False)
    fields.check()
    instance = _find(world, request, fid)
    if instance.bid is not None:
        raise Refusal(501, "Spot instances are not supported")
    now = instance.status(moment.now)
    if now == "STATUS_TERMINATED":
        raise Refusal(409, "The instance has no machine any more")
    if now != "STATUS_PAUSED":
        raise Refusal(422, "The instance is still running", reason="INSTANCE_RUNNING")
    if image and not is_offered(image, instance.region):
        message = f"Image version {image} is not available in region {instance.region}"
        raise Refusal(422, message, reason="INVALID_IMAGE_VERSION")
    chosen = image or instance.image_version or _launched_with(world, instance)
    world.put(evolve(instance, image_version=chosen))
    world.effects.append(Effect("refresh", fid, instance.boots))
    return Response(200, {"fid": fid, "image_version": chosen, "status": "REFRESHED"})


def _find(world: World, request: Request, fid: str) -> Instance:
    instance = world.instances.get(fid)
    if instance is None or instance.project not in request.caller.projects:
        raise Refusal(404, f"Instance {fid} not found")
    return instance


def _with_status(world: World, statuses: frozenset[str], moment: Moment) -> Where:
    """Where to look for instances of these statuses; some of those found have another."""
    if statuses <= _TURNING:
        return {"fid": world.turning(moment.now)}
    states = {status.removeprefix("STATUS_") for status in statuses}
    if statuses & _TURNING:
        states |= {"RUNNING", "PAUSED"}
    return {"state": states}


def _pause(world: World, instance: Instance, moment: Moment) -> None:
    world.effects.append(Effect("stop", instance.fid, instance.boots))
    off_at = moment.now + timedelta(seconds=world.rules.stop_s)
    world.put(instance.moved("PAUSED", moment.now, off_at=off_at))


def _wake(world: World, fid: str, user: str, moment: Moment) -> None:
    """A paused reservation of which a machine runs again is active."""
    order = world.reservations[fid]
    if order.status == "Paused":
        event = ReservationEvent(moment.now, "Resumed", user)
        world.put(evolve(order, status="Active", history=(*order.history, event)))


def _launched_with(world: World, instance: Instance) -> str | None:
    return world.reservations[instance.reservation or ""].launch.image_version
