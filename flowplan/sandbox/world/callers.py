"""Whose key opens what: from the secret that a request bears to who asks (provider.md 1.1, 2.9)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

from flowplan.sandbox.world.accounts import ApiKey, User
from flowplan.sandbox.world.request import Caller
from flowplan.sandbox.world.world import World


def digest(secret: str) -> str:
    """What is kept of a key's secret. Secrets are drawn at random, so that no salt is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def identify(world: World, secret: str, root_digest: str, now: datetime) -> Caller | None:
    """Who bears this secret; None if nobody does, or the key is expired or revoked.

    ``root_digest`` belongs to the key of the sandbox's owner, who is the first user.
    """
    found = digest(secret)
    if hmac.compare_digest(found, root_digest):
        return _caller(world.users[world.identity.user], None)
    key = world.key_of(found)
    if key is None or not is_valid(key, now):
        return None
    user = world.users[key.user]
    return None if user.deactivated_at is not None else _caller(user, key.project)


def is_valid(key: ApiKey, now: datetime) -> bool:
    """Whether a key still opens anything."""
    return key.deactivated_at is None and now < key.expires_at


def _caller(user: User, project: str | None) -> Caller:
    projects = frozenset(fid for fid in user.projects if project in (None, fid))
    return Caller(user.fid, projects, user.is_admin)
