"""What bids and reservations have in common: their launch specification and its rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from flowplan.sandbox.world.catalogue import Market, markets
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.images import is_offered
from flowplan.sandbox.world.records import LaunchSpec, Volume
from flowplan.sandbox.world.request import Refusal, Request, refuse_field
from flowplan.sandbox.world.world import World

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_NAME = 128
_LONGEST_SCRIPT = 10_000
_MOST_VOLUMES = 20


def read_launch(world: World, fields: Fields) -> LaunchSpec:
    """The launch specification of a request body; its faults are noted in ``fields``."""
    inner = fields.object("launch_specification")
    script = inner.text("startup_script", required=False) if inner.has("startup_script") else None
    if script is not None and len(script) > _LONGEST_SCRIPT:
        inner.fault("startup_script", f"Startup script should have at most {_LONGEST_SCRIPT} characters")
    return LaunchSpec(
        volumes=inner.texts("volumes"),
        ssh_keys=inner.texts("ssh_keys"),
        script=None if script is None else world.texts.keep(script),
        kubernetes_cluster=inner.text("kubernetes_cluster", required=False) or None,
        image_version=inner.text("image_version", required=False) or None,
        memory_gb=inner.integer("memory_gb", required=False),
    )


def check_project(request: Request, fid: str) -> None:
    """Refuse a project that the caller is no member of (403 in a body, provider.md 7-21)."""
    if fid not in request.caller.projects:
        raise Refusal(403, "You are not a member of this project")


def read_project(request: Request, query: Fields) -> str:
    """The project that a list must name; one that the caller does not see is a 404 (provider.md 7-21)."""
    project = query.text("project")
    query.check()
    if project not in request.caller.projects:
        raise Refusal(404, f"Project {project} not found")
    return project


def find_market(type_fid: str, region: str) -> Market:
    """The market that a type id and a region name, or a 422 about whichever is wrong."""
    market = markets().get(type_fid)
    if market is None:
        raise refuse_field(["body", "instance_type"], f"Unknown instance type {type_fid}")
    if market.region.name != region:
        raise refuse_field(
            ["body", "region"], f"Instance type {type_fid} is not available in region {region}"
        )
    return market


def check_name(name: str) -> None:
    """Refuse a name outside the grammar of orders (provider.md 2.1, 2.3)."""
    if _NAME.fullmatch(name) is None or name.startswith("inst_") or len(name) > _LONGEST_NAME:
        raise Refusal(400, "Invalid name")


def check_keys(world: World, fids: Iterable[str], project: str) -> None:
    """Refuse keys that the project has not got, and the lack of one that it requires."""
    given = tuple(fids)
    if not given:
        raise Refusal(400, "At least one SSH key is required")
    for fid in given:
        key = world.ssh_keys.get(fid)
        if key is None or key.deleted_at is not None or key.project != project:
            raise Refusal(404, f"SSH key {fid} not found")
    for key in world.select("ssh_key", {"project": (project,), "is_live": ("True",)}):
        if key.required and key.fid not in given:
            raise Refusal(400, f"SSH key {key.fid} is required in this project")


def check_launch(
    world: World, launch: LaunchSpec, project: str, region: str, quantity: int, now: datetime
) -> None:
    """Refuse a launch specification that names what is not there, or breaks a rule of provider.md 2.1."""
    check_keys(world, launch.ssh_keys, project)
    if launch.image_version is not None and not is_offered(launch.image_version, region):
        raise Refusal(404, f"Image version {launch.image_version} not found")
    if launch.kubernetes_cluster is not None:
        _check_cluster(world, launch.kubernetes_cluster, project, region, now)
    if launch.memory_gb is not None:
        place = ["body", "launch_specification", "memory_gb"]
        raise refuse_field(place, "Memory is not adjustable for this instance type")
    check_volumes(world, launch.volumes, project, region, quantity)


def _check_cluster(world: World, fid: str, project: str, region: str, now: datetime) -> None:
    cluster = world.clusters.get(fid)
    if cluster is None or cluster.project != project or cluster.deleted_at is not None:
        raise Refusal(404, f"Kubernetes cluster {fid} not found")
    if cluster.region != region:
        raise Refusal(400, f"Kubernetes cluster {fid} is in region {cluster.region}, not {region}")
    if cluster.status(now) != "Available":
        raise Refusal(400, f"Kubernetes cluster {fid} is not available yet")


def check_volumes(
    world: World, fids: Iterable[str], project: str, region: str, quantity: int, user: str = ""
) -> None:
    """Refuse volumes that order ``user`` cannot have: unknown, elsewhere, or raw ones that must not be shared."""
    given = tuple(fids)
    if len(set(given)) != len(given):
        raise Refusal(400, "A volume is listed twice")
    if len(given) > _MOST_VOLUMES:
        raise Refusal(400, f"At most {_MOST_VOLUMES} volumes can be attached")
    for fid in given:
        volume = find_volume(world, fid, (project,))
        if volume.region != region:
            raise Refusal(400, f"Volume {fid} is in region {volume.region}, not {region}")
        if volume.interface != "Block":
            continue
        if quantity > 1:
            raise Refusal(400, f"Block volume {fid} can be attached to a single instance only")
        if any(other.fid != user for other in world.users_of(fid)):
            raise Refusal(400, f"Block volume {fid} is already attached")


def find_volume(world: World, fid: str, projects: Iterable[str]) -> Volume:
    """The live volume of that id in one of the projects, or a 404."""
    volume = world.volumes.get(fid)
    if volume is None or volume.deleted_at is not None or volume.project not in projects:
        raise Refusal(404, f"Volume {fid} not found")
    return volume


def wanted(**filters: str) -> Mapping[str, tuple[str, ...]]:
    """Filters as `Index.find` takes them, without those that were not given."""
    return {name: (text,) for name, text in filters.items() if text}
