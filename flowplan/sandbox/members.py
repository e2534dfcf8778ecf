"""Further projects, users and keys of a sandbox, which the API itself cannot make (provider.md 2.9)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from flowplan.sandbox.world import people, quotas
from flowplan.values.diagnostic import Diagnostic, FlowplanError

if TYPE_CHECKING:
    from flowplan.sandbox.sandbox import Sandbox

_LIFE = timedelta(days=365)


def add_project(sandbox: Sandbox, name: str) -> str:
    """Make a project, of which every admin is a member; its id."""
    with sandbox.changing() as (world, moment):
        return people.add_project(world, moment, name).fid


def add_user(sandbox: Sandbox, name: str, projects: Iterable[str], is_admin: bool = False) -> str:
    """Take a user into the organization, as a member of these projects; the user's id.

    Raises:
        FlowplanError: there is no such project.
    """
    given = tuple(projects)
    with sandbox.changing() as (world, moment):
        for fid in given:
            if fid not in world.projects:
                raise FlowplanError(Diagnostic.error(f"The sandbox has no project {fid}"))
        return people.add_user(world, moment, str(uuid.uuid4()), name, given, is_admin).fid


def add_key(sandbox: Sandbox, user: str = "", project: str = "", life: timedelta = _LIFE) -> str:
    """Give a user (or the first one) a key for one project, or for all of the user's; its secret.

    Raises:
        FlowplanError: there is no such user, or the user is not in the project.
    """
    with sandbox.changing() as (world, moment):
        found = world.users.get(user or world.identity.user)
        if found is None:
            raise FlowplanError(Diagnostic.error(f"The sandbox has no user {user}"))
        if project and project not in found.projects:
            raise FlowplanError(Diagnostic.error(f"User {found.fid} is not in project {project}"))
        _, secret = people.issue_key(world, moment, found.fid, "issued", life, project or None)
        return secret


def set_quota(sandbox: Sandbox, product: str, total: int, instance_type: str = "", project: str = "") -> None:
    """Set a quota of a project (or the first): ``Storage`` in GB, ``Spot`` or ``Reservations`` of an instance type.

    Raises:
        FlowplanError: there is no such product.
    """
    if product not in quotas.PRODUCTS:
        hint = f"Products are {', '.join(quotas.PRODUCTS)}."
        raise FlowplanError(Diagnostic.error(f"There is no quota for {product}", suggestion=hint))
    with sandbox.changing() as (world, _):
        quotas.set_quota(world, project or world.identity.project, product, total, instance_type)
