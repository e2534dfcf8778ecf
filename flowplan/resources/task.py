"""The ``task`` kind: a command on spot instances, ``/v2/spot/bids`` on the wire (spec/provider.md, 2.1).

Most of a task's fields end up in its startup script, which runs once, at first boot: to change them is to
replace the task. The script itself is rendered at apply time from the fields and is never compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from flowplan.resources.attribute import Attribute, Change, Loss, Problem, ResourceKind, Settings, Wire
from flowplan.resources.listed import listed
from flowplan.resources.price import limit_price
from flowplan.values.address import Kind
from flowplan.values.value import Unknown

_BOOT = (Loss.WORK, Loss.BOOT_DISK, Loss.QUEUE_AGE)
_PRICE = "PATCH /v2/spot/bids/ID {limit_price}"


_UNNAMED = Problem(
    ("allocation_mode",),
    "a reserved task in a stack runs on a reservation that is named",
    'Declare it under reservations: and write reservation_id: "{{ reservation.NAME }}".',
)


def _volumes(before: Any, after: Any) -> Change:
    """Detaching needs only a pause. A new mount is made by the startup script, so it needs a new task.

    What an entry says besides id and mount path (name, size, interface of the volume) is a copy.
    """
    old, new = _mounts(before), _mounts(after)
    if new is None or old is None:
        return Change.REPLACE
    if new == old:
        return Change.LOCAL
    return Change.PAUSED if new < old else Change.REPLACE


def _mounts(entries: Any) -> set[tuple[str, str]] | None:
    if not isinstance(entries, (list, tuple)):
        return None
    found = set()
    for entry in entries:
        volume_id, path = entry.get("volume_id"), entry.get("mount_path")
        if not isinstance(volume_id, str) or not isinstance(path, str):
            return None
        found.add((volume_id, path))
    return found


def _normalise(body: Mapping[str, Any], default_name: str) -> tuple[dict[str, Any], list[Problem]]:
    # Why here: a plan of what was evaluated before compares by this declaration and needs no model.
    from flowplan.models import TaskConfig
    from flowplan.resources.normalise import normalise

    named = {"name": default_name, **{key: value for key, value in body.items() if value is not None}}
    config, problems = normalise(
        TaskConfig,
        named,
        {
            "name": lambda n: f"unknown-{n}",
            "instance_type": lambda n: "a100",
            "min_gpu_memory_gb": lambda n: 80,
            "mount_path": lambda n: f"/unknown/{n}",
            "target": lambda n: f"/unknown/{n}",
            "size_gb": lambda n: 1,
            "num_instances": lambda n: 1,
            "max_price_per_hour": lambda n: 1.0,
            "interface": lambda n: "file",
            "reservation_id": lambda n: "res_unknown",
        },
    )
    if problems:
        # Why: a window alone is enough for a task that is submitted by itself, but not in a stack
        return config, [
            _UNNAMED if p.message.startswith("allocation_mode 'reserved'") else p for p in problems
        ]
    volumes = config.get("volumes")
    for index, entry in enumerate(volumes if isinstance(volumes, list) else []):
        if entry.get("volume_id") is None:
            problems.append(
                Problem(
                    ("volumes", index),
                    "a task in a stack mounts volumes that exist or are declared; it does not create them",
                    'Declare it under volumes: and write {volume: "{{ volume.NAME }}", mount_path: /path}.',
                )
            )
    if config.get("allocation_mode") == "reserved" and config.get("reservation_id") is None:
        problems.append(_UNNAMED)
    return config, problems


def _targets(config: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    instance_type = config.get("instance_type")
    price: Any = config.get("max_price_per_hour")
    if not isinstance(price, Unknown):
        price = limit_price(config, instance_type)
    return {
        "name": config["name"],
        "instance_type": instance_type,
        "region": config.get("region") or settings.region,
        "num_instances": config["num_instances"],
        "limit_price": price,
        "volume_ids": listed(config.get("volumes"), itemgetter("volume_id")),
        "ssh_key_ids": listed(config.get("ssh_keys")),
    }


_SCRIPTED = "Part of the startup script, which runs at first boot only."
_ATTRIBUTES = (
    Attribute("name", Change.REPLACE, wire=Wire("name", "name"), losses=_BOOT),
    Attribute("unique_name", Change.LOCAL, doc="Decides the suffix of the next creation."),
    Attribute(
        "instance_type",
        Change.REPLACE,
        wire=Wire("instance_type", "instance_type", "instance_type"),
        losses=_BOOT,
    ),
    Attribute("min_gpu_memory_gb", Change.REPLACE, losses=_BOOT),
    *(
        Attribute(name, Change.REPLACE, losses=_BOOT, doc=_SCRIPTED)
        for name in ("command", "image", "env", "working_dir")
    ),
    Attribute(
        "volumes",
        _volumes,
        losses=_BOOT,
        doc="Detached in place while paused; a new mount needs a new task.",
        request="PATCH /v2/spot/bids/ID {paused}, {volumes}, {paused}",
        outcomes=(Change.PAUSED, Change.LOCAL, Change.REPLACE),
    ),
    *(
        Attribute(name, Change.REPLACE, losses=_BOOT, doc=_SCRIPTED)
        for name in ("data_mounts", "ports", "allow_docker_cache", "retries")
    ),
    Attribute(
        "max_price_per_hour",
        Change.IN_PLACE,
        doc="One request changes the limit price.",
        request=_PRICE,
    ),
    Attribute("max_run_time_hours", Change.REPLACE, losses=_BOOT, doc=_SCRIPTED),
    Attribute("min_run_time_hours", Change.LOCAL, doc="A hint; recorded."),
    Attribute("deadline_hours", Change.LOCAL, doc="A hint; recorded."),
    Attribute("ssh_keys", Change.REPLACE, losses=_BOOT, unordered=True),
    Attribute("allocation_mode", Change.REPLACE, losses=_BOOT),
    Attribute("reservation_id", Change.REPLACE, losses=_BOOT),
    Attribute("scheduled_start_time", Change.REPLACE, losses=_BOOT),
    Attribute("reserved_duration_hours", Change.REPLACE, losses=_BOOT),
    Attribute("region", Change.REPLACE, wire=Wire("region", "region"), losses=_BOOT),
    Attribute(
        "num_instances", Change.REPLACE, wire=Wire("instance_quantity", "instance_quantity"), losses=_BOOT
    ),
    Attribute(
        "priority",
        Change.IN_PLACE,
        doc="Moves the limit price where max_price_per_hour is not set.",
        request=_PRICE,
    ),
    Attribute("distributed_mode", Change.REPLACE, losses=_BOOT, doc=_SCRIPTED),
    Attribute("internode_interconnect", Change.LOCAL, doc="A preference; recorded."),
    Attribute("intranode_interconnect", Change.LOCAL, doc="A preference; recorded."),
    Attribute("upload_code", Change.REPLACE, losses=_BOOT, doc=_SCRIPTED),
    Attribute("dev_vm", Change.REPLACE, losses=_BOOT, doc=_SCRIPTED),
    Attribute("upload_strategy", Change.REPLACE, losses=_BOOT, doc=_SCRIPTED),
    Attribute("terminate_on_exit", Change.LOCAL, doc="Read when the task is seen to have completed."),
    Attribute("upload_timeout", Change.LOCAL, doc="Read while code is uploaded."),
    Attribute("code_root", Change.REPLACE, losses=_BOOT, doc=_SCRIPTED),
    Attribute("task_id", Change.PROVIDER, computed=True, wire=Wire("", "fid")),
    Attribute("status", Change.PROVIDER, computed=True, wire=Wire("", "status", "task_status")),
    Attribute(
        "limit_price", Change.IN_PLACE, computed=True, wire=Wire("limit_price", "limit_price", "money")
    ),
    Attribute(
        "volume_ids",
        Change.PAUSED,
        computed=True,
        wire=Wire("launch_specification.volumes", "launch_specification.volumes", "ids"),
        unordered=True,
    ),
    Attribute(
        "ssh_key_ids",
        Change.REPLACE,
        computed=True,
        wire=Wire("launch_specification.ssh_keys", "launch_specification.ssh_keys", "ids"),
        unordered=True,
    ),
    Attribute(
        "startup_script",
        Change.REPLACE,
        computed=True,
        sensitive=True,
        wire=Wire("launch_specification.startup_script", "", "script"),
    ),
    Attribute(
        "script_digest",
        Change.PROVIDER,
        computed=True,
        wire=Wire("", "launch_specification.startup_script", "script"),
    ),
    Attribute("instances", Change.PROVIDER, computed=True, wire=Wire("", "instances", "ids")),
    Attribute("created_at", Change.PROVIDER, computed=True, wire=Wire("", "created_at", "instant")),
    Attribute("created_by", Change.PROVIDER, computed=True, wire=Wire("", "created_by")),
    Attribute(
        "ssh_host",
        Change.PROVIDER,
        computed=True,
        doc="Known when an instance runs; read when it is asked for.",
    ),
)

TASK = ResourceKind(
    kind=Kind.TASK,
    id_attribute="task_id",
    attributes={attribute.name: attribute for attribute in _ATTRIBUTES},
    normalise=_normalise,
    targets=_targets,
    feeds={
        "name": ("name",),
        "limit_price": ("max_price_per_hour", "priority", "instance_type"),
        "volume_ids": ("volumes",),
    },
    losses=_BOOT,
)
