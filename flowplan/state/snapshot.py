"""The recorded state of one stack, as a value, and the invariants it must keep."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field

from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen


@frozen
class Deposed:
    """An object that was replaced by a newer one before it was destroyed, and is still to be destroyed."""

    id: str
    name: str
    dependencies: tuple[Address, ...] = ()


@frozen
class Record:
    """What is recorded of one resource.

    ``config`` is the configuration as last applied, sealed (fingerprints for secrets). ``attributes`` are the
    provider's side as last observed (id, status, prices, hosts). ``dependencies`` are the direct ones only:
    the order of destruction follows from them. ``protected`` keeps `prevent_destroy` after its block is gone, and
    ``retained`` keeps ``on_remove: retain``. ``deposed`` are the objects that this one replaced and that are not
    destroyed yet. ``triggers`` are the values that ``replace_triggered_by`` saw, sealed, by reference.
    """

    address: Address
    id: str
    name: str
    config: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(factory=dict)
    dependencies: tuple[Address, ...] = ()
    protected: bool = False
    created_at: datetime | None = None
    retained: bool = False
    deposed: tuple[Deposed, ...] = ()
    triggers: Mapping[str, Any] = field(factory=dict)

    @property
    def kind(self) -> Kind:
        """The kind, from the address."""
        return self.address.kind


@frozen
class Snapshot:
    """The state of a stack at one serial. ``lineage`` is made once; ``serial`` grows with each transaction.

    ``key`` keys the fingerprints of this stack's secrets; it never leaves the store. ``project`` is the
    provider project the records belong to, "" while there are none. ``lately`` tells what was done to objects a
    short while ago, by kind and id, that lists which lag need not show yet: the attributes that were set, None where
    one was deleted.
    """

    stack: str
    lineage: str = ""
    serial: int = 0
    records: Mapping[Address, Record] = field(factory=dict)
    outputs: Mapping[str, Any] = field(factory=dict)
    key: bytes = field(default=b"", repr=False)
    project: str = ""
    source: str = ""
    lately: Mapping[tuple[Kind, str], Mapping[str, Any] | None] = field(factory=dict, eq=False, repr=False)

    def ids(self) -> list[tuple[Kind, str]]:
        """Kind and id of every object on record, deposed ones included: what a refresh has to look for."""
        found = [(record.kind, record.id) for record in self.records.values()]
        found += [(record.kind, old.id) for record in self.records.values() for old in record.deposed]
        return found

    def verify(self) -> list[str]:
        """Every broken invariant, as a sentence; an empty list for a sound snapshot.

        1. A record stands under its own address. 2. Every record has an id. 3. No two records of a kind
        share an id. 4. A record does not depend on itself.
        """
        if self._is_plainly_sound():
            return []
        broken = []
        owners: dict[tuple[Kind, str], Address] = {}
        for address, record in self.records.items():
            if record.address != address:
                broken.append(f"{address} holds the record of {record.address}")
            if not record.id:
                broken.append(f"{address} has no provider id")
            for id in (record.id, *(old.id for old in record.deposed)):
                if id and (other := owners.setdefault((record.kind, id), address)) != address:
                    broken.append(f"{other} and {address} both claim {id}")
            if address in record.dependencies:
                broken.append(f"{address} depends on itself")
        return broken

    def _is_plainly_sound(self) -> bool:
        """Whether all invariants hold and even ids of different kinds differ, as they nearly always do."""
        ids: set[str] = set()
        count = 0
        for address, record in self.records.items():
            if record.address is not address and record.address != address:
                return False
            ids.add(record.id)
            count += 1
            for old in record.deposed:
                ids.add(old.id)
                count += 1
            for other in record.dependencies:
                if other is address or (other.name == address.name and other == address):
                    return False
        return len(ids) == count and "" not in ids
