"""Machine images (provider.md 2.9): those of instances, and those of Kubernetes control planes."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from flowplan.sandbox.world import wire
from flowplan.sandbox.world.catalogue import IMAGE, REGIONS, derived_fid, regions
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.request import Request, Response
from flowplan.sandbox.world.world import Moment, World
from flowplan.values.classes import frozen


@frozen
class Image:
    """A version of a machine image; one that was deactivated is listed and cannot be chosen any more."""

    fid: str
    name: str
    os: str
    is_stable: bool = False
    driver: str | None = None
    cuda: str | None = None
    deactivated_at: datetime | None = None


_SYSTEM = "The system the sandbox runs on"
_IMAGES = (
    Image(IMAGE, "sandbox-host", _SYSTEM, is_stable=True, driver="none", cuda="none"),
    Image(derived_fid("imgver", "sandbox-next"), "sandbox-host-next", _SYSTEM, driver="none", cuda="none"),
    Image(
        derived_fid("imgver", "sandbox-old"),
        "sandbox-host-old",
        _SYSTEM,
        deactivated_at=datetime(2026, 1, 1, tzinfo=UTC),
    ),
)
_CONTROL_PLANES = (Image(derived_fid("imgver", "sandbox-mcc"), "sandbox-mcc", _SYSTEM, is_stable=True),)


def image_versions(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/image-versions."""
    return Response(200, [_wire(image) for image in _IMAGES])


def control_planes(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/mcc-image-versions: none in a region that does not exist."""
    query = Fields(request.query, "query")
    region = query.text("region")
    query.check()
    return Response(200, [_wire(image) for image in _CONTROL_PLANES] if region in regions() else [])


def is_offered(fid: str, region: str, control_plane: bool = False) -> bool:
    """Whether an image can be chosen in a region."""
    return region in regions() and fid in _offered()[control_plane]


@cache
def _offered() -> tuple[frozenset[str], frozenset[str]]:
    found = [
        frozenset(image.fid for image in images if image.deactivated_at is None)
        for images in (_IMAGES, _CONTROL_PLANES)
    ]
    return found[0], found[1]


def _wire(image: Image) -> dict[str, Any]:
    return {
        "image_version_fid": image.fid,
        "image_version_name": image.name,
        "os": image.os,
        "kernel": "The kernel the sandbox runs on",
        "stable": image.is_stable,
        "supported_regions": [region.name for region in REGIONS],
        "deactivated_at": wire.maybe_instant(image.deactivated_at),
        "nvidia_driver": image.driver,
        "cuda": image.cuda,
        "cuda_toolkit": None,
        "nvidia_container_toolkit": None,
        "packages": None,
    }
