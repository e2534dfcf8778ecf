"""What can be read but not changed: the user, projects, types, prices, quotas, images (provider.md 2.9, 4)."""

from __future__ import annotations

from typing import Any

from flowplan.sandbox.world import auction, wire
from flowplan.sandbox.world.catalogue import IMAGE, LARGEST_STORAGE_GB, REGIONS, Market, derived_fid, markets
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.request import Refusal, Request, Response
from flowplan.sandbox.world.volumes import stored_gb
from flowplan.sandbox.world.world import Moment, World


def me(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/me."""
    identity = world.identity
    return Response(
        200,
        {
            "id": identity.user_uuid,
            "fid": identity.user,
            "email": "sandbox@example.com",
            "user_name": "sandbox",
            "organization_id": identity.organization_uuid,
            "organization_role": "ADMIN",
        },
    )


def projects(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/projects."""
    identity = world.identity
    created_at = wire.instant(identity.created_at)
    return Response(200, [{"fid": identity.project, "name": "sandbox", "created_at": created_at}])


def instance_types(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/instance-types and /v2/reservation/instance-types."""
    return Response(200, [_type(market) for market in markets().values()])


def availability(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/spot/availability; ``capacity`` is what is free (provider.md 7-15)."""
    rows = []
    for fid, market in markets().items():
        lowest = _lowest_allocated(world, fid)
        rows.append(
            {
                "fid": market.auction_fid,
                "instance_type": fid,
                "region": market.region.name,
                "capacity": auction.free_machines(world, fid),
                "last_instance_price": wire.dollars(auction.last_price(world, fid)),
                "lowest_allocated_price": None if lowest is None else wire.dollars(lowest),
                "adjustable_memory": False,
                "default_image_version": IMAGE,
            }
        )
    return Response(200, rows)


def image_versions(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/image-versions."""
    image = {
        "image_version_fid": IMAGE,
        "image_version_name": "sandbox-host",
        "os": "The system the sandbox runs on",
        "kernel": "The kernel the sandbox runs on",
        "stable": True,
        "supported_regions": [region.name for region in REGIONS],
    }
    return Response(200, [image])


def quotas(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/quotas: one for storage, one for the spot instances of each type and region."""
    query = Fields(request.query, "query")
    project = query.text("project")
    query.check()
    if project != world.identity.project:
        raise Refusal(404, f"Project {project} not found")
    rows: list[dict[str, Any]] = [
        {
            "fid": derived_fid("quota", "storage"),
            "project": project,
            "instance_type": None,
            "product_type": "Storage",
            "total_quantity": LARGEST_STORAGE_GB,
            "used_quantity": stored_gb(world),
            "units": "GB",
            "name": "Storage",
        }
    ]
    for fid, market in markets().items():
        free = auction.free_machines(world, fid)
        rows.append(
            {
                "fid": derived_fid("quota", fid),
                "project": project,
                "instance_type": fid,
                "product_type": "Spot",
                "total_quantity": market.capacity,
                "used_quantity": market.capacity - free,
                "units": "instances",
                "name": f"Spot {market.machine.name} in {market.region.name}",
            }
        )
    return Response(200, rows)


def current_prices(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/pricing/current."""
    query = Fields(request.query, "query")
    fid = query.text("instance_type")
    region = query.text("region", required=False)
    quantity = query.integer("instance_quantity", required=False, minimum=1, maximum=256) or 1
    query.check()
    market = markets().get(fid)
    if market is None or (region and market.region.name != region):
        raise Refusal(404, f"No market for {fid}" + (f" in {region}" if region else ""))
    free = auction.free_machines(world, fid)
    lowest = _lowest_allocated(world, fid)
    price = auction.last_price(world, fid)
    floor = market.machine.floor_cents
    enough = price if free >= quantity or lowest is None else max(lowest + 1, floor)
    return Response(
        200,
        {
            "spot_price_cents": price,
            "reserved_price_cents": market.machine.reserved_cents,
            "minimum_price_cents": floor,
            "lowest_allocated_bid_cents": lowest,
            "dynamic_win_price_cents": enough if quantity <= market.capacity else None,
            "available_capacity": free,
            "total_capacity": market.capacity,
        },
    )


def _type(market: Market) -> dict[str, Any]:
    machine = market.machine
    return {
        "fid": market.type_fid,
        "name": machine.name,
        "num_cpus": machine.cpus,
        "cpu_type": "x86_64",
        "ram_gb": machine.ram_gb,
        "num_gpus": machine.gpus,
        "gpu_type": machine.gpu_type,
        "gpu_memory_gb": machine.gpu_memory_gb,
        "gpu_socket": machine.socket,
        "local_storage_gb": machine.disk_gb,
        "network_type": "InfiniBand" if machine.infiniband else None,
        "ib_count": machine.infiniband,
        "bridge_count": 0,
    }


def _lowest_allocated(world: World, type_fid: str) -> int | None:
    limits = [bid.limit_cents for bid in world.live_bids_in(type_fid) if bid.status == "Allocated"]
    return min(limits, default=None)
