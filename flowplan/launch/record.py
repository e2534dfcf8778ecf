"""Completion records as launch scripts leave them: read as hostile input, and put together for all nodes of a task."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

_MOST_BYTES = 4096
_TEXTS = ("started_at", "ended_at")


def parse_record(text: bytes | str | None) -> dict[str, Any] | None:
    """One node's record; None where there is none, or what is there is none. Unknown keys are left out."""
    if text is None or len(text) > _MOST_BYTES:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    code, attempt = found.get("exit_code"), found.get("attempt", 1)
    if type(code) is not int or not 0 <= code <= 255 or type(attempt) is not int:
        return None
    record: dict[str, Any] = {
        "exit_code": code,
        "attempt": attempt,
        "timed_out": found.get("timed_out") is True,
    }
    for name in _TEXTS:
        value = found.get(name)
        record[name] = value if isinstance(value, str) and len(value) <= 40 and value.isascii() else None
    return record


def merge_records(texts: Iterable[bytes | str | None]) -> Mapping[str, Any] | None:
    """The completion record of all nodes together, or None while any node has none.

    The first with a nonzero code decides; the times span all of them.
    """
    records: list[dict[str, Any]] = []
    for text in texts:
        record = parse_record(text)
        if record is None:
            return None
        records.append(record)
    if not records:
        return None
    decisive = next((record for record in records if record["exit_code"] != 0), records[0])
    starts = [record["started_at"] for record in records if record["started_at"]]
    ends = [record["ended_at"] for record in records if record["ended_at"]]
    return {**decisive, "started_at": min(starts, default=None), "ended_at": max(ends, default=None)}
