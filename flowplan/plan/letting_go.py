"""``removed``: which recorded resources a stack lets go of, as its entries say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from flowplan.lang.stack import Stack
from flowplan.plan.moving import read_place
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address
from flowplan.values.diagnostic import Diagnostic

if TYPE_CHECKING:
    from flowplan.lang.entries import Removed

_Places = Mapping[Address | tuple[str, ...], list[Address]]


def find_let_go(stack: Stack, snapshot: Snapshot) -> tuple[Mapping[Address, Removed], list[Diagnostic]]:
    """The entry that names each recorded resource, and what is wrong: one that is still declared cannot be let go.

    An entry for a resource stands for all its instances, one for a module for all that is in it. An entry that
    names nothing on record has done its work.
    """
    found: dict[Address, Removed] = {}
    problems: list[Diagnostic] = []
    if not stack.removed:
        return found, problems
    declared, recorded = _places(stack.resources), _places(snapshot.records)
    for entry in stack.removed:
        try:
            place = read_place(entry.origin)
        except ValueError as error:
            summary, advice = f"removed cannot be read: {error}", "Write an address in from."
            problems.append(Diagnostic.error(summary, span=entry.span, suggestion=advice))
            continue
        if there := declared.get(place):
            problems.append(
                Diagnostic.error(
                    f"{entry.origin} cannot be removed: {there[0]} is still declared",
                    span=entry.span,
                    address=there[0],
                    suggestion=f"Take {there[0]} out of the stack, or the removed entry.",
                )
            )
            continue
        for address in recorded.get(place, ()):
            found.setdefault(address, entry)
    return found, problems


def _places(addresses: Iterable[Address]) -> _Places:
    """Addresses by all that names them: themselves, their declaration, and each module call around them."""
    found: dict[Address | tuple[str, ...], list[Address]] = {}
    for address in sorted(addresses):
        names: list[Address | tuple[str, ...]] = [address, address.resource]
        for depth in range(1, len(address.module) + 1):
            path = address.module[:depth]
            names += [path, (*path[:-1], path[-1].partition("[")[0])]
        for name in dict.fromkeys(names):
            found.setdefault(name, []).append(address)
    return found
