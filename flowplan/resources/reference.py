"""What changing each attribute takes, as Markdown (docs/changes.md holds it, a test keeps it fresh)."""

from __future__ import annotations

from collections.abc import Iterator

from flowplan.resources import kind_of
from flowplan.resources.attribute import Attribute, Change, ResourceKind
from flowplan.values.address import Kind

DEPENDS = "depends on the values"
"""What stands where two values decide together what going from one to the other takes."""

_SAID = {Change.LOCAL: "local only"}


def render_reference() -> str:
    """Every kind with its attributes: what a change takes, where it goes on the wire, what is lost."""
    lines: list[str] = []
    for kind in (kind_of(one) for one in Kind):
        word = kind.kind.value
        lines += [
            f"### {word}",
            "",
            f"To replace a {word} loses **{kind.loses}**.",
            "",
            *_configurable(kind),
            "",
        ]
        lines += ["What follows from these, or only the provider knows:", "", *_computed(kind), ""]
    return "\n".join(lines)


def takes(attribute: Attribute) -> str:
    """What changing an attribute takes, in words."""
    change = attribute.change
    return _words(change) if isinstance(change, Change) else DEPENDS


def _words(change: Change) -> str:
    return _SAID.get(change, change.value)


def _configurable(kind: ResourceKind) -> Iterator[str]:
    yield "| attribute | to change it | on the wire | |"
    yield "|---|---|---|---|"
    for name in kind.configurable:
        one = kind.attributes[name]
        loss = f"Loses {one.loses}." if one.loses not in ("", kind.loses) else ""
        choice = f"One of: {', '.join(_words(answer) for answer in one.answers)}." if one.outcomes else ""
        request = f"`{one.request}`" if one.request else ""
        note = " ".join(words for words in (one.doc, choice, loss, request) if words)
        yield f"| `{name}` | {takes(one)} | {_sent_as(kind, name)} | {note} |"


def _computed(kind: ResourceKind) -> Iterator[str]:
    yield "| attribute | made of | sent as | read from |"
    yield "|---|---|---|---|"
    for name in kind.computed:
        wire = kind.attributes[name].wire
        sources = ", ".join(f"`{source}`" for source in _made_of(kind, name))
        yield f"| `{name}` | {sources} | {_code(wire.write if wire else '')} | {_code(wire.read if wire else '')} |"


def _made_of(kind: ResourceKind, computed: str) -> tuple[str, ...]:
    """The configured attributes that a computed one is made of."""
    if computed in kind.feeds:
        return kind.feeds[computed]
    # Why: a list of ids is called after what it identifies, and one that never changes is in no feeds.
    plural = computed.removesuffix("_ids") + "s"
    return (plural,) if computed.endswith("_ids") and plural in kind.configurable else ()


def _sent_as(kind: ResourceKind, name: str) -> str:
    """The path in the create request that an attribute decides, itself or through what is made of it."""
    wires = [kind.attributes[name].wire]
    if wires[0] is None:
        wires = [kind.attributes[made].wire for made in kind.computed if name in _made_of(kind, made)]
    return ", ".join(_code(wire.write) for wire in wires if wire is not None and wire.write)


def _code(path: str) -> str:
    return f"`{path}`" if path else ""
