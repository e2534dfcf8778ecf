"""The ``volume`` kind: persistent storage, ``/v2/volumes`` on the wire (spec/provider.md, 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.resources.attribute import Attribute, Change, Loss, Problem, ResourceKind, Settings, Wire
from flowplan.values.address import Kind

_DATA = (Loss.DATA,)


def _normalise(body: Mapping[str, Any], default_name: str) -> tuple[dict[str, Any], list[Problem]]:
    # Why here: a plan of what was evaluated before compares by this declaration and needs no model.
    from flowplan.models import VolumeSpec
    from flowplan.resources.normalise import normalise

    problems = []
    if body.get("volume_id") is not None:
        problems.append(
            Problem(
                ("volume_id",),
                "a declared volume is created and owned by this stack, so it cannot name an existing one",
                "To use a volume that exists, put its volume_id into the task's volumes.",
            )
        )
    named = {"name": default_name, **{key: value for key, value in body.items() if value is not None}}
    named.pop("volume_id", None)
    config, found = normalise(VolumeSpec, named, {"size_gb": lambda n: 1, "name": lambda n: f"unknown-{n}"})
    return config, problems + found


def _targets(config: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    return {
        "name": config["name"],
        "region": settings.region,
        "size_gb": config["size_gb"],
        "interface": config["interface"],
    }


_ATTRIBUTES = (
    Attribute(
        "name",
        Change.RENAME,
        wire=Wire("name", "name"),
        doc="Renamed by one request.",
        request="PATCH /v2/volumes/ID {name}",
    ),
    Attribute("size_gb", Change.REPLACE, wire=Wire("size_gb", "capacity_gb"), losses=_DATA),
    Attribute("mount_path", Change.LOCAL, doc="The default for tasks that mount it."),
    Attribute(
        "interface", Change.REPLACE, wire=Wire("disk_interface", "interface", "interface"), losses=_DATA
    ),
    Attribute("iops", Change.LOCAL, doc="Recorded; the API has no field for it."),
    Attribute("throughput_mb_s", Change.LOCAL, doc="Recorded; the API has no field for it."),
    Attribute("volume_id", Change.PROVIDER, computed=True, wire=Wire("", "fid")),
    Attribute("region", Change.REPLACE, computed=True, wire=Wire("region", "region"), losses=_DATA),
    Attribute("created_at", Change.PROVIDER, computed=True, wire=Wire("", "created_at", "instant")),
    Attribute("bids", Change.PROVIDER, computed=True, wire=Wire("", "bids", "ids"), unordered=True),
    Attribute(
        "reservations", Change.PROVIDER, computed=True, wire=Wire("", "reservations", "ids"), unordered=True
    ),
)

VOLUME = ResourceKind(
    kind=Kind.VOLUME,
    id_attribute="volume_id",
    attributes={attribute.name: attribute for attribute in _ATTRIBUTES},
    normalise=_normalise,
    targets=_targets,
    feeds={"name": ("name",), "size_gb": ("size_gb",), "interface": ("interface",)},
    losses=_DATA,
)
