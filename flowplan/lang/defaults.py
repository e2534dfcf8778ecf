"""``defaults``: fields for every resource of a kind that does not say them itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowplan.lang.descent import describe
from flowplan.lang.document import Map
from flowplan.lang.meta import unknown_key
from flowplan.lang.scope import Scope
from flowplan.lang.sections import Entry, Sections
from flowplan.resources.attribute import ResourceKind
from flowplan.values.address import Kind
from flowplan.values.diagnostic import did_you_mean

if TYPE_CHECKING:
    from flowplan.lang.world import World

_BY_SECTION = {kind.section: kind for kind in Kind}
META = ("lifecycle", "timeouts")
"""The meta-fields that ``defaults`` may hold, beside the fields of the model."""
_NOT_HERE = {
    "name": "Each resource has a name of its own.",
    **dict.fromkeys(
        ("for_each", "when", "depends_on", "file", "require"), "Write it in the resources that need it."
    ),
}


def read_defaults(world: World, sections: Sections) -> None:
    """Put the defaults of each kind into the world; mistakes are reported."""
    for section in sections.named("defaults"):
        scope = Scope(world, section.document)
        if section.node is None:
            continue
        if type(section.node) is not Map:
            scope.fail(
                section.node_at, f"defaults must be a mapping, not {describe(section.node)}",
                "Write it as in defaults: {tasks: {region: …}}.",
            )  # fmt: skip
            world.opaque.add("defaults")
            continue
        for name, node in section.node.items():
            at, node_at = section.node.key_at(name), section.node.value_at(name)
            kind = _BY_SECTION.get(name) if isinstance(name, str) else None
            if kind is None:
                unknown_key(scope, section.node, name, "defaults", _BY_SECTION)
                world.opaque.add("defaults")
            elif type(node) is not Map:
                if node is not None:
                    what = f"defaults.{name} must be a mapping of fields, not {describe(node)}"
                    scope.fail(node_at, what, "Write FIELD: VALUE, one a line.")
            else:
                _check(world, scope, kind, name, node)
                world.defaults.setdefault(kind, []).append(
                    Entry(section.document, str(name), at, node, node_at)
                )


def _check(world: World, scope: Scope, kind: Kind, section: str, node: Map) -> None:
    """Report fields that the kind does not have, even where no resource would take them."""
    known = (*world.kinds[kind].configurable, *META)
    given = {key for one in world.defaults.get(kind, []) for key in one.node}
    for key in node:
        if key in _NOT_HERE:
            what = f"{key} cannot stand in defaults.{section}"
            scope.fail(node.key_at(key), what, _NOT_HERE[key])
        elif key not in known and key != "target":
            near = did_you_mean(str(key), known) or f"The fields are: {', '.join(known)}."
            scope.fail(node.key_at(key), f"defaults.{section} has no field {key!r}", near)
        elif key in given:
            what = f"defaults.{section}.{key} is declared twice"
            scope.fail(node.key_at(key), what, "Keep one of them.")


def known_only(fields: dict[str, Any], kind: ResourceKind) -> dict[str, Any]:
    """The fields that a kind has; the others are reported where they stand, not in each resource."""
    own = kind.attributes
    return {
        key: value
        for key, value in fields.items()
        if key == "target" or (key in own and not own[key].computed)
    }


def merged(weak: dict[str, Any], strong: dict[str, Any]) -> dict[str, Any]:
    """``weak`` with ``strong`` over it: mappings key by key at every depth, everything else as a whole.

    A null in ``strong`` takes away what ``weak`` says.
    """
    result = dict(weak)
    for key, value in strong.items():
        other = result.get(key)
        result[key] = merged(other, value) if type(other) is dict and type(value) is dict else value
    return result
