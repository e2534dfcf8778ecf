"""Objects as the wire shows them (the OpenAPI document's response models)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from flowplan.sandbox.world.records import Bid, Instance, LaunchSpec, Reservation, SshKey, Volume
from flowplan.sandbox.world.world import Moment, World
from flowplan.values.quantity import Money


def instant(moment: datetime) -> str:
    """RFC 3339 with offset, in UTC."""
    return moment.astimezone(UTC).isoformat()


def maybe_instant(moment: datetime | None) -> str | None:
    """The same, or null."""
    return None if moment is None else instant(moment)


def dollars(cents: int) -> str:
    """A price as "$12.34"."""
    return Money(cents).wire


def launch(world: World, spec: LaunchSpec) -> dict[str, Any]:
    """A launch specification."""
    script = None if spec.script is None else world.texts.read(spec.script)
    return {**_launch(spec), "startup_script": script}


def listed(world: World, value: Bid | Reservation) -> str:
    """A bid or reservation as the JSON text of a list's row; its script is not taken apart for that."""
    order = _bid(value) if isinstance(value, Bid) else _reservation(value)
    script = "null" if value.launch.script is None else world.texts.encoded(value.launch.script)
    head, spec = json.dumps(order)[:-1], json.dumps(_launch(value.launch))[:-1]
    return f'{head}, "launch_specification": {spec}, "startup_script": {script}}}}}'


def _launch(spec: LaunchSpec) -> dict[str, Any]:
    return {
        "volumes": list(spec.volumes),
        "ssh_keys": list(spec.ssh_keys),
        "kubernetes_cluster": spec.kubernetes_cluster,
        "image_version": spec.image_version,
        "memory_gb": spec.memory_gb,
    }


def bid(world: World, value: Bid) -> dict[str, Any]:
    """A bid."""
    return {**_bid(value), "launch_specification": launch(world, value.launch)}


def _bid(value: Bid) -> dict[str, Any]:
    return {
        "fid": value.fid,
        "name": value.name,
        "project": value.project,
        "created_by": value.created_by,
        "created_at": instant(value.created_at),
        "deactivated_at": maybe_instant(value.deactivated_at),
        "limit_price": dollars(value.limit_cents),
        "instance_quantity": value.instance_quantity,
        "instance_type": value.instance_type,
        "region": value.region,
        "instances": list(value.instances),
        "status": value.status,
    }


def reservation(world: World, value: Reservation) -> dict[str, Any]:
    """A reservation."""
    return {**_reservation(value), "launch_specification": launch(world, value.launch)}


def _reservation(value: Reservation) -> dict[str, Any]:
    return {
        "fid": value.fid,
        "name": value.name,
        "project": value.project,
        "created_by": value.created_by,
        "created_at": instant(value.created_at),
        "deactivated_at": maybe_instant(value.deactivated_at),
        "instance_quantity": value.instance_quantity,
        "instance_type": value.instance_type,
        "region": value.region,
        "instances": list(value.instances),
        "status": value.status,
        "start_time": instant(value.start_time),
        "end_time": instant(value.end_time),
        "total_price": dollars(value.total_cents),
        "unit_price": dollars(value.unit_cents),
    }


def volume(world: World, value: Volume) -> dict[str, Any]:
    """A volume; ``attachments`` maps each order whose machines have it mounted to the place."""
    users = world.users_of(value.fid)
    return {
        "fid": value.fid,
        "name": value.name,
        "region": value.region,
        "created_at": instant(value.created_at),
        "deleted_at": maybe_instant(value.deleted_at),
        "capacity_gb": value.capacity_gb,
        "project": value.project,
        "interface": value.interface,
        "bids": [user.fid for user in users if isinstance(user, Bid)],
        "reservations": [user.fid for user in users if isinstance(user, Reservation)],
        "attachments": {
            user.fid: f"/mnt/{value.name}" for user in users if user.status in ("Allocated", "Active")
        },
    }


def ssh_key(value: SshKey) -> dict[str, Any]:
    """An SSH key."""
    return {
        "fid": value.fid,
        "name": value.name,
        "project": value.project,
        "public_key": value.public_key,
        "created_at": instant(value.created_at),
        "required": value.required,
    }


def instance(value: Instance, moment: Moment) -> dict[str, Any]:
    """An instance; ``ssh_destination`` is null until it runs, and always where the sandbox has no SSH server."""
    status = value.status(moment.now)
    is_up = status in ("STATUS_RUNNING", "STATUS_PREEMPTING")
    return {
        "fid": value.fid,
        "name": value.name,
        "project": value.project,
        "created_at": instant(value.created_at),
        "created_by": value.created_by,
        "instance_type": value.instance_type,
        "region": value.region,
        "bid": value.bid,
        "reservation": value.reservation,
        "ssh_destination": moment.ssh(value) if is_up else None,
        "private_ip": value.private_ip,
        "status": status,
    }
