"""Quotas (provider.md 2.9): how much a project may have, and how much of it is in use.

Spot quotas count machines held now, reservation quotas instance-hours to come, the storage quota GB. A spot quota is
looked at when bids are allocated, the others when something is bought.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flowplan.sandbox.world.accounts import Quota
from flowplan.sandbox.world.catalogue import (
    LARGEST_STORAGE_GB,
    REGIONS,
    RESERVED_MOST_H,
    derived_fid,
    markets,
)
from flowplan.sandbox.world.conditions import capacity_at
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.orders import read_project
from flowplan.sandbox.world.request import Refusal, Request, Response
from flowplan.sandbox.world.world import Moment, World
from flowplan.values.classes import frozen

PRODUCTS = ("Storage", "Spot", "Reservations")
_WINDOWS = 4
"""How many times the longest reservation of a whole market the usual quota allows."""


@frozen
class Use:
    """A quota and what is used of it; ``is_set`` tells one that was set from the usual one."""

    total: int
    used: int
    is_set: bool = False

    @property
    def left(self) -> int:
        """What is left; never less than nothing."""
        return max(0, self.total - self.used)


def quota_fid(project: str, product: str, type_fid: str = "") -> str:
    """The id of a quota."""
    return derived_fid("quota", project, product, type_fid)


def set_quota(world: World, project: str, product: str, total: int | None, type_fid: str = "") -> None:
    """Set a quota of a project, or (None) the usual one; for ``Spot`` and ``Reservations`` that of an instance type."""
    fid = quota_fid(project, product, type_fid)
    known = world.quotas.get(fid)
    seq = world.take_seq() if known is None else known.seq
    world.put(Quota(fid, seq, project, product, total, type_fid or None))


def storage(world: World, project: str) -> Use:
    """Storage of a project, in GB."""
    return _use(world, project, "Storage", "", LARGEST_STORAGE_GB, world.stored_gb(project))


def spot(world: World, project: str, type_fid: str, now: datetime) -> Use:
    """Spot machines of a type that a project holds."""
    used = sum(bid.instance_quantity for bid in world.holding_in(type_fid) if bid.project == project)
    return _use(world, project, "Spot", type_fid, capacity_at(world, type_fid, now), used)


def reservations(world: World, project: str, type_fid: str, now: datetime) -> Use:
    """Reserved instance-hours of a type that a project has still to come, begun ones counted whole."""
    used = world.bookings(type_fid).hours(project, now)
    usual = markets()[type_fid].capacity * RESERVED_MOST_H * _WINDOWS
    return _use(world, project, "Reservations", type_fid, usual, used)


def list_all(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/quotas: storage, and for each type and region spot instances and reserved hours."""
    project = read_project(request, Fields(request.query, "query"))
    rows = [_row(project, "Storage", "", storage(world, project), "GB", "Storage")]
    for fid, market in markets().items():
        place = f"{market.machine.name} in {market.region.name}"
        use = spot(world, project, fid, moment.now)
        rows.append(_row(project, "Spot", fid, use, "instances", f"Spot {place}"))
        use = reservations(world, project, fid, moment.now)
        rows.append(_row(project, "Reservations", fid, use, "instance-hours", f"Reserved {place}"))
    return Response(200, rows)


def of_organization(world: World, request: Request, moment: Moment, organization: str) -> Response:
    """GET /v2/organizations/{id}/quotas: storage by region, over the projects the caller sees.

    The quota is one for all regions; what is left of it is left in each.
    """
    if organization != world.identity.organization_uuid:
        raise Refusal(404, f"Organization {organization} not found")
    uses = [storage(world, project) for project in sorted(request.caller.projects)]
    where = {"project": request.caller.projects, "is_live": ("True",)}
    used = dict.fromkeys((region.name for region in REGIONS), 0)
    for volume in world.select("volume", where):
        used[volume.region] += volume.capacity_gb
    left = sum(use.left for use in uses)
    rows = [
        {
            "region": region.name,
            "product_type": "Storage",
            "granted": used[region.name] + left,
            "used": used[region.name],
            "remaining": left,
            "units": "GB",
            "limit_source": "override" if any(use.is_set for use in uses) else "default",
        }
        for region in REGIONS
        if region.has_block or region.has_file
    ]
    return Response(200, rows)


def _use(world: World, project: str, product: str, type_fid: str, usual: int, used: int) -> Use:
    known = world.quotas.get(quota_fid(project, product, type_fid)) if world.quotas else None
    if known is None or known.total is None:
        return Use(usual, used)
    return Use(known.total, used, is_set=True)


def _row(project: str, product: str, type_fid: str, use: Use, units: str, name: str) -> dict[str, Any]:
    return {
        "fid": quota_fid(project, product, type_fid),
        "project": project,
        "instance_type": type_fid or None,
        "product_type": product,
        "total_quantity": use.total,
        "used_quantity": use.used,
        "units": units,
        "name": name,
    }
