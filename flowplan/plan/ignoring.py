"""``lifecycle.ignore_changes``: paths with wildcards, and what the stack means where it is told to look away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

_PART = r"\[(\d+|\*|\"(?:[^\"\\]|\\.)*\"|'[^']*')\]|\.?([^.\[\]]+)"
_ABSENT = object()

Parts = tuple[str | int, ...]
"""A path, split; ``*`` stands for every key or index."""


@lru_cache(maxsize=1024)
def parse_path(text: str) -> Parts:
    """``volumes[*].mount_path``, ``env.*``, ``env["A.B"]`` or ``*`` as parts.

    Raises:
        ValueError: the text is no path.
    """
    part = re.compile(_PART)
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        match = part.match(text, at)
        if match is None:
            raise ValueError(
                f"{text!r} is no path; write one as image, env.NAME, env.* or volumes[*].mount_path"
            )
        inner, name = match.groups()
        if name is not None:
            parts.append(name)
        elif inner.isdigit():
            parts.append(int(inner))
        else:
            parts.append(inner if inner == "*" else re.sub(r"\\(.)", r"\1", inner[1:-1]))
        at = match.end()
    if not parts:
        raise ValueError("an empty path names nothing")
    return tuple(parts)


def ignored_wholly(paths: Iterable[str]) -> frozenset[str]:
    """The attributes that are ignored as a whole; ``*`` among them means all."""
    return frozenset(str(parts[0]) for parts in map(parse_path, paths) if len(parts) == 1)


def keep_ignored(paths: Sequence[str], before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """``after`` with what stands at ``paths`` as it is in ``before``: the configuration that is compared.

    What is missing on one side under a wildcard is made to be missing (or present) on the other.
    """
    kept: Any = dict(after)
    for path in paths:
        kept = _keep(parse_path(path), before, kept)
    return dict(kept)


def _keep(parts: Parts, before: Any, after: Any) -> Any:
    """``after`` with everything at ``parts`` taken from ``before``."""
    if not parts:
        return before
    first, rest = parts[0], parts[1:]
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = [*after, *(name for name in before if name not in after)] if first == "*" else [first]
        merged = dict(after)
        for name in names:
            old, new = before.get(name, _ABSENT), after.get(name, _ABSENT)
            if not rest and old is _ABSENT:
                merged.pop(name, None)
            elif not rest:
                merged[name] = old
            elif old is not _ABSENT and new is not _ABSENT:
                merged[name] = _keep(rest, old, new)
        return merged
    if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        if first == "*" and not rest:
            return list(before)
        indexes = range(len(after)) if first == "*" else [first]
        items = list(after)
        for index in indexes:
            if isinstance(index, int) and index < len(items) and index < len(before):
                items[index] = _keep(rest, before[index], items[index])
        return items
    return after
