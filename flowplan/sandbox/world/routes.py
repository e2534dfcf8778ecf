"""From a request to its answer: the one entry into the world."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from attrs import evolve

from flowplan.sandbox.world import bids, directory, instances, keys, reservations, volumes
from flowplan.sandbox.world.auction import advance
from flowplan.sandbox.world.records import Identity, Replay, Rules, SshKey
from flowplan.sandbox.world.request import Refusal, Request, Response, refuse_field
from flowplan.sandbox.world.world import Moment, World

Route = Callable[..., Response]

_ROUTES: dict[str, dict[str, Route]] = {
    "me": {"GET": directory.me},
    "projects": {"GET": directory.projects},
    "instance-types": {"GET": directory.instance_types},
    "image-versions": {"GET": directory.image_versions},
    "quotas": {"GET": directory.quotas},
    "pricing/current": {"GET": directory.current_prices},
    "spot/availability": {"GET": directory.availability},
    "ssh-keys": {"GET": keys.list_all, "POST": keys.create},
    "ssh-keys/*": {"PATCH": keys.update, "DELETE": keys.delete},
    "volumes": {"GET": volumes.list_all, "POST": volumes.create},
    "volumes/*": {"PATCH": volumes.update, "DELETE": volumes.delete},
    "spot/bids": {"GET": bids.list_all, "POST": bids.create},
    "spot/bids/*": {"GET": bids.get, "PATCH": bids.update, "DELETE": bids.delete},
    "spot/bids/*/status": {"GET": bids.status},
    "spot/bids/*/history": {"GET": bids.history},
    "instances": {"GET": instances.list_all},
    "instances/*/status": {"GET": instances.status},
    "reservation": {"GET": reservations.list_all, "POST": reservations.create},
    "reservation/instance-types": {"GET": directory.instance_types},
    "reservation/quote": {"GET": reservations.quote},
    "reservation/availability": {"GET": reservations.availability},
    "reservation/*": {"GET": reservations.get, "PATCH": reservations.update},
    "reservation/*/extend": {"POST": reservations.extend},
    "reservation/*/extension-availability": {"GET": reservations.extension_availability},
}

_DEFAULT_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA sandbox-default"
)
"""A key whose private half nobody has: enough while no SSH server runs."""
_DEFAULT_KEY_NAME = "sandbox-default"


def found(world: World, moment: Moment, user_uuid: str, organization_uuid: str) -> None:
    """Put into an empty world what every account has: the user, the project, a key."""
    project = moment.new_fid("proj")
    world.put(Identity(project, moment.new_fid("user"), user_uuid, organization_uuid, moment.now))
    world.put(Rules())
    fid = moment.new_fid("sshkey")
    world.put(SshKey(fid, world.take_seq(), _DEFAULT_KEY_NAME, project, _DEFAULT_KEY, moment.now))


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
    world.put(Replay(key, world.take_seq(), digest, response.status, json.dumps(response.body)))
    return response


def _find(request: Request) -> tuple[Route, list[str]]:
    words = request.path.strip("/").split("/")
    if words[0] != "v2":
        raise Refusal(404, "Not Found")
    plain = "/".join(words[1:])
    methods, names = _ROUTES.get(plain), []
    if methods is None:
        place = 3 if words[1:3] == ["spot", "bids"] else 2
        if place < len(words):
            names = [words[place]]
            methods = _ROUTES.get("/".join([*words[1:place], "*", *words[place + 1 :]]))
    if methods is None:
        raise Refusal(404, "Not Found")
    route = methods.get(request.method)
    if route is None:
        raise Refusal(405, "Method Not Allowed")
    return route, names
