"""Storage: what a task or stack asks for (`VolumeSpec`) and what a provider has (`Volume`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Self

from attrs import field

from flowplan.models.enums import StorageInterface
from flowplan.models.model import Model, fact, put, rule
from flowplan.models.targets import target_fault, without_end_slash
from flowplan.values.classes import define
from flowplan.values.convert import Mismatch, Problem


@define(kw_only=True)
class VolumeSpec(Model):
    """A persistent volume to create, or with ``volume_id`` one to attach (spec/models.md, 1.4)."""

    _aliases_ = {"target": "mount_path"}  # noqa: RUF012 -- read only, as the base class declares it

    name: str | None = field(
        default=None,
        metadata=fact(
            "Name of the volume.",
            pattern=r"[a-z0-9][a-z0-9-]*[a-z0-9]",
            shape="lower-case letters, digits and hyphens, with no hyphen at either end",
            min_length=3,
            max_length=64,
        ),
    )
    size_gb: int = field(default=1, metadata=fact("Size in GB.", minimum=1, maximum=15000))
    mount_path: str | None = field(
        default=None,
        metadata=fact(
            "Where it is mounted in the container; also accepted as 'target'.",
            note="absolute path; from name or volume_id when absent",
        ),
    )
    volume_id: str | None = field(default=None, metadata=fact("Id of an existing volume to attach."))
    interface: StorageInterface = field(
        default=StorageInterface.BLOCK, metadata=fact("Disk of one instance, or file system that many share.")
    )
    iops: int | None = field(
        default=None, metadata=fact("Input and output operations a second.", minimum=100, maximum=64000)
    )
    throughput_mb_s: int | None = field(
        default=None, metadata=fact("Throughput in MB a second.", minimum=125, maximum=1000)
    )

    def _derive(self, bad: frozenset[str]) -> None:
        if not bad.isdisjoint({"name", "mount_path", "volume_id"}):
            return
        if self.mount_path:
            put(self, "mount_path", without_end_slash(self.mount_path))
        elif self.name:
            put(self, "mount_path", f"/volumes/{self.name}")
        elif self.volume_id:
            put(self, "mount_path", f"/volumes/volume-{self.volume_id[-6:]}")
        else:
            put(self, "mount_path", "/volumes/volume")

    @rule("mount_path", "name", "volume_id")
    def _mount_path_is_a_target(self) -> Iterator[Problem]:
        fault = target_fault(self.mount_path or "")
        if fault:
            yield fault.at(("mount_path",))

    @rule("volume_id", "iops", "throughput_mb_s")
    def _performance_is_for_new_volumes(self) -> Iterator[Problem]:
        for name in ("iops", "throughput_mb_s"):
            if self.volume_id and getattr(self, name) is not None:
                yield Problem(
                    (name,),
                    f"{name} cannot be set for a volume that exists (volume_id)",
                    f"Remove {name}, or remove volume_id to create a new volume.",
                )

    def validate_volume_spec(self) -> Self:
        """Check the specification again after an assignment.

        Raises:
            Invalid: with all problems.
        """
        return self.check()


@define(kw_only=True)
class Volume(Model):
    """A volume as a provider tells of it, or the older bind mount (local, remote, read_only)."""

    _aliases_ = {"id": "volume_id"}  # noqa: RUF012

    local: str | None = field(default=None, metadata=fact("Source path on the host."))
    remote: str | None = field(default=None, metadata=fact("Target path in the container."))
    read_only: bool | None = field(default=None, metadata=fact("Whether it is mounted read-only."))
    volume_id: str | None = field(default=None, metadata=fact("Id of the volume."))
    name: str | None = field(default=None, metadata=fact("Name of the volume."))
    size_gb: int | None = field(default=None, metadata=fact("Capacity in GB."))
    region: str | None = field(default=None, metadata=fact("Region it is stored in."))
    interface: StorageInterface | None = field(default=None, metadata=fact("How it is attached."))
    attached_to: list[str] = field(factory=list, metadata=fact("Ids of the instances that have it."))
    created_at: datetime | None = field(default=None, metadata=fact("When it was created, in UTC."))

    @property
    def id(self) -> str | None:
        """The same as ``volume_id``."""
        return self.volume_id

    def to_spec(self) -> VolumeSpec:
        """The specification that mounts this volume in a task.

        Raises:
            Invalid: its name, size or path breaks the rules of `VolumeSpec`.
        """
        if self.local and self.remote:
            return VolumeSpec(mount_path=self.remote)
        values: dict[str, Any] = {
            "name": self.name,
            "volume_id": self.volume_id,
            "size_gb": max(1, self.size_gb or 1),
        }
        if self.interface is not None:
            values["interface"] = self.interface
        return VolumeSpec(**values)


def as_volume_spec(value: Any) -> VolumeSpec:
    """An entry of a task's volumes: a `VolumeSpec`, a mapping, or a `Volume`.

    Raises:
        Mismatch: it is none of these.
        Invalid: with all problems of its fields.
    """
    if isinstance(value, Volume):
        return value.to_spec()
    if isinstance(value, str):
        raise Mismatch(
            f"must be a mapping (VolumeSpec), not {value!r}",
            "Write {volume_id: …, mount_path: /path}.",
            value,
        )
    return VolumeSpec.__structure__(value)
