"""Functions of times and durations. No function knows the time of day: a plan must be the same an hour later."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from flowplan.lang.functions.plain import bounded, number_of, text_of
from flowplan.lang.functions.registry import function
from flowplan.values.quantity import format_instant, parse_duration, parse_instant

_TIMES = "Times and durations"
_LONGEST = 100
_PATTERN = re.compile(r"%(.)", re.DOTALL)
_FIELDS = {"Y": "{0.year:04d}", "m": "{0.month:02d}", "d": "{0.day:02d}", "H": "{0.hour:02d}", "M": "{0.minute:02d}", "S": "{0.second:02d}", "%": "%"}  # fmt: skip


@function(_TIMES, "timestamp('2026-12-01T02:00:00+01:00')", '"2026-12-01T01:00:00Z"')
def timestamp(text: Any) -> str:
    """A time in its usual form: UTC, RFC 3339."""
    return format_instant(_instant(text))


@function(_TIMES, "time_add('2026-12-01T00:00:00Z', '36h')", '"2026-12-02T12:00:00Z"')
def time_add(time: Any, duration: Any) -> str:
    """The time a duration later; a duration such as -36h is earlier."""
    try:
        return format_instant(_instant(time) + timedelta(seconds=_seconds(duration)))
    except OverflowError:
        raise ValueError("the time it makes is out of range") from None


@function(_TIMES, "time_between('2026-12-01T00:00:00Z', '2026-12-01T01:30:00Z')", "5400")
def time_between(start: Any, end: Any) -> int | float:
    """The seconds from start to end; negative where end is earlier."""
    return _whole((_instant(end) - _instant(start)).total_seconds())


@function(_TIMES, "time_format('2026-12-01T09:05:00Z', '%Y%m%d-%H%M')", '"20261201-0905"')
def time_format(time: Any, pattern: str) -> str:
    """The time in UTC by a pattern of `%Y` year, `%m` month, `%d` day, `%H` hour, `%M` minute, `%S` second, `%%`."""
    moment, given = _instant(time), text_of(pattern)
    if len(given) > _LONGEST:
        raise ValueError(f"a pattern may have {_LONGEST} characters at most")

    def filled(match: re.Match[str]) -> str:
        if match[1] not in _FIELDS:
            raise ValueError(f"time_format does not know %{match[1]}")
        return _FIELDS[match[1]].format(moment)

    return _PATTERN.sub(filled, given)


@function(_TIMES, "unix('2026-12-01T00:00:00Z')", "1796083200")
def unix(time: Any) -> int | float:
    """The seconds since 1970-01-01T00:00:00Z."""
    return _whole((_instant(time) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())


@function(_TIMES, "from_unix(1796083200)", '"2026-12-01T00:00:00Z"')
def from_unix(seconds: Any) -> str:
    """The time so many seconds after 1970-01-01T00:00:00Z."""
    try:
        return format_instant(
            datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=bounded(number_of(seconds)))
        )
    except OverflowError:
        raise ValueError("the time it makes is out of range") from None


@function(_TIMES, "duration('1h30m')", "5400")
def duration(text: Any) -> int | float:
    """The seconds that a duration such as 30s, 10m, 1h30m or 2d takes."""
    return _whole(_seconds(text))


@function(_TIMES, "duration_text(5400)", '"1h30m"')
def duration_text(seconds: Any) -> str:
    """So many seconds as a duration; exact to the second."""
    number = round(bounded(number_of(seconds)))
    if abs(number) > 10**11:
        raise ValueError("this is too long a duration")
    rest, parts = abs(number), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        parts += [f"{count}{unit}"] if count else []
    return ("-" if number < 0 else "") + ("".join(parts) or "0s")


def _instant(text: Any) -> datetime:
    given = text_of(text)
    if len(given) > _LONGEST:
        raise ValueError("this is not a time. Write one as 2026-12-01T00:00:00Z.")
    try:
        return parse_instant(given)
    except ValueError:
        raise ValueError("this is not a time. Write one as 2026-12-01T00:00:00Z.") from None


def _seconds(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(bounded(value))
    given = text_of(value).strip()
    if len(given) > _LONGEST:
        raise ValueError("this is not a duration. Write one as 30s, 10m, 2h or 1h30m.")
    sign = -1 if given.startswith("-") else 1
    try:
        return sign * parse_duration(given.removeprefix("-")).total_seconds()
    except ValueError:
        raise ValueError("this is not a duration. Write one as 30s, 10m, 2h or 1h30m.") from None


def _whole(number: float) -> int | float:
    return int(number) if number == int(number) else number
