"""Instances (provider.md 2.2)."""

from __future__ import annotations

from flowplan.sandbox.world import wire
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.pages import page, visible
from flowplan.sandbox.world.records import Instance
from flowplan.sandbox.world.request import Refusal, Request, Response
from flowplan.sandbox.world.world import Moment, World

_STATUSES = tuple(
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
_SORTS = ("created_at", "instance_status", "instance_type_fid")


def list_all(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/instances."""
    query = Fields(request.query, "query")
    project = query.text("project")
    type_fid = query.text("instance_type", required=False)
    region = query.text("region", required=False)
    statuses = query.commas("status_in", _STATUSES)
    orders = query.commas("order_type_in", ("Bid", "Reservation"))
    bids = query.commas("bid_fid_in")
    reservations = query.commas("reservation_fid_in")
    query.check()

    def is_wanted(instance: Instance) -> bool:
        order = "Bid" if instance.bid else "Reservation"
        by_parent = bids is None and reservations is None
        return (
            instance.project == project
            and (not type_fid or instance.instance_type == type_fid)
            and (not region or instance.region == region)
            and (statuses is None or instance.status(moment.now) in statuses)
            and (orders is None or order in orders)
            and (
                by_parent
                or (bids is not None and instance.bid in bids)
                or (reservations is not None and instance.reservation in reservations)
            )
        )

    found = [
        instance
        for instance in visible(world, moment, _of_parents(world, bids, reservations))
        if is_wanted(instance)
    ]
    by_status = query.choice("sort_by", _SORTS, required=False) == "instance_status"
    answer = page(
        found,
        query,
        _SORTS,
        lambda instance: instance.status(moment.now) if by_status else instance.instance_type,
        lambda instance: wire.instance(instance, moment),
    )
    return Response(200, answer)


def status(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/instances/{fid}/status."""
    instance = world.instances.get(fid)
    if instance is None:
        raise Refusal(404, f"Instance {fid} not found")
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


def _of_parents(
    world: World, bids: frozenset[str] | None, reservations: frozenset[str] | None
) -> list[Instance]:
    """The instances worth looking at, in order of creation: those of the parents asked for, or all."""
    if bids is None and reservations is None:
        return list(world.instances.values())
    parents = [
        world.bids.get(fid) or world.reservations.get(fid)
        for fid in (bids or frozenset()) | (reservations or frozenset())
    ]
    found = [world.instances[fid] for parent in parents if parent for fid in parent.instances]
    return sorted(found, key=lambda instance: instance.seq)
