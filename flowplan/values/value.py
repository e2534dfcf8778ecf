"""Values that are more than data: not yet known, or not to be shown."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import field

from flowplan.values.address import Address
from flowplan.values.classes import frozen

Path = tuple[str | int, ...]
"""Where a value stands inside a nested value: keys and indexes from the outside in."""


class NotYetKnown(Exception):
    """Raised by a `Lookup` for an attribute whose value no one knows yet."""


@frozen(eq=True)
class Reference:
    """An attribute of a resource that an expression asks for; "" is the resource itself."""

    address: Address
    attribute: str = ""

    def __str__(self) -> str:
        return f"{self.address}.{self.attribute}" if self.attribute else str(self.address)


Lookup = Callable[[Reference], Any]
"""Gives the value of a reference, or raises `NotYetKnown`."""


@frozen
class Unknown:
    """A value that is known only after apply: which attributes it waits for, and how it is then computed.

    ``source`` is the expression as written. ``type`` is what it will be, where that is certain: ``string``,
    ``number``, ``bool``, ``list`` or ``map``. ``needs`` are the unknowns it is computed from. Two unknowns are equal
    when they have the same source and wait for the same attributes; the way of computing is no part of equality.
    """

    references: tuple[Reference, ...]
    source: str = ""
    _evaluate: Callable[[Lookup], Any] | None = field(default=None, eq=False, repr=False, kw_only=True)
    sensitive: bool = False
    type: str = field(default="", eq=False, kw_only=True)
    needs: tuple[Unknown, ...] = field(default=(), eq=False, repr=False, kw_only=True)

    @property
    def is_bare(self) -> bool:
        """Whether it is just what one reference gives, with nothing computed from it."""
        return self._evaluate is None and len(self.references) == 1

    def resolve(self, lookup: Lookup) -> Any:
        """The value, with each reference answered by ``lookup``.

        Raises:
            NotYetKnown: an attribute it waits for is not known yet.
        """
        if self._evaluate is not None:
            return self._evaluate(lookup)
        if len(self.references) == 1:
            return lookup(self.references[0])
        raise NotYetKnown(self.source)


@frozen(repr=False)
class Sensitive:
    """A value that is never shown and never stored; only its keyed fingerprint is.

    Unwrapped (``.reveal()``) by nothing but the launch script and the provider, when a request is written.
    """

    _value: Any = field(eq=True)

    def reveal(self) -> Any:
        """The bare value. Why each caller may: it writes the request that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Sensitive(…)"

    __str__ = __repr__


@frozen
class Fingerprint:
    """A keyed digest that stands for a sensitive value in state, plan and journal."""

    digest: str


def fingerprint(value: Any, key: bytes) -> Fingerprint:
    """The keyed fingerprint (HMAC-SHA-256 of the canonical JSON) of a bare or sensitive value."""
    bare = reveal(value)
    text = json.dumps(bare, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return Fingerprint(hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest())


def reveal(value: Any) -> Any:
    """``value`` with every `Sensitive` inside it unwrapped."""
    return transform(value, lambda leaf: reveal(leaf.reveal()) if isinstance(leaf, Sensitive) else leaf)


def seal(value: Any, key: bytes) -> Any:
    """``value`` with every `Sensitive` inside it replaced by its fingerprint: the form that may be stored."""
    return transform(value, lambda leaf: fingerprint(leaf, key) if isinstance(leaf, Sensitive) else leaf)


def transform(value: Any, change: Callable[[Any], Any]) -> Any:
    """``value`` with ``change`` applied to each leaf; lists, tuples (as lists) and mappings are rebuilt."""
    kind = type(value)
    if kind is dict:
        return {
            key: transform(item, change) if type(item) in _NESTED else change(item)
            for key, item in value.items()
        }
    if kind is list or kind is tuple:
        return [transform(item, change) if type(item) in _NESTED else change(item) for item in value]
    return change(value)


_NESTED = frozenset({dict, list, tuple})
_KNOWN = frozenset({str, int, float, bool, type(None)})


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each leaf of a nested value with its path; an empty list or mapping is a leaf."""
    if type(value) in _KNOWN:
        yield path, value
    elif isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, (list, tuple)) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def unknowns(value: Any) -> Iterator[Unknown]:
    """Each unknown inside a nested value, also those inside sensitive ones."""
    kind = type(value)
    if kind is dict:
        for item in value.values():
            yield from unknowns(item)
    elif kind is list or kind is tuple:
        for item in value:
            yield from unknowns(item)
    elif kind is Sensitive:
        yield from unknowns(value.reveal())
    elif kind is Unknown:
        yield value


def is_known(value: Any) -> bool:
    """Whether nothing inside ``value`` is unknown."""
    # Why not by `unknowns`: this is asked of every value of every resource, and most are plain.
    kind = type(value)
    if kind is dict:
        for item in value.values():  # noqa: SIM110 -- a generator costs twice as much
            if type(item) not in _KNOWN and not is_known(item):
                return False
        return True
    if kind is list or kind is tuple:
        for item in value:  # noqa: SIM110
            if type(item) not in _KNOWN and not is_known(item):
                return False
        return True
    if kind is Sensitive:
        return is_known(value.reveal())
    return kind is not Unknown


def is_sensitive(value: Any) -> bool:
    """Whether anything inside ``value`` is sensitive or the fingerprint of something sensitive."""
    return any(
        isinstance(leaf, (Sensitive, Fingerprint)) or (isinstance(leaf, Unknown) and leaf.sensitive)
        for _, leaf in leaves(value)
    )


def resolve(value: Any, lookup: Lookup) -> Any:
    """``value`` with each unknown that ``lookup`` can answer replaced by its value; the others stay unknown.

    Unknowns inside sensitive values are answered too, and what holds them stays sensitive.
    """

    kind = type(value)
    if kind is dict:
        return {key: item if type(item) in _KNOWN else resolve(item, lookup) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [item if type(item) in _KNOWN else resolve(item, lookup) for item in value]
    if kind is Sensitive:
        return value if is_known(value) else Sensitive(resolve(value.reveal(), lookup))
    if kind is not Unknown:
        return value
    try:
        return value.resolve(lookup)
    except NotYetKnown:
        return value


def path_text(path: Path) -> str:
    """``path`` as people read it: ``volumes[0].mount_path``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def dump(value: Any) -> Any:
    """``value`` as JSON-shaped data. Unknowns and fingerprints become tagged mappings.

    Raises:
        TypeError: a `Sensitive` is inside; seal it first. This is the guard that keeps secrets off disks.
    """
    kind = type(value)
    if kind is dict:
        # A key of the user's that starts like one of our marks gets one more dollar, which `load` takes off.
        return {
            f"${key}" if type(key) is str and key.startswith("$") else key: item
            if type(item) in _KNOWN
            else dump(item)
            for key, item in value.items()
        }
    if kind is list or kind is tuple:
        return [item if type(item) in _KNOWN else dump(item) for item in value]
    if kind is Fingerprint:
        return {"$fingerprint": value.digest}
    if kind is Unknown:
        return {"$unknown": value.source, "$waits_for": [str(ref) for ref in value.references]}
    if kind is Sensitive:
        raise TypeError("a sensitive value must be sealed before it is stored")
    return value


def load(value: Any) -> Any:
    """The inverse of `dump` for stored data (unknowns are not stored, so they do not come back)."""
    kind = type(value)
    if kind is dict:
        if len(value) == 1 and "$fingerprint" in value:
            return Fingerprint(str(value["$fingerprint"]))
        return {key[1:] if key.startswith("$") else key: load(item) for key, item in value.items()}
    if kind is list:
        return [load(item) for item in value]
    return value
