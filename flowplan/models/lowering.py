"""From a `TaskConfig` to the IR: what each field becomes (spec/models.md, "What we take from it", 2)."""

from __future__ import annotations

from typing import Any, Literal

from flowplan.models.instance_types import size_of
from flowplan.models.ir import MountSpec, ResourceSpec, RunParams, TaskSpec
from flowplan.models.mount import MountSpec as DataMount
from flowplan.models.task_config import TaskConfig
from flowplan.models.volume import VolumeSpec

Kind = Literal["s3", "local", "nfs", "juicefs", "persistent", "code"]

_READ_ONLY_OPTIONS = ("read_only", "readonly", "ro")


def to_spec(config: TaskConfig) -> TaskSpec:
    """The task in the IR. Prices, regions, counts of instances and keys have no place there."""
    mounts = [_volume_mount(volume) for volume in config.volumes]
    mounts += [_data_mount(mount) for mount in config.data_mounts]
    code_target = config.code_target
    if code_target is not None:
        mounts.append(MountSpec(kind="code", source=str(config.code_root or "."), target=code_target))
    hours = config.max_run_time_hours
    command = config.command if isinstance(config.command, list) else [config.command or ""]
    return TaskSpec(
        name=config.name,
        command=list(command),
        resources=_resources(config),
        mounts=mounts,
        params=RunParams(
            env=dict(config.env),
            working_dir=config.working_dir or None,
            retry=config.retries.max_retries if config.retries else 0,
            preemptible_ok=config.allocation_mode == "spot",
            time_limit_s=int(hours * 3600) if hours else None,
            image=config.image or None,
        ),
    )


def _resources(config: TaskConfig) -> ResourceSpec:
    if not config.instance_type:
        # Why: a minimum of GPU memory is met by one GPU; which one is chosen by the market, later.
        return ResourceSpec(gpus=1 if config.min_gpu_memory_gb else 0)
    size = size_of(config.instance_type)
    known: dict[str, Any] = {"cpus": size.cpus, "memory_gb": size.memory_gb}
    return ResourceSpec(
        gpus=size.gpus,
        gpu_type=size.gpu_type or config.instance_type,
        **{name: value for name, value in known.items() if value is not None},
    )


def _volume_mount(volume: VolumeSpec) -> MountSpec:
    """A volume is mounted writable; its source names it as the provider can look it up."""
    source = f"volume://{volume.volume_id or volume.name or ''}"
    return MountSpec(kind="persistent", source=source, target=volume.mount_path or "", read_only=False)


def _data_mount(mount: DataMount) -> MountSpec:
    return MountSpec(
        kind=_kind(mount), source=mount.source, target=mount.target, read_only=_is_read_only(mount.options)
    )


def _kind(mount: DataMount) -> Kind:
    if mount.source.startswith("s3://") or mount.mount_type == "s3fs":
        return "s3"
    if mount.source.startswith("volume://") or mount.mount_type == "volume":
        return "persistent"
    return "local"


def _is_read_only(options: dict[str, Any]) -> bool:
    """What the options say: ``read_only``/``readonly``/``ro``, or a ``mode`` of ro or rw; read-only unless told."""
    for name in _READ_ONLY_OPTIONS:
        value = options.get(name)
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
    mode = options.get("mode")
    if mode in ("rw", "ro"):
        return bool(mode == "ro")
    return not any(options.get(name) is True for name in ("rw", "writable"))
