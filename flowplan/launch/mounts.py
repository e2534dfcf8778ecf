"""Where volumes and data are mounted on an instance."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flowplan.resources.attribute import Problem
from flowplan.values.classes import frozen
from flowplan.values.value import Path

_MOST = 20
"""Volumes one instance takes (models.md 2.4)."""

_HOST_ONLY = frozenset({"/var/lib/docker", "/var/run/docker.sock", "/etc/docker"})
"""Paths docker itself lives on: mounted on the host, never handed into a container (models.md 2.4)."""


@frozen
class VolumeMount:
    """One volume: ``index`` is its place among the task's volumes, which decides a disk's device letter.

    ``variable`` names the environment variable that tells the workload the path: after the path's last part,
    since that is the task's own word for it, while names differ from stack to stack.
    """

    name: str
    id: str
    path: str
    kind: str
    index: int
    variable: str


@frozen
class DataMount:
    """One ``data_mounts`` entry: ``kind`` is ``s3``, ``volume`` or ``local``; ``failure`` is what to say if it fails."""

    kind: str
    source: str
    target: str
    options: str
    failure: str


def absolute(path: str, base: str = "/") -> str:
    """``path`` without ``.``, ``..`` and doubled slashes; a relative one is taken from ``base``."""
    return "/" + posixpath.normpath(posixpath.join(base, path)).lstrip("/")


def volume_problems(volumes: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """What stands in the way of mounting these volumes."""
    problems = []
    if len(volumes) > _MOST:
        message = f"{len(volumes)} volumes are more than the {_MOST} an instance takes"
        problems.append(Problem(("volumes",), message, "Put the data on fewer, larger volumes."))
    for index, volume in enumerate(volumes):
        path: Path = ("volumes", index)
        problems += _path_problems((*path, "mount_path"), _mount_path(volume))
        for name in ("name", "volume_id"):
            if not _is_folder_name(volume.get(name) or "x"):
                message = f"{volume[name]!r} cannot be the {name} of a volume"
                problems.append(Problem((*path, name), message, "Use letters, digits and hyphens."))
    return problems


def data_problems(data: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """What stands in the way of mounting these ``data_mounts``."""
    problems = []
    for index, mount in enumerate(data):
        path: Path = ("data_mounts", index)
        problems += _path_problems((*path, "target"), mount["target"])
        source, kind = mount["source"], _data_kind(mount)
        if kind == "local" and not source.startswith("/"):
            problems.append(
                Problem(
                    (*path, "source"),
                    f"{source!r} is neither s3://bucket/path, volume://name nor a path on the instance",
                    "A path on the instance starts with /.",
                )
            )
        elif not _is_text(source) or (
            kind == "volume" and not _is_folder_name(source.removeprefix("volume://"))
        ):
            problems.append(
                Problem((*path, "source"), f"{source!r} names no volume", "Write it as volume://name.")
            )
    return problems


def volume_mounts(volumes: Iterable[Mapping[str, Any]]) -> list[VolumeMount]:
    """The mounts of a task's volumes, in the order of the configuration."""
    mounts = []
    for index, volume in enumerate(volumes):
        id = volume.get("volume_id") or ""
        name = volume.get("name") or id or f"volume-{index}"
        kind = getattr(volume.get("interface"), "value", volume.get("interface")) or "block"
        path = absolute(_mount_path(volume))
        variable = "FLOW_VOLUME_" + re.sub(r"[^A-Z0-9]", "_", path.rpartition("/")[2].upper())
        mounts.append(VolumeMount(name, id, path, kind, index, variable))
    return mounts


def data_mounts(data: Iterable[Mapping[str, Any]]) -> list[DataMount]:
    """The mounts of a task's ``data_mounts``, in the order of the configuration."""
    mounts = []
    for mount in data:
        kind, source, target = _data_kind(mount), mount["source"], absolute(mount["target"])
        failure = f"data mount {source}: could not be mounted at {target}"
        options = ""
        if kind == "s3":
            bucket, _, prefix = source.removeprefix("s3://").partition("/")
            source = f"{bucket}:/{prefix.strip('/')}" if prefix.strip("/") else bucket
            # Reading is the default; a data set is written to only by those who ask (models.md 2.4).
            options = "rw" if (mount.get("options") or {}).get("readonly") is False else "ro"
            failure += (
                "; s3fs has to be on the instance, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in env"
            )
        mounts.append(DataMount(kind, source.removeprefix("volume://"), target, options, failure))
    return mounts


def container_paths(working_dir: str, volumes: Iterable[VolumeMount], data: Iterable[DataMount]) -> list[str]:
    """The host paths a container sees under the same name."""
    paths = [working_dir, *(v.path for v in volumes), *(d.target for d in data)]
    return [path for path in dict.fromkeys(paths) if path not in _HOST_ONLY]


def _mount_path(volume: Mapping[str, Any]) -> str:
    """The documented default where none is set (models.md 1.4)."""
    if volume.get("mount_path"):
        return str(volume["mount_path"])
    if volume.get("name"):
        return f"/volumes/{volume['name']}"
    return f"/volumes/volume-{volume['volume_id'][-6:]}" if volume.get("volume_id") else "/volumes/volume"


def _data_kind(mount: Mapping[str, Any]) -> str:
    source, kind = mount["source"], mount.get("mount_type")
    if source.startswith("s3://") or kind == "s3fs":
        return "s3"
    return "volume" if source.startswith("volume://") or kind == "volume" else "local"


def _path_problems(where: Path, path: str) -> list[Problem]:
    if not _is_text(path):
        return [Problem(where, "holds a character that no path can hold", "Remove it.")]
    if not path.startswith("/"):
        return [Problem(where, f"{path!r} is not an absolute path", f"Write it as {absolute(path)!r}.")]
    return []


def _is_folder_name(name: str) -> bool:
    return _is_text(name) and "/" not in name and name not in (".", "..")


def _is_text(value: str) -> bool:
    return not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value)
