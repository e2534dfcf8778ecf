"""What single instances went through and what was paid for them (provider.md 2.2)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flowplan.sandbox.world import wire
from flowplan.sandbox.world.charges import instance_prices
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.orders import read_project
from flowplan.sandbox.world.pages import page, read_paging
from flowplan.sandbox.world.records import Instance
from flowplan.sandbox.world.request import Refusal, Request, Response, refuse_field
from flowplan.sandbox.world.world import Moment, World

_Events = Callable[[Instance, datetime, datetime], list[dict[str, Any]]]


def statuses(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/instances/status/history."""

    def events(instance: Instance, start: datetime, end: datetime) -> list[dict[str, Any]]:
        return [
            {"timestamp": wire.instant(event.at), "status": f"STATUS_{event.status}"}
            for event in instance.events
            if start <= event.at <= end
        ]

    return _page(world, request, moment, events)


def prices(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/instances/pricing/history: the stretches that were charged for, with what an hour cost."""

    def events(instance: Instance, start: datetime, end: datetime) -> list[dict[str, Any]]:
        return [
            {
                "price_cents": cents,
                "start_time": wire.instant(begun),
                "end_time": wire.maybe_instant(ended),
            }
            for begun, ended, cents in instance_prices(world, instance, moment.now)
            if begun <= end and (ended is None or ended >= start)
        ]

    return _page(world, request, moment, events)


def _page(world: World, request: Request, moment: Moment, events: _Events) -> Response:
    query = Fields(request.query, "query")
    fid = query.text("instance_fid", required=False)
    bid = query.text("bid_fid", required=False)
    reservation = query.text("reservation_fid", required=False)
    start = query.instant("start_time", required=False)
    end = query.instant("end_time", required=False)
    paging = read_paging(world, query, None)
    project = read_project(request, query)
    if start is not None and end is not None and start > end:
        raise refuse_field(["query", "start_time"], "Start time must lie before the end")
    first, last = start or world.identity.created_at, min(end or moment.now, moment.now)
    for named, known in ((fid, world.instances), (bid, world.bids), (reservation, world.reservations)):
        if named and (named not in known or known[named].project != project):
            raise Refusal(404, f"{named} not found")
    where: dict[str, tuple[str, ...]] = {"project": (project,)}
    if fid:
        where["fid"] = (fid,)
    if bid and reservation:
        # An instance belongs to one order only.
        where["fid"] = ()
    elif bid or reservation:
        where["order"] = (bid or reservation,)

    def render(instance: Instance) -> str:
        return json.dumps(
            {
                "instance_fid": instance.fid,
                "events": events(instance, first, last),
                "bid_fid": instance.bid,
                "reservation_fid": instance.reservation,
            }
        )

    return page(world, moment, paging, "instance", where, render, name="instances")
