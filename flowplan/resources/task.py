"""The ``task`` kind: a command on spot instances, ``/v2/spot/bids`` on the wire (spec/provider.md, 2.1).

Most of a task's fields end up in its startup script, which runs once, at first boot: to change them is to
replace the task. The script itself is rendered at apply time from the fields and is never compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.models import TaskConfig
from flowplan.resources.attribute import Attribute, Change, Problem, ResourceKind, Settings, Wire
from flowplan.resources.normalise import normalise
from flowplan.resources.price import limit_price
from flowplan.values.address import Kind
from flowplan.values.value import Unknown

_BOOT = "the running instances, their boot disks and the bid's age in the auction"


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
        return config, problems
    for index, entry in enumerate(config.get("volumes") or []):
        if entry.get("volume_id") is None:
            problems.append(
                Problem(
                    ("volumes", index),
                    "a task in a stack mounts volumes that exist or are declared; it does not create them",
                    'Declare it under volumes: and write {volume: "{{ volume.NAME }}", mount_path: /path}.',
                )
            )
    if config.get("allocation_mode") == "reserved" and config.get("reservation_id") is None:
        problems.append(
            Problem(
                ("allocation_mode",),
                "a reserved task in a stack runs on a reservation that is named",
                'Declare it under reservations: and write reservation_id: "{{ reservation.NAME }}".',
            )
        )
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
        "volume_ids": [entry["volume_id"] for entry in config.get("volumes") or []],
        "ssh_key_ids": list(config.get("ssh_keys") or []),
    }


_SCRIPTED = "Part of the startup script, which runs at first boot only."
_ATTRIBUTES = (
    Attribute("name", Change.REPLACE, wire=Wire("name", "name"), loses=_BOOT),
    Attribute("unique_name", Change.LOCAL, doc="Decides the suffix of the next creation."),
    Attribute(
        "instance_type",
        Change.REPLACE,
        wire=Wire("instance_type", "instance_type", "instance_type"),
        loses=_BOOT,
    ),
    Attribute("min_gpu_memory_gb", Change.REPLACE, loses=_BOOT),
    *(
        Attribute(name, Change.REPLACE, loses=_BOOT, doc=_SCRIPTED)
        for name in ("command", "image", "env", "working_dir")
    ),
    Attribute(
        "volumes", _volumes, loses=_BOOT, doc="Detached in place while paused; a new mount needs a new task."
    ),
    *(
        Attribute(name, Change.REPLACE, loses=_BOOT, doc=_SCRIPTED)
        for name in ("data_mounts", "ports", "allow_docker_cache", "retries")
    ),
    Attribute("max_price_per_hour", Change.IN_PLACE, doc="One request changes the limit price."),
    Attribute("max_run_time_hours", Change.REPLACE, loses=_BOOT, doc=_SCRIPTED),
    Attribute("min_run_time_hours", Change.LOCAL, doc="A hint; recorded."),
    Attribute("deadline_hours", Change.LOCAL, doc="A hint; recorded."),
    Attribute("ssh_keys", Change.REPLACE, loses=_BOOT, unordered=True),
    Attribute("allocation_mode", Change.REPLACE, loses=_BOOT),
    Attribute("reservation_id", Change.REPLACE, loses=_BOOT),
    Attribute("scheduled_start_time", Change.REPLACE, loses=_BOOT),
    Attribute("reserved_duration_hours", Change.REPLACE, loses=_BOOT),
    Attribute("region", Change.REPLACE, wire=Wire("region", "region"), loses=_BOOT),
    Attribute(
        "num_instances", Change.REPLACE, wire=Wire("instance_quantity", "instance_quantity"), loses=_BOOT
    ),
    Attribute("priority", Change.IN_PLACE, doc="Moves the limit price where max_price_per_hour is not set."),
    Attribute("distributed_mode", Change.REPLACE, loses=_BOOT, doc=_SCRIPTED),
    Attribute("internode_interconnect", Change.LOCAL, doc="A preference; recorded."),
    Attribute("intranode_interconnect", Change.LOCAL, doc="A preference; recorded."),
    Attribute("upload_code", Change.REPLACE, loses=_BOOT, doc=_SCRIPTED),
    Attribute("dev_vm", Change.REPLACE, loses=_BOOT, doc=_SCRIPTED),
    Attribute("upload_strategy", Change.REPLACE, loses=_BOOT, doc=_SCRIPTED),
    Attribute("terminate_on_exit", Change.LOCAL, doc="Read when the task is seen to have completed."),
    Attribute("upload_timeout", Change.LOCAL, doc="Read while code is uploaded."),
    Attribute("code_root", Change.REPLACE, loses=_BOOT, doc=_SCRIPTED),
    Attribute("task_id", computed=True, wire=Wire("", "fid")),
    Attribute("status", computed=True, wire=Wire("", "status", "task_status")),
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
        computed=True,
        wire=Wire("launch_specification.ssh_keys", "launch_specification.ssh_keys", "ids"),
        unordered=True,
    ),
    Attribute(
        "startup_script",
        computed=True,
        sensitive=True,
        wire=Wire("launch_specification.startup_script", "", "script"),
    ),
    Attribute("script_digest", computed=True, wire=Wire("", "launch_specification.startup_script", "script")),
    Attribute("instances", computed=True, wire=Wire("", "instances", "ids")),
    Attribute("created_at", computed=True, wire=Wire("", "created_at", "instant")),
    Attribute("created_by", computed=True, wire=Wire("", "created_by")),
    Attribute("ssh_host", computed=True, doc="Known when an instance runs; read when it is asked for."),
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
    loses=_BOOT,
)
