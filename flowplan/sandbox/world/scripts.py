"""Lifecycle scripts (provider.md 2.6)."""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve

from flowplan.sandbox.world import wire
from flowplan.sandbox.world.fields import Fields
from flowplan.sandbox.world.orders import check_project, read_project
from flowplan.sandbox.world.pages import by_facet, page, read_paging
from flowplan.sandbox.world.records import Script
from flowplan.sandbox.world.request import Refusal, Request, Response
from flowplan.sandbox.world.world import Moment, World

_SCOPES = ("PROJECT", "ORGANIZATION")
_LONGEST = 1_000_000


def create(world: World, request: Request, moment: Moment) -> Response:
    """POST /v2/lifecycle-scripts."""
    fields = Fields(request.body, "body")
    project = fields.text("project")
    name = fields.text("name", shortest=1)
    content = fields.text("content", shortest=1, longest=_LONGEST)
    description = fields.text("description", required=False)
    scope = fields.choice("scope", _SCOPES, required=False, default="PROJECT")
    fields.check()
    check_project(request, project)
    user = request.caller.user
    script = Script(
        fid=moment.new_fid("ls"),
        seq=world.take_seq(),
        name=name,
        description=description,
        content=content,
        project=project,
        scope=scope,
        created_by=user,
        created_at=moment.now,
        last_modified_by=user,
        last_modified_at=moment.now,
    )
    return Response(201, _wire(request, world.put(script)))


def list_all(world: World, request: Request, moment: Moment) -> Response:
    """GET /v2/lifecycle-scripts: the project's own, and those of the whole organization and of the provider."""
    query = Fields(request.query, "query")
    paging = read_paging(world, query, ("last_modified_at",))
    where = {"shown_in": (read_project(request, query), ""), "is_live": ("True",)}
    sorts = {"last_modified_at": lambda: by_facet(world, "script", "last_modified_at")}

    def render(script: Script) -> str:
        return json.dumps(_wire(request, script))

    return page(world, moment, paging, "script", where, render, sorts)


def content(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """GET /v2/lifecycle-scripts/{fid}/content: the text, as a JSON string."""
    return Response(200, _find(world, request, fid).content)


def update(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """PATCH /v2/lifecycle-scripts/{fid}: everything but the content."""
    script = _find_own(world, request, fid)
    fields = Fields(request.body, "body")
    changes: dict[str, Any] = {
        "name": fields.text("name", required=False, shortest=1) if fields.has("name") else None,
        "description": fields.text("description", required=False) if fields.has("description") else None,
        "scope": fields.choice("scope", _SCOPES, required=False) or None,
    }
    fields.check()
    given = {name: value for name, value in changes.items() if value is not None}
    if given:
        user = request.caller.user
        script = world.put(evolve(script, last_modified_by=user, last_modified_at=moment.now, **given))
    return Response(200, _wire(request, script))


def delete(world: World, request: Request, moment: Moment, fid: str) -> Response:
    """DELETE /v2/lifecycle-scripts/{fid}."""
    world.put(evolve(_find_own(world, request, fid), deleted_at=moment.now))
    return Response(204)


def _find(world: World, request: Request, fid: str) -> Script:
    script = world.scripts.get(fid)
    if (
        script is None
        or script.deleted_at is not None
        or (script.scope == "PROJECT" and script.project not in request.caller.projects)
    ):
        raise Refusal(404, f"Lifecycle script {fid} not found")
    return script


def _find_own(world: World, request: Request, fid: str) -> Script:
    script = _find(world, request, fid)
    if script.scope == "PLATFORM" or script.project not in request.caller.projects:
        raise Refusal(403, "This lifecycle script is read-only")
    return script


def _wire(request: Request, script: Script) -> dict[str, Any]:
    return {
        "fid": script.fid,
        "name": script.name,
        "description": script.description,
        "content_url": f"{request.base_url}/v2/lifecycle-scripts/{script.fid}/content",
        "project": script.project,
        "created_at": wire.instant(script.created_at),
        "created_by": script.created_by,
        "last_modified_at": wire.instant(script.last_modified_at),
        "last_modified_by": script.last_modified_by,
        "scope": script.scope,
    }
