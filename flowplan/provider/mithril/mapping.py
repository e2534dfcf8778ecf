"""The mapping between a kind's attributes and the wire, driven by nothing but the kind's declarations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from flowplan.provider.mithril.catalogue import UnmappableError
from flowplan.provider.mithril.codecs import CODECS, Codec, Context
from flowplan.resources.attribute import ResourceKind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, did_you_mean
from flowplan.values.value import is_known, reveal


@frozen
class _Way:
    """One attribute's way to or from the wire."""

    name: str
    path: tuple[str, ...]
    codec: Codec
    computed: bool
    get: Callable[[Any], Any]
    is_plain: bool = False
    """Whether a value is the same on both sides."""


@frozen
class WireMapping:
    """The compiled declarations of one kind; make it with `compile_mapping`."""

    kind: ResourceKind
    writes: Mapping[str, _Way]
    reads: tuple[_Way, ...]
    brief: tuple[_Way, ...]
    """The reads without those that take a digest of a long text."""

    def body(self, attributes: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """The create request that ``attributes`` make. Absent and null ones are left out (provider.md 2.1).

        Raises:
            UnmappableError: a value has no spelling on the wire, or is not known yet.
        """
        body: dict[str, Any] = {}
        for name, way in self.writes.items():
            value = attributes.get(name)
            if value is None:
                continue
            *parents, last = way.path
            place = body
            for part in parents:
                place = place.setdefault(part, {})
            place[last] = _spelled(way, value, context)
        return body

    def patch(
        self, changes: Mapping[str, Any], allowed: Mapping[str, str], context: Context
    ) -> dict[str, Any]:
        """The body that changes ``changes`` in place; ``allowed`` names the field each allowed one is sent as.

        Raises:
            UnmappableError: something in ``changes`` cannot be changed in place, or to nothing.
        """
        body = {}
        for name, value in changes.items():
            if name not in allowed:
                raise UnmappableError(
                    Diagnostic.error(
                        f"{name} of a {self.kind.kind.value} cannot be changed in place",
                        suggestion=did_you_mean(name, allowed) or f"What can be: {', '.join(allowed)}.",
                    )
                )
            if value is None:
                raise UnmappableError(
                    Diagnostic.error(f"{name} of a {self.kind.kind.value} cannot be changed to nothing")
                )
            way = self.writes.get(name)
            body[allowed[name]] = reveal(value) if way is None else _spelled(way, value, context)
        return body

    def attributes(self, document: object, context: Context, brief: bool = False) -> dict[str, Any]:
        """The attributes that a wire object (a class of `wire`) shows; ``brief``: but for digests.

        A null is None for a computed attribute; for one the user configures it is left out, since it says
        nothing and is no drift (provider.md 7, question 34).

        Raises:
            ValueError: a value cannot be read; the message names the field.
        """
        found = {}
        for way in self.brief if brief else self.reads:
            value = way.get(document)
            if value is not None:
                if way.is_plain:
                    found[way.name] = value
                    continue
                try:
                    value = way.codec.decode(value, context)
                except ValueError as error:
                    raise ValueError(f"{'.'.join(way.path)}: {error}") from None
            elif not way.computed:
                continue
            found[way.name] = value
        return found

    def attribute_for(self, location: tuple[str, ...]) -> str:
        """The attribute a field of the request comes from, for errors that name the field; "" if none does."""
        for name, way in self.writes.items():
            if location and (
                way.path == location or way.path[-1:] == location[-1:] or location[:1] == way.path
            ):
                return name
        return ""


def _spelled(way: _Way, value: Any, context: Context) -> Any:
    if not is_known(value):
        raise UnmappableError(Diagnostic.error(f"{way.name} is not known yet, so it cannot be sent"))
    return way.codec.encode(reveal(value), context)  # revealed into the request that needs it


def _way(name: str, path: str, codec: str, computed: bool) -> _Way:
    if codec not in CODECS:
        raise ValueError(f"attribute {name} names the codec {codec!r}, which does not exist")
    return _Way(name, tuple(path.split(".")), CODECS[codec], computed, attrgetter(path), codec == "plain")


def compile_mapping(kind: ResourceKind) -> WireMapping:
    """The mapping that the declarations of ``kind`` make.

    Raises:
        ValueError: a declaration names a codec that does not exist.
    """
    writes, reads = {}, []
    for attribute in kind.attributes.values():
        wire = attribute.wire
        if wire is None:
            continue
        if wire.write:
            writes[attribute.name] = _way(attribute.name, wire.write, wire.codec, attribute.computed)
        if wire.read and not attribute.sensitive:
            reads.append(_way(attribute.name, wire.read, wire.codec, attribute.computed))
    brief = tuple(way for way in reads if way.codec is not CODECS["script"])
    return WireMapping(kind, writes, tuple(reads), brief)
