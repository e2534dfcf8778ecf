"""What bids and reservations have in common: their launch specification and its rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from flowplan.sandbox.world.catalogue import IMAGE, Market, markets
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.records import LaunchSpec, Volume
from flowplan.sandbox.world.request import Refusal, refuse_field
from flowplan.sandbox.world.world import World

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_NAME = 128
_LONGEST_SCRIPT = 10_000
_MOST_VOLUMES = 20


def read_launch(fields: Fields) -> LaunchSpec:
    """The launch specification of a request body; its faults are noted in ``fields``."""
    inner = fields.object("launch_specification")
    return LaunchSpec(
        volumes=inner.texts("volumes"),
        ssh_keys=inner.texts("ssh_keys"),
        startup_script=inner.text("startup_script", required=False) if inner.has("startup_script") else None,
        kubernetes_cluster=inner.text("kubernetes_cluster", required=False) or None,
        image_version=inner.text("image_version", required=False) or None,
        memory_gb=inner.integer("memory_gb", required=False),
    )


def check_project(world: World, fid: str) -> None:
    """Refuse a project that is not ours (403 in a body, provider.md 7-21)."""
    if fid != world.identity.project:
        raise Refusal(403, "You are not a member of this project")


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


def check_launch(world: World, launch: LaunchSpec, region: str, quantity: int) -> None:
    """Refuse a launch specification that names what is not there, or breaks a rule of provider.md 2.1."""
    if not launch.ssh_keys:
        raise Refusal(400, "At least one SSH key is required")
    for fid in launch.ssh_keys:
        key = world.ssh_keys.get(fid)
        if key is None or key.deleted_at is not None:
            raise Refusal(404, f"SSH key {fid} not found")
    for key in world.ssh_keys.values():
        if key.required and key.deleted_at is None and key.fid not in launch.ssh_keys:
            raise Refusal(400, f"SSH key {key.fid} is required in this project")
    if launch.startup_script is not None and len(launch.startup_script) > _LONGEST_SCRIPT:
        message = f"Startup script should have at most {_LONGEST_SCRIPT} characters"
        raise refuse_field(["body", "launch_specification", "startup_script"], message)
    if launch.image_version not in (None, IMAGE):
        raise Refusal(404, f"Image version {launch.image_version} not found")
    if launch.kubernetes_cluster is not None:
        raise Refusal(404, f"Kubernetes cluster {launch.kubernetes_cluster} not found")
    if launch.memory_gb is not None:
        place = ["body", "launch_specification", "memory_gb"]
        raise refuse_field(place, "Memory is not adjustable for this instance type")
    check_volumes(world, launch.volumes, region, quantity)


def check_volumes(world: World, fids: Iterable[str], region: str, quantity: int, user: str = "") -> None:
    """Refuse volumes that order ``user`` cannot have: unknown, elsewhere, or raw ones that must not be shared."""
    given = tuple(fids)
    if len(set(given)) != len(given):
        raise Refusal(400, "A volume is listed twice")
    if len(given) > _MOST_VOLUMES:
        raise Refusal(400, f"At most {_MOST_VOLUMES} volumes can be attached")
    for fid in given:
        volume = find_volume(world, fid)
        if volume.region != region:
            raise Refusal(400, f"Volume {fid} is in region {volume.region}, not {region}")
        if volume.interface != "Block":
            continue
        if quantity > 1:
            raise Refusal(400, f"Block volume {fid} can be attached to a single instance only")
        if any(other.fid != user for other in world.users_of(fid)):
            raise Refusal(400, f"Block volume {fid} is already attached")


def find_volume(world: World, fid: str) -> Volume:
    """The live volume of that id, or a 404."""
    volume = world.volumes.get(fid)
    if volume is None or volume.deleted_at is not None:
        raise Refusal(404, f"Volume {fid} not found")
    return volume


def matches(value: Any, **wanted: str | None) -> bool:
    """Whether every attribute that a filter gives has the given text."""
    return all(not text or getattr(value, name) == text for name, text in wanted.items())
