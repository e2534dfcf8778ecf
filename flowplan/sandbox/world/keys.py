"""SSH keys (provider.md 2.5)."""

from __future__ import annotations

import base64

from attrs import evolve

from flowplan.sandbox.world import wire
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.orders import check_project, read_project
from flowplan.sandbox.world.pages import visible
from flowplan.sandbox.world.records import SshKey
from flowplan.sandbox.world.request import Refusal, Request, Response, refuse_field
from flowplan.sandbox.world.world import Moment, World
from flowplan.values.diagnostic import FlowplanError


def create(world: World, request: Request, moment: Moment) -> Response:
    """POST /v2/ssh-keys. Without a public key a pair is made; its private half is answered and kept nowhere."""
    fields = Fields(request.body, "body")
    project = fields.text("project")
    name = fields.text("name")
    public_key = fields.text("public_key", required=False)
    required = fields.boolean("required")
    fields.check()
    check_project(request, project)
    if not name.strip():
        raise refuse_field(["body", "name"], "Name should not be empty")
    if required and not request.caller.is_admin:
        raise Refusal(403, "Only admins can set a key as required")
    private_key = None
    if not public_key:
        if moment.new_key_pair is None:
            raise Refusal(501, "No key pair can be made here; send a public_key")
        try:
            private_key, public_key = moment.new_key_pair()
        except FlowplanError as error:
            raise Refusal(501, str(error)) from None
    elif not is_public_key(public_key):
        raise refuse_field(["body", "public_key"], "Invalid SSH public key")
    key = SshKey(
        moment.new_fid("sshkey"), world.take_seq(), name, project, public_key, moment.now, bool(required)
    )
    answer = {**wire.ssh_key(world.put(key)), "private_key": private_key}
    return Response(201, answer, is_secret=private_key is not None)


def list_all(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/ssh-keys, oldest first."""
    query = Fields(request.query, "query")
    where = {"project": (read_project(request, query),), "is_live": ("True",)}
    keys = world.select("ssh_key", where)
    return Response(200, [wire.ssh_key(key) for key in visible(world, moment, keys)])


def update(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """PATCH /v2/ssh-keys/{fid}: whether every order must have it."""
    key = _find(world, request, fid)
    fields = Fields(request.body, "body")
    required = fields.boolean("required", required=True)
    fields.check()
    if not request.caller.is_admin:
        raise Refusal(403, "Only admins can set a key as required")
    return Response(200, wire.ssh_key(world.put(evolve(key, required=bool(required)))))


def delete(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """DELETE /v2/ssh-keys/{fid}."""
    key = _find(world, request, fid)
    if world.users_of(fid):
        raise Refusal(400, "SSH key is in use")
    world.put(evolve(key, deleted_at=moment.now))
    return Response(204)


def is_public_key(text: str) -> bool:
    """Whether the text has the shape of an OpenSSH public key: type, base64 that repeats the type, comment."""
    words = text.split()
    if len(words) < 2:
        return False
    try:
        raw = base64.b64decode(words[1], validate=True)
    except ValueError:
        return False
    return raw[4 : 4 + int.from_bytes(raw[:4], "big")] == words[0].encode()


def _find(world: World, request: Request, fid: str) -> SshKey:
    key = world.ssh_keys.get(fid)
    if key is None or key.deleted_at is not None or key.project not in request.caller.projects:
        raise Refusal(404, f"SSH key {fid} not found")
    return key
