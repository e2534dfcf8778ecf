"""``replace_triggered_by``: from the words of a lifecycle block to the attributes of resources they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import evolve

from flowplan.lang.stack import Resource
from flowplan.values.address import Address
from flowplan.values.value import Reference

Known = Mapping[Address, Sequence[Address]]
"""The addresses there are, and for those of declarations with ``for_each`` their instances."""


def known_addresses(addresses: Iterable[Address]) -> Known:
    """An index of ``addresses`` in which declarations stand for all their instances."""
    found: dict[Address, list[Address]] = {}
    for address in sorted(addresses):
        found.setdefault(address, []).append(address)
        if address.key is not None:
            found.setdefault(address.resource, []).append(address)
    return found


def trigger_references(resource: Resource, known: Known) -> tuple[dict[str, Reference], list[str]]:
    """What each entry names, by its canonical text, and the entries that name nothing that is ``known``.

    An entry is an address, or an address with an attribute; one without a key stands for all its instances. In
    a module, a name is first looked for in the module itself.
    """
    found: dict[str, Reference] = {}
    unknown = []
    for text in resource.lifecycle.replace_triggered_by:
        references = _read(text.strip().removeprefix("{{").removesuffix("}}").strip(), resource, known)
        if not references:
            unknown.append(text)
        found.update({str(reference): reference for reference in references})
    return found, unknown


def _read(text: str, resource: Resource, known: Known) -> list[Reference]:
    head, _, tail = text.rpartition(".")
    for where, attribute in ((text, ""), (head, tail)):
        try:
            address = Address.parse(where)
        except ValueError:
            continue
        inner = evolve(address, module=(*resource.address.module, *address.module))
        for candidate in dict.fromkeys((inner, address)):
            if candidate in known:
                return [Reference(one, attribute) for one in known[candidate]]
    return []
