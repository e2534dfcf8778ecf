"""Data that a task mounts: the SDK's mount, not the one of the IR (spec/models.md, 1.5)."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field

from flowplan.models.model import Model, fact, put
from flowplan.models.targets import without_end_slash
from flowplan.values.classes import define


@define(kw_only=True)
class MountSpec(Model):
    """A volume, an S3 prefix or a host folder, mounted at a path in the container."""

    source: str = field(metadata=fact("What is mounted: s3://…, volume://… or a path."))
    target: str = field(metadata=fact("Where it is mounted in the container."))
    mount_type: Literal["bind", "volume", "s3fs"] = field(default="bind", metadata=fact("How it is mounted."))
    options: dict[str, Any] = field(factory=dict, metadata=fact("Options of the provider."))
    cache_key: str | None = field(
        default=None, metadata=fact("Key under which facts of the mount are cached.")
    )
    size_estimate_gb: float | None = field(
        default=None, metadata=fact("About how much data it is, in GB.", minimum=0)
    )

    def _derive(self, bad: frozenset[str]) -> None:
        if "target" not in bad:
            put(self, "target", without_end_slash(self.target))
