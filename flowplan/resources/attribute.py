"""How a kind declares its attributes: the single source that diff, validation, schema, docs, rendering and wire read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from operator import itemgetter
from typing import Any

from attrs import field

from flowplan.values.address import Kind
from flowplan.values.classes import frozen
from flowplan.values.convert import Problem

__all__ = ["Attribute", "Change", "Loss", "Problem", "ResourceKind", "Settings", "Wire", "lost"]


class Change(Enum):
    """What it takes to change an attribute of a resource that exists: the one answer its declaration gives."""

    IN_PLACE = "in place"
    """One request changes it while the resource lives on."""
    RENAME = "rename in place"
    """One request gives it another name; nothing else notices."""
    EXTEND = "extend"
    """One request makes it last longer, and is charged at once."""
    RETURN = "return capacity"
    """Instances are paused and given back to the provider for good."""
    ATTACH = "attach or detach"
    """One request with the whole list of volumes; nothing has to stand still."""
    PAUSED = "in place, paused"
    """The resource is paused, changed and resumed."""
    REPLACE = "replace"
    """Only a new resource can have the new value."""
    REFUSED = "refused"
    """The provider cannot do it, and a replacement would throw committed money away."""
    LOCAL = "local"
    """Only flowplan's own record changes; the provider never hears of it."""
    PROVIDER = "decided by the provider"
    """No configuration says it: it is read, and never changed by a plan."""

    @property
    def sends(self) -> bool:
        """Whether it is done by a request while the resource lives on."""
        return self in _SENT


_SENT = frozenset(
    {Change.IN_PLACE, Change.RENAME, Change.EXTEND, Change.RETURN, Change.ATTACH, Change.PAUSED}
)


class Loss(Enum):
    """What destroying a resource takes away for good; the value is how it is said."""

    WORK = "the running instances"
    BOOT_DISK = "their boot disks"
    QUEUE_AGE = "the bid's age in the auction"
    DATA = "all data on the volume"
    MONEY = "the money already paid for it"


def lost(losses: Sequence[Loss]) -> str:
    """Several losses as a phrase: ``a, b and c``; "" for none."""
    words = [loss.value for loss in losses]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else ""


@frozen
class Wire:
    """Where an attribute goes on the wire.

    ``write`` and ``read`` are dotted paths in the create request and in the document read back; an empty
    one means not written or not read. ``codec`` names how the value is spelled there (see the provider).
    """

    write: str = ""
    read: str = ""
    codec: str = "plain"


Decide = Callable[[Any, Any], Change]
"""What a change from the first value to the second takes, where that depends on the values."""


@frozen
class Attribute:
    """One attribute of a kind.

    ``change`` is what changing it takes, or a function of the old and the new value; ``outcomes`` are then all
    its answers. ``computed`` attributes are decided by the provider and cannot be configured. ``losses`` is what
    a replacement for its sake takes away, ``request`` what is sent where it is changed while the resource lives.
    ``unordered`` lists are compared as sets.
    """

    name: str
    change: Change | Decide
    computed: bool = False
    sensitive: bool = False
    wire: Wire | None = None
    losses: tuple[Loss, ...] = ()
    unordered: bool = False
    doc: str = ""
    request: str = ""
    outcomes: tuple[Change, ...] = ()

    @property
    def loses(self) -> str:
        """The losses, in words."""
        return lost(self.losses)

    @property
    def answers(self) -> tuple[Change, ...]:
        """Everything that changing it can take."""
        return (self.change,) if isinstance(self.change, Change) else self.outcomes

    def change_for(self, before: Any, after: Any) -> Change:
        """What changing it from ``before`` to ``after`` takes."""
        return self.change if isinstance(self.change, Change) else self.change(before, after)


@frozen
class Settings:
    """What a stack says for all its resources: where they live unless they say otherwise."""

    region: str = ""


Targets = Callable[[Mapping[str, Any], Settings], "dict[str, Any]"]
Normalise = Callable[[Mapping[str, Any], str], "tuple[dict[str, Any], list[Problem]]"]
Pick = Callable[[Mapping[str, Any]], Any]
"""Takes certain values out of a mapping; raises `KeyError` where it has not all of them."""


def _picker(names: Iterable[str]) -> Pick:
    chosen = tuple(names)
    return itemgetter(*chosen) if chosen else lambda attributes: ()


@frozen
class ResourceKind:
    """A kind of resource: its attributes by name, and how a body written by a user becomes a full configuration.

    ``normalise(body, default_name)`` takes the evaluated body of a declaration (documented fields only;
    values may be `Unknown` or `Sensitive`), checks it against the documented model and returns every field
    with defaults filled in, and every problem found. ``id_attribute`` is the computed attribute that a
    reference to the resource itself stands for. ``targets(config, settings)`` are the provider-side
    attributes that a configuration asks for; ``feeds`` names, for each of them, the configured attributes
    it is made of, so that a difference can be told as ours or as drift.
    """

    kind: Kind
    id_attribute: str
    attributes: Mapping[str, Attribute]
    normalise: Normalise
    targets: Targets
    feeds: Mapping[str, tuple[str, ...]] = field(factory=dict)
    losses: tuple[Loss, ...] = ()
    controlled: Pick = field(init=False, eq=False, repr=False)
    """The values of all of ``feeds`` among provider-side attributes, to compare them at once."""
    sendable: Pick = field(init=False, eq=False, repr=False)
    """The same of those that a request can change while the resource lives."""

    @controlled.default
    def _pick_controlled(self) -> Pick:
        return _picker(self.feeds)

    @sendable.default
    def _pick_sendable(self) -> Pick:
        return _picker(name for name in self.feeds if any(c.sends for c in self.attributes[name].answers))

    @property
    def loses(self) -> str:
        """What destroying one takes away for good, in words."""
        return lost(self.losses)

    @property
    def configurable(self) -> list[str]:
        """The names a user may write, in the order of the documented model."""
        return [a.name for a in self.attributes.values() if not a.computed]

    @property
    def computed(self) -> list[str]:
        """The names only the provider decides."""
        return [a.name for a in self.attributes.values() if a.computed]
