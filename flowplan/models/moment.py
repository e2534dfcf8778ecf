"""The one place where models read the clock: `InstanceType.created_at` is documented to default to now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime


def _of_day() -> datetime:
    return datetime.now(UTC)


_source: ContextVar[Callable[[], datetime]] = ContextVar("models_clock", default=_of_day)


def now() -> datetime:
    """The time of day in UTC, or what `clock_from` puts in its place."""
    return _source.get()()


@contextmanager
def clock_from(source: Callable[[], datetime]) -> Iterator[None]:
    """While this lasts, ``source`` tells the time."""
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)
