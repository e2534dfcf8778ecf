"""Volumes (provider.md 2.4)."""

from __future__ import annotations

from attrs import evolve

from flowplan.sandbox.world import wire
from flowplan.sandbox.world.catalogue import regions
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.orders import check_project, find_volume, read_project
from flowplan.sandbox.world.pages import visible
from flowplan.sandbox.world.quotas import storage
from flowplan.sandbox.world.records import Volume
from flowplan.sandbox.world.request import Refusal, Request, Response, refuse_field
from flowplan.sandbox.world.world import Effect, Moment, World

_NAME = r"[a-z]([-a-z0-9]*[a-z0-9])?"


def create(world: World, request: Request, moment: Moment) -> Response:
    """POST /v2/volumes."""
    fields = Fields(request.body, "body")
    name = fields.text("name", pattern=_NAME, longest=64)
    project = fields.text("project")
    interface = fields.choice("disk_interface", ("Block", "File"))
    region_name = fields.text("region")
    size = fields.integer("size_gb", minimum=1, maximum=32_768)
    fields.check()
    assert size is not None
    check_project(request, project)
    region = regions().get(region_name)
    if region is None:
        raise refuse_field(["body", "region"], f"Unknown region {region_name}")
    if not (region.has_block if interface == "Block" else region.has_file):
        raise Refusal(403, f"{interface} storage is not available in region {region_name}")
    if size > region.largest_volume_gb:
        message = f"Volumes in {region_name} have at most {region.largest_volume_gb} GB"
        raise refuse_field(["body", "size_gb"], message)
    if world.volume_named(project, name) is not None:
        raise Refusal(409, f"A volume named {name} already exists in this project")
    quota = storage(world, project)
    if quota.left < size:
        raise Refusal(403, f"Storage quota exceeded: {quota.used} of {quota.total} GB are in use")
    volume = Volume(
        moment.new_fid("vol"), world.take_seq(), name, project, region_name, interface, size, moment.now
    )
    world.put(volume)
    return Response(201, wire.volume(world, volume))


def list_all(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/volumes, oldest first."""
    query = Fields(request.query, "query")
    region = query.text("region", required=False)
    deleted = query.boolean("include_deleted")
    where = {
        "project": (read_project(request, query),),
        "is_live": ("True", "False") if deleted else ("True",),
    }
    found = [
        wire.volume(world, volume)
        for volume in visible(world, moment, world.select("volume", where))
        if not region or volume.region == region
    ]
    return Response(200, found)


def update(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """PATCH /v2/volumes/{fid}: a new name."""
    volume = find_volume(world, fid, request.caller.projects)
    fields = Fields(request.body, "body")
    name = fields.text("name", pattern=_NAME, longest=64)
    fields.check()
    other = world.volume_named(volume.project, name)
    if other is not None and other.fid != fid:
        raise Refusal(409, f"A volume named {name} already exists in this project")
    return Response(200, wire.volume(world, world.put(evolve(volume, name=name))))


def delete(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """DELETE /v2/volumes/{fid}: the record stays, the data goes."""
    volume = find_volume(world, fid, request.caller.projects)
    if world.users_of(fid):
        raise Refusal(world.rules.in_use_status, "Volume is in use")
    world.put(evolve(volume, deleted_at=moment.now))
    world.effects.append(Effect("wipe", fid))
    return Response(204)
