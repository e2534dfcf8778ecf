"""Who uses the sandbox: projects, users, their keys, what each may have. Records, one row each in the store."""

from __future__ import annotations

from datetime import datetime

from flowplan.values.classes import frozen


@frozen
class Project:
    """A project: what orders, volumes and keys belong to."""

    fid: str
    seq: int
    name: str
    created_at: datetime


@frozen
class User:
    """Somebody of the organization; ``projects`` are the ones this user is a member of."""

    fid: str
    seq: int
    uuid: str
    name: str
    email: str
    projects: tuple[str, ...]
    is_admin: bool = False
    deactivated_at: datetime | None = None


@frozen
class ApiKey:
    """A key of a user. Of the secret only a digest is kept; ``project`` narrows the key to one project."""

    fid: str
    seq: int
    name: str
    user: str
    digest: str
    snippet: str
    created_at: datetime
    expires_at: datetime
    deactivated_at: datetime | None = None
    project: str | None = None


@frozen
class Quota:
    """A limit that stands instead of the usual one; the fid is `quotas.quota_fid` of what it limits.

    ``total`` None is the usual one again.
    """

    fid: str
    seq: int
    project: str
    product_type: str
    total: int | None
    instance_type: str | None = None
