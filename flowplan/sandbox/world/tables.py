"""The tables of the world, each with its type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowplan.sandbox.world.accounts import ApiKey, Project, Quota, User
from flowplan.sandbox.world.records import (
    KINDS,
    Auction,
    Bid,
    Cluster,
    Identity,
    Instance,
    Replay,
    Reservation,
    Rules,
    Script,
    SshKey,
    Volume,
)
from flowplan.sandbox.world.terms import Clock, Era, Fault, Override, Series


class Tables:
    """Objects by kind and id, in the order of their ``seq``. Only `World` changes them."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}

    @property
    def identity(self) -> Identity:
        """The first user and project, which every sandbox has."""
        found: Identity = self._tables["identity"]["self"]
        return found

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever put in, so that the world must be founded first."""
        return not self._tables["project"]

    @property
    def has_identity(self) -> bool:
        """Whether the first user and project are known."""
        return bool(self._tables["identity"])

    @property
    def rules(self) -> Rules:
        """The switches."""
        found: Rules = self._tables["rules"].get("self") or Rules()
        return found

    @property
    def projects(self) -> dict[str, Project]:
        """Every project."""
        return self._tables["project"]

    @property
    def users(self) -> dict[str, User]:
        """Every user of the organization."""
        return self._tables["user"]

    @property
    def api_keys(self) -> dict[str, ApiKey]:
        """Every API key, revoked and expired ones too; not the one in the sandbox's folder."""
        return self._tables["api_key"]

    @property
    def quotas(self) -> dict[str, Quota]:
        """The limits that were set."""
        return self._tables["quota"]

    @property
    def scripts(self) -> dict[str, Script]:
        """Every lifecycle script, deleted ones too."""
        return self._tables["script"]

    @property
    def clusters(self) -> dict[str, Cluster]:
        """Every Kubernetes cluster, deleted ones too."""
        return self._tables["cluster"]

    @property
    def bids(self) -> dict[str, Bid]:
        """Every bid."""
        return self._tables["bid"]

    @property
    def volumes(self) -> dict[str, Volume]:
        """Every volume, deleted ones too."""
        return self._tables["volume"]

    @property
    def ssh_keys(self) -> dict[str, SshKey]:
        """Every SSH key, deleted ones too."""
        return self._tables["ssh_key"]

    @property
    def reservations(self) -> dict[str, Reservation]:
        """Every reservation."""
        return self._tables["reservation"]

    @property
    def instances(self) -> dict[str, Instance]:
        """Every instance."""
        return self._tables["instance"]

    @property
    def auctions(self) -> dict[str, Auction]:
        """The auctions that were ever held."""
        return self._tables["auction"]

    @property
    def replays(self) -> dict[str, Replay]:
        """First answers by idempotency key."""
        return self._tables["replay"]

    def objects(self, kind: str) -> Iterable[Any]:
        """Every object of a kind, oldest first."""
        return self._tables[kind].values()

    @property
    def clock(self) -> Clock:
        """The world's clock."""
        found: Clock = self._tables["clock"].get("self") or Clock()
        return found

    @property
    def eras(self) -> Iterable[Era]:
        """The eras of the markets, oldest first."""
        return self._tables["era"].values()

    @property
    def series(self) -> dict[str, Series]:
        """Recorded price series by era and market."""
        return self._tables["series"]

    @property
    def overrides(self) -> dict[str, Override]:
        """What was or will be set in markets by hand, oldest first."""
        return self._tables["override"]

    @property
    def faults(self) -> dict[str, Fault]:
        """The faults on demand, oldest first, spent ones too."""
        return self._tables["fault"]
