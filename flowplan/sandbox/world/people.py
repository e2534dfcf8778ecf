"""Users, their projects and their API keys (provider.md 2.9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from attrs import evolve

from flowplan.sandbox.world import wire
from flowplan.sandbox.world.accounts import ApiKey, Project, User
from flowplan.sandbox.world.callers import digest
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.pages import visible
from flowplan.sandbox.world.request import Refusal, Request, Response
from flowplan.sandbox.world.world import Moment, World

_LONGEST_NAME = 59
_LONGEST_LIFE = timedelta(days=366)
_SHOWN = 9
"""How many characters of a secret go on being shown."""


def me(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/me."""
    user = world.users[request.caller.user]
    return Response(
        200,
        {
            "id": user.uuid,
            "fid": user.fid,
            "email": user.email,
            "user_name": user.name,
            "organization_id": world.identity.organization_uuid,
            "organization_role": _role(user),
        },
    )


def teammates(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/me/teammates: the caller and whoever shares a project; admins see everybody."""
    caller = request.caller
    found = [
        {
            "id": user.uuid,
            "fid": user.fid,
            "user_name": user.name,
            "email": user.email,
            "organization_role": _role(user),
            "project_ids": [fid for fid in user.projects if caller.is_admin or fid in caller.projects],
            "deactivated_at": wire.maybe_instant(user.deactivated_at),
        }
        for user in world.users.values()
        if caller.is_admin or user.fid == caller.user or caller.projects.intersection(user.projects)
    ]
    return Response(200, found)


def projects(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/projects, oldest first."""
    found = [
        {"fid": project.fid, "name": project.name, "created_at": wire.instant(project.created_at)}
        for project in world.projects.values()
        if project.fid in request.caller.projects
    ]
    return Response(200, found)


def list_keys(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/api-keys: the caller's, also those that are over, oldest first."""
    keys = world.select("api_key", {"user": (request.caller.user,)})
    return Response(200, [_wire(key) for key in visible(world, moment, keys)])


def create_key(world: World, request: Request, moment: Moment) -> Response:
    """POST /v2/api-keys. The secret is answered now and never again; a key opens what its maker's key opens."""
    fields = Fields(request.body, "body")
    name = fields.text("name")
    expires_at = fields.instant("expires_at")
    fields.check()
    assert expires_at is not None
    if not name.strip():
        raise Refusal(400, "Name must not be empty")
    if len(name) > _LONGEST_NAME:
        raise Refusal(400, f"Name must have at most {_LONGEST_NAME} characters")
    if not moment.now < expires_at <= moment.now + _LONGEST_LIFE:
        raise Refusal(400, "Expiry must lie in the future, within one year")
    narrowed = request.caller.projects != frozenset(world.users[request.caller.user].projects)
    project = min(request.caller.projects, default=None) if narrowed else None
    key, secret = issue_key(world, moment, request.caller.user, name, expires_at - moment.now, project)
    return Response(201, {**_wire(key), "secret": secret}, is_secret=True)


def delete_key(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """DELETE /v2/api-keys/{fid}: from now on it opens nothing."""
    key = world.api_keys.get(fid)
    if key is None or key.user != request.caller.user:
        raise Refusal(404, f"API key {fid} not found")
    if key.deactivated_at is not None:
        raise Refusal(400, "API key is already revoked")
    world.put(evolve(key, deactivated_at=moment.now))
    return Response(204)


def issue_key(
    world: World, moment: Moment, user: str, name: str, life: timedelta, project: str | None = None
) -> tuple[ApiKey, str]:
    """Give a user a key, for one project or all of the user's: the record, and the secret that nobody keeps."""
    if moment.new_secret is None:
        raise Refusal(501, "No API key can be made here")
    secret = moment.new_secret()
    key = ApiKey(
        fid=moment.new_fid("apikey"),
        seq=world.take_seq(),
        name=name,
        user=user,
        digest=digest(secret),
        snippet=f"{secret[:_SHOWN]}...",
        created_at=moment.now,
        expires_at=moment.now + life,
        project=project,
    )
    return world.put(key), secret


def add_project(world: World, moment: Moment, name: str) -> Project:
    """Make a project; the first user is a member, as every admin."""
    project = world.put(Project(moment.new_fid("proj"), world.take_seq(), name, moment.now))
    for user in [user for user in world.users.values() if user.is_admin]:
        world.put(evolve(user, projects=(*user.projects, project.fid)))
    return project


def add_user(
    world: World, moment: Moment, uuid: str, name: str, projects: tuple[str, ...], is_admin: bool = False
) -> User:
    """Take a user into the organization."""
    fid, email = moment.new_fid("user"), f"{name}@example.com"
    return world.put(User(fid, world.take_seq(), uuid, name, email, projects, is_admin))


def _role(user: User) -> str:
    return "ADMIN" if user.is_admin else "MEMBER"


def _wire(key: ApiKey) -> dict[str, Any]:
    return {
        "fid": key.fid,
        "name": key.name,
        "created_at": wire.instant(key.created_at),
        "expires_at": wire.instant(key.expires_at),
        "deactivated_at": wire.maybe_instant(key.deactivated_at),
        "snippet": key.snippet,
    }
