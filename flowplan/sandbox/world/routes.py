"""From a request to its answer: the one entry into the world."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from attrs import evolve

from flowplan.sandbox.world import (
    bids,
    clusters,
    directory,
    histories,
    images,
    instances,
    keys,
    people,
    pricing,
    quotas,
    reservations,
    returns,
    scripts,
    usage,
    volumes,
)
from flowplan.sandbox.world.accounts import Project, User
from flowplan.sandbox.world.auction import advance
from flowplan.sandbox.world.records import Identity, Replay, Rules, SshKey
from flowplan.sandbox.world.request import Refusal, Request, Response, refuse_field
from flowplan.sandbox.world.world import Moment, World

Route = Callable[..., Response]

_ROUTES: dict[str, dict[str, Route]] = {
    "api-keys": {"GET": people.list_keys, "POST": people.create_key},
    "api-keys/*": {"DELETE": people.delete_key},
    "me": {"GET": people.me},
    "me/teammates": {"GET": people.teammates},
    "projects": {"GET": people.projects},
    "ssh-keys": {"GET": keys.list_all, "POST": keys.create},
    "ssh-keys/*": {"PATCH": keys.update, "DELETE": keys.delete},
    "lifecycle-scripts": {"GET": scripts.list_all, "POST": scripts.create},
    "lifecycle-scripts/*": {"PATCH": scripts.update, "DELETE": scripts.delete},
    "lifecycle-scripts/*/content": {"GET": scripts.content},
    "instance-types": {"GET": directory.instance_types},
    "spot/availability": {"GET": directory.availability},
    "image-versions": {"GET": images.image_versions},
    "mcc-image-versions": {"GET": images.control_planes},
    "quotas": {"GET": quotas.list_all},
    "organizations/*/quotas": {"GET": quotas.of_organization},
    "pricing/current": {"GET": pricing.current},
    "pricing/history": {"GET": pricing.history},
    "volumes": {"GET": volumes.list_all, "POST": volumes.create},
    "volumes/*": {"PATCH": volumes.update, "DELETE": volumes.delete},
    "spot/bids": {"GET": bids.list_all, "POST": bids.create},
    "spot/bids/*": {"GET": bids.get, "PATCH": bids.update, "DELETE": bids.delete},
    "spot/bids/*/status": {"GET": bids.status},
    "spot/bids/*/history": {"GET": bids.history},
    "instances": {"GET": instances.list_all, "PATCH": instances.change},
    "instances/status/history": {"GET": histories.statuses},
    "instances/pricing/history": {"GET": histories.prices},
    "instances/*/status": {"GET": instances.status},
    "instances/*/restart": {"POST": instances.restart},
    "instances/*/refresh-boot-disk": {"POST": instances.refresh_boot_disk},
    "reservation": {"GET": reservations.list_all, "POST": reservations.create},
    "reservation/instance-types": {"GET": directory.instance_types},
    "reservation/quote": {"GET": reservations.quote},
    "reservation/availability": {"GET": reservations.availability},
    "reservation/*": {"PATCH": reservations.update},
    "reservation/*/extend": {"POST": reservations.extend},
    "reservation/*/extension-availability": {"GET": reservations.extension_availability},
    "reservation/*/terminate-instances": {"POST": returns.terminate_instances},
    "reservation/*/history": {"GET": usage.history},
    "reservation/*/usage": {"GET": usage.usage},
    "kubernetes/clusters": {"GET": clusters.list_all, "POST": clusters.create},
    "kubernetes/clusters/*": {"GET": clusters.get, "DELETE": clusters.delete},
}

# A path may itself contain a star, so places that stand for an id are None here.
_TABLE = {
    tuple(None if word == "*" else word for word in path.split("/")): methods
    for path, methods in _ROUTES.items()
}
_DEFAULT_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA sandbox-default"
)
"""A key whose private half nobody has: enough while no SSH server runs."""
_DEFAULT_KEY_NAME = "sandbox-default"


def found(world: World, moment: Moment, user_uuid: str, organization_uuid: str) -> None:
    """Put into a world what every account has, as far as it is not there: the user, the project, a key."""
    if not world.has_identity:
        project, user = moment.new_fid("proj"), moment.new_fid("user")
        world.put(Identity(project, user, user_uuid, organization_uuid, moment.now))
        world.put(Rules())
        fid = moment.new_fid("sshkey")
        world.put(SshKey(fid, world.take_seq(), _DEFAULT_KEY_NAME, project, _DEFAULT_KEY, moment.now))
    if not world.projects:
        us = world.identity
        world.put(Project(us.project, world.take_seq(), "sandbox", us.created_at))
        email = "sandbox@example.com"
        world.put(User(us.user, world.take_seq(), us.user_uuid, "sandbox", email, (us.project,), True))


def give_default_key(world: World, public_key: str) -> None:
    """Make this the text of the key that every account has, if it has it still."""
    oldest = min(world.ssh_keys.values(), key=lambda key: key.seq, default=None)
    if oldest is not None and oldest.name == _DEFAULT_KEY_NAME and oldest.public_key != public_key:
        world.put(evolve(oldest, public_key=public_key))


def handle(world: World, request: Request, moment: Moment) -> Response:
    """Answer one request. Time passes first; a refused request changes nothing else."""
    advance(world, moment)
    mark = world.mark()
    try:
        return _answer(world, request, moment)
    except Refusal as refusal:
        world.revert(mark)
        return refusal.response


def _answer(world: World, request: Request, moment: Moment) -> Response:
    route, names = _find(request)
    key = request.idempotency_key
    if not (key and request.method == "POST" and world.rules.honour_idempotency_key):
        return route(world, request, moment, *names)
    words = json.dumps([request.path, request.body], sort_keys=True)
    digest = hashlib.sha256(words.encode()).hexdigest()
    replay = world.replays.get(key)
    if replay is not None:
        if replay.digest != digest:
            raise refuse_field(["header", "idempotency-key"], "The key was used for another request")
        return Response(replay.status, json.loads(replay.body))
    response = route(world, request, moment, *names)
    if response.is_secret:
        return response
    world.put(Replay(key, world.take_seq(), digest, response.status, json.dumps(response.body)))
    return response


def _find(request: Request) -> tuple[Route, list[str]]:
    words = request.path.strip("/").split("/")
    if words[0] != "v2":
        raise Refusal(404, "Not Found")
    if words[1:2] == ["cpu"]:
        raise Refusal(403, "CPU instances are not enabled")
    methods, names = _TABLE.get(tuple(words[1:])), []
    for place in range(2, len(words)):
        if methods is not None:
            break
        methods, names = _TABLE.get((*words[1:place], None, *words[place + 1 :])), [words[place]]
    if methods is None:
        raise Refusal(404, "Not Found")
    route = methods.get(request.method)
    if route is None:
        raise Refusal(405, "Method Not Allowed", {"allow": ", ".join(methods)})
    return route, names
