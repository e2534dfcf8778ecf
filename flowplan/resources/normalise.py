"""Checks a declaration's body against its documented model while some of its values are unknown or sensitive."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from flowplan.models import structure, unstructure
from flowplan.models.draft import settled
from flowplan.models.model import Model
from flowplan.models.naming import suffix_disabled
from flowplan.values.convert import Invalid, Problem
from flowplan.values.value import Path, Sensitive, Unknown, path_text

Samples = Mapping[str, Callable[[int], Any]]
"""For a field whose value is unknown: a valid stand-in, from a running number so that no two collide."""

_DROP = object()
_OPEN = frozenset(
    {
        "name",
        "instance_type",
        "min_gpu_memory_gb",
        "region",
        "num_instances",
        "quantity",
        "max_price_per_hour",
        "priority",
        "size_gb",
        "interface",
        "volumes",
        "ssh_keys",
        "reservation_id",
        "start_time_utc",
        "duration_hours",
    }
)
"""Fields that the provider repeats in its lists, so that what is in them ends up in state, logs and bills."""
_PLAIN = frozenset({str, int, float, bool, type(None)})


def normalise(
    model: type[Model], body: Mapping[str, Any], samples: Samples
) -> tuple[dict[str, Any], list[Problem]]:
    """Every field of ``model`` with its value from ``body`` or its default, and every problem found.

    Unknown values are checked as if they were valid ones of their field and then put back; sensitive ones
    are checked bare and wrapped again, and no problem repeats them. With problems, the mapping is partial.
    """
    held: list[tuple[Path, Any]] = []
    bare = _stand_in(body if type(body) is dict else dict(body), (), held, samples)
    if open_secrets := [
        _in_the_open(path) for path, value in held if type(value) is Sensitive and path[0] in _OPEN
    ]:
        return dict(body), open_secrets
    plain = {key: value for key, value in bare.items() if value is not _DROP}
    unique = plain.get("unique_name")
    try:
        with suffix_disabled():
            full = settled(model, plain)
            if full is None:
                full = unstructure(structure(model, plain))
    except Invalid as invalid:
        own = [problem for problem in invalid.problems if not _is_stand_in(problem, held)]
        return dict(body), [_without_secrets(problem, held) for problem in _without_echoes(own)]
    if unique is not None:
        full["unique_name"] = unique
    misfits = [one for path, original in held if (one := _misfit(full, path, original)) is not None]
    for path, original in held:
        _put(full, path, original)
    return full, misfits


def _in_the_open(path: Path) -> Problem:
    where = path_text(path)
    return Problem(
        path,
        f"{where} cannot hold a sensitive value: the provider shows it to all who may list its resources",
        "Use a value that is not sensitive; secrets belong in env.",
    )


def _stand_in(value: Any, path: Path, held: list[tuple[Path, Any]], samples: Samples) -> Any:
    kind = type(value)
    if kind is dict:
        return {
            key: item if type(item) in _PLAIN else _stand_in(item, (*path, key), held, samples)
            for key, item in value.items()
        }
    if kind is list or kind is tuple:
        return [
            item if type(item) in _PLAIN else _stand_in(item, (*path, index), held, samples)
            for index, item in enumerate(value)
        ]
    if kind is Sensitive:
        held.append((path, value))
        return value.reveal()
    if kind is Unknown:
        held.append((path, value))
        field = next((part for part in reversed(path) if isinstance(part, str)), "")
        sample = samples.get(field)
        if sample is not None:
            return sample(len(held))
        return "unknown" if len(path) > 1 else _DROP
    return value


def _misfit(full: Mapping[str, Any], path: Path, original: Any) -> Problem | None:
    """Why an unknown value cannot fit its field, where its type is certain already: a number is wanted, and it is none."""
    if not isinstance(original, Unknown) or original.type in ("", "number"):
        return None
    sample: Any = full
    for part in path:
        try:
            sample = sample[part]
        except (KeyError, IndexError, TypeError):
            return None
    if isinstance(sample, bool) or not isinstance(sample, (int, float)):
        return None
    given = {"string": "a text"}.get(original.type, f"a {original.type}")
    return Problem(
        path,
        f"{path_text(path)} must be a number, and this will be {given}",
        "Use a value that is a number, or turn it into one with | int.",
    )


def _put(target: Any, path: Path, value: Any) -> None:
    """Set ``value`` at ``path``; where the model has changed the shape on the way, the outer value is kept."""
    for part in path[:-1]:
        try:
            target = target[part]
        except (KeyError, IndexError, TypeError):
            return
    try:
        target[path[-1]] = value
    except (IndexError, TypeError):
        return


def _without_echoes(problems: list[Problem]) -> list[Problem]:
    """The problems without those of a missing field that stands there under a misspelt or retired name."""
    meant = {
        word
        for problem in problems
        if " is not a field" in problem.message
        for word in re.findall(r"[a-z_]{3,}", problem.suggestion)
    }
    return [
        problem
        for problem in problems
        if not problem.message.endswith(" is required")
        or meant.isdisjoint(re.findall(r"[a-z_]{3,}", problem.message))
    ]


def _is_stand_in(problem: Problem, held: list[tuple[Path, Any]]) -> bool:
    return any(isinstance(value, Unknown) and problem.path[: len(path)] == path for path, value in held)


def _without_secrets(problem: Problem, held: list[tuple[Path, Any]]) -> Problem:
    """The problem as it may be shown: not a word of a sensitive value, wherever the rule was broken."""
    for path, value in held:
        if not isinstance(value, Sensitive):
            continue
        text = str(value.reveal())
        inside = problem.path[: len(path)] == path
        if inside or (text and (text in problem.message or text in problem.suggestion)):
            where = path_text(problem.path) or path_text(path)
            return Problem(problem.path, f"{where} is not valid (its value is sensitive and not shown)")
    return Problem(problem.path, problem.message, problem.suggestion)
