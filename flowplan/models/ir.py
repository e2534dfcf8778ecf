"""The IR: what a task needs, without a provider's words (spec/models.md, 1.1). All frozen."""

from __future__ import annotations

import copy
from typing import Any, Literal, Self

import attrs
from attrs import field

from flowplan.models.model import Model, fact
from flowplan.models.scalars import env_hook, show_env
from flowplan.values.classes import frozen


class _Ir(Model):
    """What the IR models share."""

    __slots__ = ()

    def replace(self, **updates: Any) -> Self:
        """A deep copy with some fields changed, validated like any other.

        Raises:
            Invalid: with all problems of the result.
            TypeError: there is no such field.
        """
        values = {a.name: copy.deepcopy(getattr(self, a.name)) for a in attrs.fields(type(self))}  # type: ignore[arg-type]
        return type(self)(**(values | updates))


@frozen(kw_only=True)
class ResourceSpec(_Ir):
    """The hardware one instance must have."""

    gpus: int = field(default=0, metadata=fact("Number of GPUs.", minimum=0))
    gpu_type: str | None = field(default=None, metadata=fact("Type of GPU, such as h100."))
    cpus: int = field(default=4, metadata=fact("Number of CPUs.", minimum=1))
    memory_gb: int = field(default=16, metadata=fact("Memory in GB.", minimum=1))
    accelerator_hints: dict[str, str] = field(
        factory=dict, metadata=fact("Wishes for the accelerators, such as their interconnect.")
    )


@frozen(kw_only=True)
class MountSpec(_Ir):
    """Something that is mounted in the container."""

    kind: Literal["s3", "local", "nfs", "juicefs", "persistent", "code"] = field(
        metadata=fact("What kind of thing it is.")
    )
    source: str = field(metadata=fact("Path or URI of it."))
    target: str = field(metadata=fact("Where it is mounted."))
    read_only: bool = field(default=True, metadata=fact("Whether it cannot be written."))
    cache: dict[str, str] | None = field(default=None, metadata=fact("How a remote one is cached."))


@frozen(kw_only=True)
class RunParams(_Ir):
    """How a task is run."""

    env: dict[str, str] = field(
        factory=dict,
        repr=show_env,
        metadata=fact("Environment variables.", hook=env_hook, secret=True, note="text or numbers"),
    )
    working_dir: str | None = field(default=None, metadata=fact("Working directory."))
    retry: int = field(default=0, metadata=fact("How many times a failure is tried again.", minimum=0))
    preemptible_ok: bool = field(
        default=False, metadata=fact("Whether it may run where it can be preempted.")
    )
    time_limit_s: int | None = field(default=None, metadata=fact("Longest run in seconds.", minimum=1))
    image: str | None = field(default=None, metadata=fact("Container image."))


@frozen(kw_only=True)
class TaskSpec(_Ir):
    """A whole task in the IR."""

    api_version: Literal["flow.ir/v1"] = field(default="flow.ir/v1", metadata=fact("Version of the IR."))
    name: str = field(metadata=fact("Name of the task."))
    command: list[str] = field(metadata=fact("The words of the command."))
    resources: ResourceSpec = field(metadata=fact("The hardware it needs."))
    mounts: list[MountSpec] = field(factory=list, metadata=fact("What is mounted."))
    params: RunParams = field(factory=RunParams, metadata=fact("How it is run."))
