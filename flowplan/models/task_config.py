"""The complete specification of a task (spec/models.md, 1.6)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from attrs import field

from flowplan.models.enums import StorageInterface
from flowplan.models.instance_types import instance_type_hook
from flowplan.models.model import Fact, Model, fact, put, rule
from flowplan.models.mount import MountSpec
from flowplan.models.naming import unique_name
from flowplan.models.reservation import NAME_PATTERN, NAME_SHAPE
from flowplan.models.retries import Retries
from flowplan.models.scalars import env_hook, ordered_once, scheduled_time_hook, show_env, volumes_hook
from flowplan.models.targets import docker_conflicts, overlaps, target_fault
from flowplan.models.volume import VolumeSpec
from flowplan.values.classes import define
from flowplan.values.convert import Mismatch, Problem

if TYPE_CHECKING:
    from flowplan.models.ir import TaskSpec

DEFAULT_IMAGE = "nvidia/cuda:12.1.0-runtime-ubuntu22.04"
DEFAULT_COMMAND = "sleep infinity"
DEFAULT_WORKING_DIR = "/workspace"
_WEEK_HOURS = 168


def _code_root(value: Any) -> str | Path | None:
    if value is None or value == "":
        return None
    if isinstance(value, Path):
        return _expanded(value)
    if isinstance(value, str):
        return str(_expanded(Path(value)))
    from flowplan.values.strict import show

    raise Mismatch(f"must be text or a path, not {show(value)}", "Put it in quotes.", value)


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise Mismatch(f"names a home folder that cannot be found: {str(path)!r}", given=path) from None


@define(kw_only=True)
class TaskConfig(Model):
    """All that a task is made of: command, hardware, storage, price, times. Exactly one way to say each.

    Raises:
        Invalid: on construction, with every problem of the configuration.
    """

    _retired_ = {  # noqa: RUF012 -- read only, as the base class declares it
        "gpu": "Use instance_type, such as instance_type: 8xh100.",
        "gpu_count": "Use instance_type with the count in it, such as instance_type: 8xh100.",
        "gpu_memory_gb": "Use min_gpu_memory_gb.",
        "environment": "Use env.",
        "timeout": "Use max_run_time_hours (in hours).",
        "mounts": "Use volumes for storage, data_mounts for data.",
    }

    name: str = field(
        default="flow-task", metadata=fact("Name of the task.", pattern=NAME_PATTERN, shape=NAME_SHAPE)
    )
    unique_name: bool = field(
        default=True, metadata=fact("Whether '-' and six hexadecimal digits are added to the name.")
    )
    instance_type: str | None = field(
        default=None,
        metadata=fact(
            "Type of instance.", hook=instance_type_hook, note="exactly one of this and min_gpu_memory_gb"
        ),
    )
    min_gpu_memory_gb: int | None = field(
        default=None,
        metadata=fact(
            "Choose the cheapest type with at least so much memory per GPU.",
            minimum=1,
            maximum=640,
            note="exactly one of this and instance_type",
        ),
    )
    command: str | list[str] | None = field(
        default=None,
        metadata=fact(
            "What runs: a list of words, a shell line or a script of many lines; nothing means sleep infinity."
        ),
    )
    image: str = field(default=DEFAULT_IMAGE, metadata=fact("Container image."))
    env: dict[str, str] = field(
        factory=dict,
        repr=show_env,
        metadata=fact(
            "Environment variables; numbers become text.", hook=env_hook, secret=True, note="text or numbers"
        ),
    )
    working_dir: str = field(
        default=DEFAULT_WORKING_DIR, metadata=fact("Working directory in the container.")
    )
    volumes: list[VolumeSpec] = field(
        factory=list,
        metadata=fact("Volumes to create or attach.", hook=volumes_hook, note="targets do not nest"),
    )
    data_mounts: list[MountSpec] = field(
        factory=list, metadata=fact("Data to mount.", note="targets are absolute and do not nest")
    )
    ports: list[int] = field(
        factory=list, metadata=fact("Ports to expose.", items=Fact(minimum=1024, maximum=65535))
    )
    allow_docker_cache: bool = field(
        default=False, metadata=fact("Allow a volume at /var/lib/docker, on one instance.")
    )
    retries: Retries | None = field(default=None, metadata=fact("How a failed submission is tried again."))
    max_price_per_hour: float | None = field(
        default=None, metadata=fact("Most to pay, in US dollars per instance-hour.", above=0)
    )
    max_run_time_hours: float | None = field(
        default=None,
        metadata=fact(
            "Longest run in hours; 0 or nothing means no limit.",
            minimum=0,
            maximum=_WEEK_HOURS,
            note="0, or at least a second",
        ),
    )
    min_run_time_hours: float | None = field(
        default=None,
        metadata=fact(
            "Shortest run in hours.", above=0, maximum=_WEEK_HOURS, note="not more than max_run_time_hours"
        ),
    )
    deadline_hours: float | None = field(
        default=None,
        metadata=fact(
            "Hours from submission to the deadline.",
            above=0,
            maximum=_WEEK_HOURS,
            note="not less than max_run_time_hours",
        ),
    )
    ssh_keys: list[str] = field(factory=list, metadata=fact("Ids of the SSH keys to authorise."))
    allocation_mode: Literal["spot", "reserved", "auto"] = field(
        default="spot",
        metadata=fact(
            "Where the capacity comes from.",
            note="reserved needs reservation_id, or scheduled_start_time and reserved_duration_hours",
        ),
    )
    reservation_id: str | None = field(default=None, metadata=fact("Id of a reservation to run on."))
    scheduled_start_time: str | None = field(
        default=None,
        metadata=fact(
            "When a reserved task starts, in UTC.", hook=scheduled_time_hook, note="RFC 3339; kept in UTC"
        ),
    )
    reserved_duration_hours: int | None = field(
        default=None, metadata=fact("Hours to reserve.", minimum=3, maximum=336)
    )
    region: str | None = field(default=None, metadata=fact("Region to run in."))
    num_instances: int = field(
        default=1,
        metadata=fact("Number of instances.", minimum=1, maximum=100, note="more than 1 needs file volumes"),
    )
    priority: Literal["low", "med", "high"] = field(
        default="med", metadata=fact("Tier that sets the limit price where max_price_per_hour is not given.")
    )
    distributed_mode: Literal["auto", "manual"] | None = field(
        default=None, metadata=fact("Who gives each of many instances its rank: flow, or you through FLOW_*.")
    )
    internode_interconnect: str | None = field(
        default=None, metadata=fact("Preferred network between instances, such as InfiniBand.")
    )
    intranode_interconnect: str | None = field(
        default=None, metadata=fact("Preferred connection of the GPUs of an instance, such as SXM5.")
    )
    upload_code: bool = field(default=True, metadata=fact("Whether code_root is uploaded to working_dir."))
    dev_vm: bool | None = field(default=None, metadata=fact("Whether this is a machine to develop on."))
    upload_strategy: Literal["auto", "embedded", "scp", "none"] = field(
        default="auto", metadata=fact("How code is uploaded.")
    )
    terminate_on_exit: bool = field(default=False, metadata=fact("Cancel the task when its command ends."))
    upload_timeout: int = field(
        default=600, metadata=fact("Seconds the upload may take.", minimum=60, maximum=3600)
    )
    code_root: str | Path | None = field(
        default=None,
        eq=lambda root: None if root is None else os.fspath(root),
        metadata=fact("Folder whose code is uploaded; nothing means the current one.", hook=_code_root),
    )

    def _derive(self, bad: frozenset[str]) -> None:
        if "command" not in bad and not self.command:
            put(self, "command", DEFAULT_COMMAND)
        if "instance_type" not in bad and self.instance_type == "":
            put(self, "instance_type", None)
        if "max_run_time_hours" not in bad and self.max_run_time_hours == 0:
            put(self, "max_run_time_hours", None)
        if "ports" not in bad:
            put(self, "ports", ordered_once(self.ports))

    def _finish(self) -> None:
        if self.unique_name:
            put(self, "name", unique_name(self.name))

    @property
    def code_target(self) -> str | None:
        """Where uploaded code goes in the container, or None where no code is uploaded."""
        if not self.upload_code or self.upload_strategy == "none":
            return None
        return self.working_dir or DEFAULT_WORKING_DIR

    @rule("instance_type", "min_gpu_memory_gb")
    def _one_selector(self) -> Iterator[Problem]:
        if self.instance_type and self.min_gpu_memory_gb:
            yield Problem(
                ("min_gpu_memory_gb",),
                "min_gpu_memory_gb and instance_type are both given",
                "Keep exactly one of them.",
            )
        elif not self.instance_type and not self.min_gpu_memory_gb:
            yield Problem(
                ("instance_type",),
                "instance_type or min_gpu_memory_gb is required",
                "Add one of them, such as instance_type: 8xh100.",
            )

    @rule("max_run_time_hours")
    def _whole_seconds(self) -> Iterator[Problem]:
        hours = self.max_run_time_hours
        if hours is not None and int(hours * 3600) < 1:
            yield Problem(
                ("max_run_time_hours",),
                f"max_run_time_hours {hours:g} is less than a second",
                "Give at least 0.0003, or 0 for no limit.",
                hours,
            )

    @rule("max_run_time_hours", "min_run_time_hours")
    def _run_times_in_order(self) -> Iterator[Problem]:
        low, high = self.min_run_time_hours, self.max_run_time_hours
        if low is not None and high is not None and low > high:
            yield Problem(
                ("min_run_time_hours",),
                f"min_run_time_hours ({low:g}) must not be more than max_run_time_hours ({high:g})",
                given=low,
            )

    @rule("max_run_time_hours", "deadline_hours")
    def _deadline_after_run(self) -> Iterator[Problem]:
        deadline, high = self.deadline_hours, self.max_run_time_hours
        if deadline is not None and high is not None and deadline < high:
            yield Problem(
                ("deadline_hours",),
                f"deadline_hours ({deadline:g}) must not be less than max_run_time_hours ({high:g})",
                given=deadline,
            )

    @rule("allocation_mode", "reservation_id", "scheduled_start_time", "reserved_duration_hours")
    def _reserved_says_what(self) -> Iterator[Problem]:
        if self.allocation_mode != "reserved" or self.reservation_id:
            return
        window = ("scheduled_start_time", "reserved_duration_hours")
        missing = [name for name in window if not getattr(self, name)]
        if missing:
            yield Problem(
                ("allocation_mode",),
                "allocation_mode 'reserved' needs a reservation_id,"
                " or both scheduled_start_time and reserved_duration_hours",
                f"Add {' and '.join(missing)}, or a reservation_id.",
            )

    @rule("data_mounts")
    def _data_targets(self) -> Iterator[Problem]:
        for index, mount in enumerate(self.data_mounts):
            fault = target_fault(mount.target)
            if fault:
                yield fault.at(("data_mounts", index, "target"))

    @rule("volumes", "data_mounts", "allow_docker_cache", "num_instances")
    def _docker_paths(self) -> Iterator[Problem]:
        return docker_conflicts(self._targets(), self.allow_docker_cache and self.num_instances == 1)

    @rule("volumes", "data_mounts", "working_dir", "upload_code", "upload_strategy")
    def _targets_apart(self) -> Iterator[Problem]:
        return overlaps(self._targets(), self.code_target)

    @rule("volumes", "num_instances")
    def _shared_volumes_are_files(self) -> Iterator[Problem]:
        if self.num_instances <= 1:
            return
        for index, volume in enumerate(self.volumes):
            if volume.interface is StorageInterface.BLOCK:
                place = ("volumes", index, "interface")
                yield Problem(
                    place,
                    f"volumes[{index}].interface 'block' cannot be shared by {self.num_instances} instances",
                    "Use interface: file, or num_instances: 1.",
                    volume.interface,
                )

    def _targets(self) -> list[tuple[tuple[str | int, ...], str]]:
        """Every fit target of a volume or data mount, with its place."""
        found: list[tuple[tuple[str | int, ...], str]] = []
        for index, volume in enumerate(self.volumes):
            found.append((("volumes", index, "mount_path"), volume.mount_path or ""))
        for index, mount in enumerate(self.data_mounts):
            found.append((("data_mounts", index, "target"), mount.target))
        return [(place, target) for place, target in found if target_fault(target) is None]

    def validate_config(self) -> Self:
        """Check the configuration again after an assignment.

        Raises:
            Invalid: with all problems.
        """
        return self.check()

    def to_spec(self) -> TaskSpec:
        """The task in the provider-neutral IR; see `flowplan.models.lowering`."""
        from flowplan.models.lowering import to_spec

        return to_spec(self)

    def to_yaml(self, path: str | Path) -> None:
        """Write the task to a file that `from_yaml` reads back as an equal task.

        Raises:
            OSError: the file cannot be written.
        """
        from flowplan.models.task_file import write

        write(self, path)

    @classmethod
    def from_yaml(cls, path: str | Path) -> TaskConfig:
        """The task in a file.

        Raises:
            Invalid: the text is no YAML mapping, or the task is not valid; with all problems.
            OSError: the file cannot be read.
        """
        from flowplan.models.task_file import read

        return read(path)
