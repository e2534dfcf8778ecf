"""Mount targets: when a path is fit to be one, and when two of them are in each other's way.

Targets are absolute and normalised, and no two of a task may be equal, equivalent or nested
(spec/models.md, "What we take from it", 2, and 1.6, rules 6 to 10).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowplan.values.convert import Mismatch, Problem
from flowplan.values.value import Path, path_text

DOCKER_CACHE = "/var/lib/docker"
_DOCKER = (DOCKER_CACHE, "/var/run/docker.sock", "/etc/docker")


def without_end_slash(target: str) -> str:
    """An absolute path without slashes at its end, so that equivalent targets are equal; other text as it is."""
    return (target.rstrip("/") or "/") if target.startswith("/") and not target.startswith("//") else target


def target_fault(target: str) -> Mismatch | None:
    """What keeps ``target`` from being the path of a mount, or None."""
    if not target.startswith("/"):
        advice = f"Write /{target.lstrip('./')}." if target.strip("./") else "Write one such as /data."
        return Mismatch(f"must be an absolute path, not {target!r}", advice, target)
    parts = target.rstrip("/").split("/")[1:]
    if "" in parts or "." in parts or ".." in parts or "\0" in target:
        kept: list[str] = []
        for part in parts:
            if part == "..":
                kept = kept[:-1]
            elif part not in ("", "."):
                kept.append(part)
        advice = f"Write {'/' + '/'.join(kept)!r}." if "\0" not in target else ""
        return Mismatch(f"must be a path without '//', '.', '..' or NUL, not {target!r}", advice, target)
    return None


def covers(outer: str, inner: str) -> bool:
    """Whether ``inner`` is ``outer`` or lies below it; both normalised."""
    return outer in ("/", inner) or inner.startswith(outer + "/")


def docker_conflicts(targets: Sequence[tuple[Path, str]], cache_allowed: bool) -> Iterator[Problem]:
    """A problem for each target that is, holds or lies in a path Docker itself needs (rule 7)."""
    for path, target in targets:
        if cache_allowed and target == DOCKER_CACHE:
            continue
        for system in _DOCKER:
            if covers(target, system) or covers(system, target):
                advice = "Choose another path."
                if target == DOCKER_CACHE:
                    advice = (
                        "Set allow_docker_cache: true (with num_instances: 1) to keep image layers there."
                    )
                yield Problem(
                    path, f"{path_text(path)} {target!r} would hide {system}, which Docker needs", advice
                )
                break


def overlaps(targets: Sequence[tuple[Path, str]], code_dir: str | None) -> Iterator[Problem]:
    """A problem for each target that equals, holds or lies in an earlier one, or the uploaded code (8, 10)."""
    code = without_end_slash(code_dir) if code_dir else None
    targets = [
        (path, target) for path, target in targets if target != "/"
    ]  # Docker's paths forbid it already
    for index, (path, target) in enumerate(targets):
        if code is not None and (covers(code, target) or covers(target, code)):
            relation = "lies in" if covers(code, target) else "holds"
            place = "is" if code == target else f"{relation} {code!r},"
            yield Problem(
                path,
                f"{path_text(path)} {target!r} {place} where your code is uploaded (working_dir)",
                "Choose another path, another working_dir, or set upload_code: false.",
            )
        for other_path, other in targets[:index]:
            if covers(other, target) or covers(target, other):
                relation = "is also" if other == target else "lies in" if covers(other, target) else "holds"
                yield Problem(
                    path,
                    f"{path_text(path)} {target!r} {relation} {path_text(other_path)} ({other!r})",
                    "Give each mount a path of its own, none inside another.",
                )
