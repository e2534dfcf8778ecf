"""Conversions of single fields that are kinder, or stricter, than their type alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from flowplan.models.volume import VolumeSpec, as_volume_spec
from flowplan.values.convert import Invalid, Mismatch, Problem
from flowplan.values.quantity import format_instant


def env_hook(value: Any) -> dict[str, str]:
    """Environment variables; numbers become text. No message repeats a value, since it may be a secret.

    Raises:
        Mismatch: it is no mapping.
        Invalid: with a problem for each value that is neither text nor a number.
    """
    if not isinstance(value, Mapping):
        raise Mismatch("must be a mapping of names to text", "Write NAME: value, without dashes.")
    result: dict[str, str] = {}
    problems = []
    for key, item in value.items():
        if not isinstance(key, str):
            problems.append(Problem((str(key),), f"{key} is a name that is not text", "Put it in quotes."))
        elif type(item) is str:
            result[key] = item
        elif type(item) is int or (type(item) is float and math.isfinite(item)):
            result[key] = str(item)
        else:
            what, advice = _refused(item)
            problems.append(Problem((key,), f"{key} must be text, not {what}", advice))
    if problems:
        raise Invalid(problems)
    return result


def _refused(item: Any) -> tuple[str, str]:
    if isinstance(item, str):
        return "a value of another type", "Give plain text."
    if isinstance(item, bool):
        return "true or false", "Put it in quotes: programs read these in many spellings."
    if item is None:
        return "null", 'Write "" for an empty value, or remove it.'
    if isinstance(item, Mapping):
        return "a mapping", "Put it in quotes, as JSON for example."
    if isinstance(item, (list, tuple)):
        return "a list", "Put it in quotes, with the separator your program expects."
    return f"a value of type {type(item).__name__}", "Put it in quotes."


def show_env(env: Any) -> str:
    """The repr of an environment: names without values, which may be secrets."""
    return "{" + ", ".join(f"{name!r}: …" for name in env) + "}" if isinstance(env, Mapping) else "…"


def scheduled_time_hook(value: Any) -> str | None:
    """A time as canonical RFC 3339 text in UTC.

    Raises:
        Mismatch: it is no time.
    """
    if value is None:
        return None
    if type(value) in (int, float):
        raise Mismatch(f"must be a time, not {value}", "Write a time as 2026-12-01T00:00:00Z.", value)
    from flowplan.values.strict import instant

    return format_instant(instant(value))


def volumes_hook(value: Any) -> list[VolumeSpec]:
    """The volumes of a task: specifications, mappings, or volumes a provider told of.

    Raises:
        Mismatch: it is no list.
        Invalid: with all problems of its entries.
    """
    from flowplan.values.strict import each

    if isinstance(value, Mapping):
        raise Mismatch(
            "must be a list, not a mapping", "Begin each entry with a dash: - {mount_path: /path, …}.", value
        )
    return each(value, lambda item, _: as_volume_spec(item), None)


def ordered_once(items: Iterable[int]) -> list[int]:
    """``items`` in their order, without repetitions."""
    return list(dict.fromkeys(items))


def secret_text_hook(value: Any) -> str:
    """Text that no message may repeat.

    Raises:
        Mismatch: it is no text.
    """
    if isinstance(value, str):
        return value
    raise Mismatch(f"must be text, not a value of type {type(value).__name__}", "Put it in quotes.")
