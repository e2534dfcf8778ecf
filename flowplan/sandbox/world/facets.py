"""By what the objects of each listed kind can be found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.sandbox.world.index import Facets


def _project(value: Any) -> str:
    found: str = value.project
    return found


_ORDER: Facets = {
    "project": _project,
    "status": lambda order: str(order.status),
    "name": lambda order: str(order.name),
    "instance_type": lambda order: str(order.instance_type),
    "region": lambda order: str(order.region),
}
FACETS: Mapping[str, Facets] = {
    "bid": _ORDER,
    "reservation": _ORDER,
    "instance": {
        "project": _project,
        "state": lambda instance: str(instance.state),
        "instance_type": lambda instance: str(instance.instance_type),
        "region": lambda instance: str(instance.region),
        "order_type": lambda instance: "Bid" if instance.bid else "Reservation",
        "order": lambda instance: instance.bid or instance.reservation or "",
        "fid": lambda instance: str(instance.fid),
    },
    "volume": {"project": _project, "is_live": lambda volume: str(volume.deleted_at is None)},
    "ssh_key": {"project": _project, "is_live": lambda key: str(key.deleted_at is None)},
    "script": {
        # Scripts of the whole organization are shown in every project.
        "shown_in": lambda script: script.project if script.scope == "PROJECT" else "",
        "is_live": lambda script: str(script.deleted_at is None),
        "last_modified_at": lambda script: script.last_modified_at.isoformat(),
    },
    "cluster": {"project": _project},
    "api_key": {"user": lambda key: str(key.user), "digest": lambda key: str(key.digest)},
}
