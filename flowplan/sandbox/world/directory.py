"""What is on sale: instance types and the markets they are sold in (provider.md section 4)."""

from __future__ import annotations

from typing import Any

from flowplan.sandbox.world import auction, wire
from flowplan.sandbox.world.catalogue import IMAGE, Market, markets
from flowplan.sandbox.world.pricing import lowest_allocated
from flowplan.sandbox.world.request import Request, Response
from flowplan.sandbox.world.world import Moment, World


def instance_types(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/instance-types and /v2/reservation/instance-types."""
    return Response(200, [_type(market) for market in markets().values()])


def availability(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/spot/availability; ``capacity`` is what is free (provider.md 7-15)."""
    rows = []
    for fid, market in markets().items():
        lowest = lowest_allocated(world, fid)
        rows.append(
            {
                "fid": market.auction_fid,
                "instance_type": fid,
                "region": market.region.name,
                "capacity": auction.free_machines(world, fid, moment),
                "last_instance_price": wire.dollars(auction.last_price(world, fid, moment)),
                "lowest_allocated_price": None if lowest is None else wire.dollars(lowest),
                "adjustable_memory": False,
                "default_image_version": IMAGE,
            }
        )
    return Response(200, rows)


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
