"""Kubernetes clusters (provider.md 2.7): Pending, then Available, Terminated once deleted. No control plane really runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from attrs import evolve

from flowplan.sandbox.world import wire
from flowplan.sandbox.world.catalogue import derived_fid
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.images import is_offered
from flowplan.sandbox.world.orders import check_keys, check_name, check_project, find_market, read_project
from flowplan.sandbox.world.pages import visible
from flowplan.sandbox.world.records import Cluster
from flowplan.sandbox.world.request import Refusal, Request, Response
from flowplan.sandbox.world.world import Moment, World

_VERSIONS = ("1.34", "1.29")


def create(world: World, request: Request, moment: Moment) -> Response:
    """POST /v2/kubernetes/clusters."""
    fields = Fields(request.body, "body")
    name = fields.text("name")
    project = fields.text("project")
    region = fields.text("region")
    keys = fields.texts("ssh_keys", least=1)
    type_fid = fields.text("instance_type")
    version = fields.choice("k8s_version", _VERSIONS, required=False, default=_VERSIONS[0])
    image = fields.text("image_version", required=False)
    fields.check()
    check_project(request, project)
    check_name(name)
    find_market(type_fid, region)
    check_keys(world, keys, project)
    if image and not is_offered(image, region, control_plane=True):
        raise Refusal(404, f"Image version {image} not found")
    cluster = Cluster(
        fid=moment.new_fid("clust"),
        seq=world.take_seq(),
        name=name,
        project=project,
        region=region,
        instance_type=type_fid,
        ssh_keys=keys,
        k8s_version=version,
        created_by=request.caller.user,
        created_at=moment.now,
        available_at=moment.now + timedelta(seconds=world.rules.cluster_ready_s),
        image_version=image or None,
    )
    return Response(201, _wire(world, world.put(cluster), moment))


def list_all(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/kubernetes/clusters, oldest first, deleted ones too."""
    project = read_project(request, Fields(request.query, "query"))
    found = visible(world, moment, world.select("cluster", {"project": (project,)}))
    return Response(200, [_wire(world, cluster, moment) for cluster in found])


def get(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/kubernetes/clusters/{fid}."""
    return Response(200, _wire(world, _find(world, request, fid), moment))


def delete(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """DELETE /v2/kubernetes/clusters/{fid}: refused while an order names it, since its machines are nodes."""
    cluster = _find(world, request, fid)
    if cluster.deleted_at is not None:
        raise Refusal(404, f"Kubernetes cluster {fid} not found")
    if any(order.is_live for order in world.users_of(fid)):
        raise Refusal(409, "Kubernetes cluster has nodes")
    world.put(evolve(cluster, deleted_at=moment.now))
    return Response(204)


def _find(world: World, request: Request, fid: str) -> Cluster:
    cluster = world.clusters.get(fid)
    if cluster is None or cluster.project not in request.caller.projects:
        raise Refusal(404, f"Kubernetes cluster {fid} not found")
    return cluster


def _wire(world: World, cluster: Cluster, moment: Moment) -> dict[str, Any]:
    status = cluster.status(moment.now)
    is_up = status == "Available"
    host = f"{cluster.fid.removeprefix('clust_').lower()}.clusters.sandbox.invalid"
    # The token opens nothing: there is no control plane behind it.
    token = derived_fid("token", cluster.fid).removeprefix("token_").lower()
    return {
        "fid": cluster.fid,
        "project": cluster.project,
        "name": cluster.name,
        "region": cluster.region,
        "created_at": wire.instant(cluster.created_at),
        "kube_host": f"https://{host}:6443" if is_up else None,
        "ssh_keys": list(cluster.ssh_keys),
        "instances": [
            fid
            for order in world.users_of(cluster.fid)
            for fid in order.instances
            if world.instances[fid].state != "TERMINATED"
        ],
        "join_command": f"kubeadm join {host}:6443 --token {token}" if is_up else None,
        "status": status,
        "deleted_at": wire.maybe_instant(cluster.deleted_at),
        "k8s_version": cluster.k8s_version,
        "user_fid": cluster.created_by,
    }
