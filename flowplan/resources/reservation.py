"""The ``reservation`` kind: capacity bought ahead, ``/v2/reservation`` on the wire (spec/provider.md, 2.3).

A reservation is paid in full when it is made and cannot be deleted, so what cannot change in place is
refused rather than replaced: a replacement would be bought while the old one keeps costing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flowplan.resources.attribute import Attribute, Change, Loss, Problem, ResourceKind, Settings, Wire
from flowplan.resources.listed import listed
from flowplan.values.address import Kind
from flowplan.values.quantity import format_instant, parse_instant
from flowplan.values.value import Unknown

_MONEY = (Loss.MONEY,)


def _duration(before: Any, after: Any) -> Change:
    """Longer is one request to extend; shorter is impossible."""
    if isinstance(before, int) and isinstance(after, int) and after > before:
        return Change.EXTEND
    return Change.REFUSED


def _later(before: Any, after: Any) -> Change:
    """The end moves forwards only."""
    try:
        return Change.EXTEND if parse_instant(after) > parse_instant(before) else Change.REFUSED
    except (TypeError, ValueError, AttributeError):
        return Change.REFUSED


def _quantity(before: Any, after: Any) -> Change:
    """Fewer instances are given back; more would have to be bought by another reservation."""
    if isinstance(before, int) and isinstance(after, int) and 0 < after < before:
        return Change.RETURN
    return Change.REFUSED


def _normalise(body: Mapping[str, Any], default_name: str) -> tuple[dict[str, Any], list[Problem]]:
    # Why here: a plan of what was evaluated before compares by this declaration and needs no model.
    from flowplan.models import ReservationSpec
    from flowplan.resources.normalise import normalise

    named = {"name": default_name, **{key: value for key, value in body.items() if value is not None}}
    problems = []
    placed = "region" in named
    if not placed:
        # Why: ReservationSpec demands a region, but in a stack the provider section gives it.
        named["region"] = "provider-default"
    if "project_id" in body and body["project_id"] is not None:
        problems.append(
            Problem(
                ("project_id",),
                "the project of a stack's resources is set once, in its provider section",
                "Write project: … below provider:.",
            )
        )
    config, found = normalise(
        ReservationSpec,
        named,
        {
            "start_time_utc": lambda n: "2030-01-01T00:00:00Z",
            "duration_hours": lambda n: 3,
            "quantity": lambda n: 1,
            "instance_type": lambda n: "a100",
            "region": lambda n: "unknown",
        },
    )
    if not placed:
        config["region"] = None
    return config, problems + found


def _end(config: Mapping[str, Any]) -> Any:
    start, hours = config["start_time_utc"], config["duration_hours"]
    for value in (start, hours):
        if isinstance(value, Unknown):
            return value
    return format_instant(parse_instant(start) + timedelta(hours=hours))


def _targets(config: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    return {
        "name": config["name"],
        "instance_type": config["instance_type"],
        "region": config.get("region") or settings.region,
        "quantity": config["quantity"],
        "start_time_utc": config["start_time_utc"],
        "end_time_utc": _end(config),
        "volume_ids": listed(config.get("volumes")),
        "ssh_key_ids": listed(config.get("ssh_keys")),
        "startup_script": config.get("startup_script"),
    }


_ATTRIBUTES = (
    Attribute("name", Change.REFUSED, wire=Wire("name", "name"), losses=_MONEY),
    Attribute("project_id", Change.REFUSED, losses=_MONEY),
    Attribute(
        "instance_type",
        Change.REFUSED,
        wire=Wire("instance_type", "instance_type", "instance_type"),
        losses=_MONEY,
    ),
    Attribute("region", Change.REFUSED, wire=Wire("region", "region"), losses=_MONEY),
    Attribute(
        "quantity",
        _quantity,
        wire=Wire("instance_quantity", "instance_quantity"),
        losses=_MONEY,
        doc="Fewer are given back, for good; more are refused.",
        request="POST /v2/reservation/ID/terminate-instances {instances, reduce_capacity}",
        outcomes=(Change.RETURN, Change.REFUSED),
    ),
    Attribute(
        "start_time_utc", Change.REFUSED, wire=Wire("start_time", "start_time", "instant"), losses=_MONEY
    ),
    Attribute(
        "duration_hours",
        _duration,
        losses=_MONEY,
        doc="Longer extends it; shorter is refused.",
        request="POST /v2/reservation/ID/extend {end_time}",
        outcomes=(Change.EXTEND, Change.REFUSED),
    ),
    Attribute("ssh_keys", Change.REFUSED, losses=_MONEY),
    Attribute(
        "volumes",
        Change.ATTACH,
        unordered=True,
        request="PATCH /v2/reservation/ID {volumes}",
        doc="The whole list is sent at once.",
    ),
    Attribute(
        "startup_script",
        Change.REFUSED,
        sensitive=True,
        wire=Wire("launch_specification.startup_script", "", "script"),
        losses=_MONEY,
    ),
    Attribute("reservation_id", Change.PROVIDER, computed=True, wire=Wire("", "fid")),
    Attribute(
        "end_time_utc",
        _later,
        computed=True,
        wire=Wire("end_time", "end_time", "instant"),
        outcomes=(Change.EXTEND, Change.REFUSED),
    ),
    Attribute(
        "max_unit_price_usd",
        Change.PROVIDER,
        computed=True,
        wire=Wire("price_specification.max_unit_price", "", "cents"),
        doc="What was quoted per instance and hour when it was planned; sent when it is bought.",
    ),
    Attribute("status", Change.PROVIDER, computed=True, wire=Wire("", "status", "reservation_status")),
    Attribute("price_total_usd", Change.PROVIDER, computed=True, wire=Wire("", "total_price", "money")),
    Attribute("instances", Change.PROVIDER, computed=True, wire=Wire("", "instances", "ids"), unordered=True),
    Attribute("created_at", Change.PROVIDER, computed=True, wire=Wire("", "created_at", "instant")),
    Attribute(
        "volume_ids",
        Change.ATTACH,
        computed=True,
        wire=Wire("launch_specification.volumes", "launch_specification.volumes", "ids"),
        unordered=True,
    ),
    Attribute(
        "ssh_key_ids",
        Change.REFUSED,
        computed=True,
        wire=Wire("launch_specification.ssh_keys", "launch_specification.ssh_keys", "ids"),
        unordered=True,
    ),
)

RESERVATION = ResourceKind(
    kind=Kind.RESERVATION,
    id_attribute="reservation_id",
    attributes={attribute.name: attribute for attribute in _ATTRIBUTES},
    normalise=_normalise,
    targets=_targets,
    feeds={
        "quantity": ("quantity",),
        "end_time_utc": ("duration_hours", "start_time_utc"),
        "volume_ids": ("volumes",),
    },
    losses=_MONEY,
)
