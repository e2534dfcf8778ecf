"""The random suffix that makes a task's name unique: the one place where models use randomness."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SUFFIXED = r"-[0-9a-f]{6}\Z"


def _random_suffix() -> str:
    return secrets.token_hex(3)


_source: ContextVar[Callable[[], str] | None] = ContextVar("name_suffix", default=_random_suffix)


def name_suffix() -> str | None:
    """Six hexadecimal digits for a new name, or None while suffixes are disabled."""
    source = _source.get()
    return None if source is None else source()


def unique_name(name: str) -> str:
    """``name`` with a suffix, unless it has one already or suffixes are disabled (spec/models.md, 1.6, rule 2)."""
    if re.search(_SUFFIXED, name, re.IGNORECASE):
        return name
    suffix = name_suffix()
    return name if suffix is None else f"{name}-{suffix}"


class suffix_disabled:  # noqa: N801 -- used as a function; a class costs a fifth, and it is used once a resource
    """While this lasts, names are left as they are written: for planning, which must be pure."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = _source.set(None)

    def __exit__(self, *_: object) -> None:
        _source.reset(self._token)


@contextmanager
def suffix_from(source: Callable[[], str]) -> Iterator[None]:
    """While this lasts, ``source`` gives the six digits: for tests, and for names chosen and recorded ahead."""
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)
