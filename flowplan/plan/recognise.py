"""Telling our own objects from strangers' by the names that flowplan gives, where no record says whose they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flowplan.lang.stack import Resource, Stack
from flowplan.plan.observation import Observed
from flowplan.resources import Settings, kind_of
from flowplan.resources.price import same_type
from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.value import Fingerprint, Sensitive, Unknown

_SUFFIX = re.compile(r"-[0-9a-f]{6}")
_TOLD = ("region", "instance_type", "num_instances", "quantity", "size_gb", "interface", "start_time_utc")
"""What else, beside the name, tells an object that was made for a declaration from another of its name."""


@frozen
class Look:
    """What the object of a declared resource looks like at the provider.

    ``suffixed``: its name has six more hexadecimal digits (``unique_name``). ``traits`` are the attributes that
    nothing changes while it lives, as far as they are known before it exists.
    """

    address: Address
    name: str
    suffixed: bool
    traits: Mapping[str, Any]

    def fits(self, observed: Observed) -> bool:
        """Whether an object may be the one that was made for this declaration: its kind, its name, its traits."""
        if observed.kind is not self.address.kind or not self._is_named(observed.name):
            return False
        region = self.traits.get("region")
        return region is None or observed.attributes.get("region") in (None, region)

    def differs(self, observed: Observed) -> list[str]:
        """The traits in which an object is otherwise than declared: it was changed since, or the stack was."""
        return [
            name
            for name, value in self.traits.items()
            if (shown := observed.attributes.get(name)) not in (None, value)
            and not (name == "instance_type" and same_type(str(shown), str(value)))
        ]

    def _is_named(self, name: str) -> bool:
        if not self.suffixed:
            return name == self.name
        return name.startswith(self.name) and bool(_SUFFIX.fullmatch(name, len(self.name)))


def look_of(resource: Resource, settings: Settings) -> Look | None:
    """How to know the object of a resource; None where its name is not known before it exists."""
    name = resource.config.get("name")
    if not isinstance(name, str):
        return None
    targets = kind_of(resource.kind).targets(resource.config, settings)
    traits = {
        key: targets[key]
        for key in _TOLD
        if targets.get(key) is not None and not isinstance(targets[key], (Unknown, Sensitive, Fingerprint))
    }
    suffixed = resource.kind is Kind.TASK and bool(resource.config.get("unique_name"))
    return Look(resource.address, name, suffixed, traits)


def looks_of(stack: Stack, settings: Settings, without: Iterable[Address] = ()) -> list[Look]:
    """How to know the objects of a stack's resources, but for those ``without``, by address."""
    known = set(without)
    found = (look_of(r, settings) for a, r in sorted(stack.resources.items()) if a not in known)
    return [look for look in found if look is not None]


def by_name(looks: Iterable[Look]) -> Mapping[tuple[Kind, str], list[Look]]:
    """Looks by kind and name, so that finding the one for an object takes no search."""
    found: dict[tuple[Kind, str], list[Look]] = {}
    for look in looks:
        found.setdefault((look.address.kind, look.name), []).append(look)
    return found


def fitting(observed: Observed, looks: Mapping[tuple[Kind, str], list[Look]]) -> Iterator[Look]:
    """Each look that an object fits."""
    for name in (observed.name, observed.name[: -len("-000000")]):
        for look in looks.get((observed.kind, name), ()):
            if look.fits(observed):
                yield look
