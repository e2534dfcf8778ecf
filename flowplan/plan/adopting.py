"""Stack files for objects that no stack has: declarations that describe them, with the imports that take them in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from flowplan.plan.observation import Observed
from flowplan.resources import kind_of
from flowplan.values.address import NAME, Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.quantity import parse_instant
from flowplan.values.value import path_text

_MARKS = ("{{", "{%", "{#")
_UNSHOWN = 'echo "The provider does not show what this task runs; write its command here."'


@frozen
class Drafted:
    """A stack file to be written: the region whose objects it takes in, its document, and their addresses."""

    region: str
    document: Mapping[str, Any]
    addresses: Mapping[tuple[Kind, str], Address]


@frozen
class Left:
    """An object that no declaration can describe, and why."""

    observed: Observed
    why: str


def draft_stacks(
    objects: Iterable[Observed], provider: Mapping[str, Any]
) -> tuple[list[Drafted], list[Left]]:
    """One stack per region for live objects, which plans to import all of them and to change none; and who is left.

    A region has a stack of its own because volumes live where their stack's provider section says. ``provider`` is
    the rest of that section (type, project).
    """
    regions: dict[str, list[Observed]] = {}
    left = []
    named: dict[tuple[str, Kind, str], str] = {}
    for observed in objects:
        region = str(observed.attributes.get("region") or "")
        first = named.setdefault((region, observed.kind, observed.name), observed.id)
        if why := _misfit(observed):
            left.append(Left(observed, why))
        elif first != observed.id:
            left.append(
                Left(observed, f"{first} has the same name, and a stack calls no two resources alike")
            )
        else:
            regions.setdefault(region, []).append(observed)
    return [_draft(region, regions[region], provider) for region in sorted(regions)], left


def _misfit(observed: Observed) -> str:
    """Why the documented model of its kind cannot describe an object; "" where it can."""
    body = dict(_BODIES[observed.kind](observed))
    if observed.kind is Kind.RESERVATION and "duration_hours" not in body:
        return "it does not last whole hours"
    region = {"region": "any"} if observed.kind is Kind.RESERVATION else {}
    _, problems = kind_of(observed.kind).normalise({**body, **region}, observed.name)
    return "; ".join(f"{path_text(one.path)}: {one.message}" for one in problems)


def _draft(region: str, objects: Iterable[Observed], provider: Mapping[str, Any]) -> Drafted:
    sections: dict[Kind, dict[str, Any]] = {}
    imports: list[dict[str, str]] = []
    addresses: dict[tuple[Kind, str], Address] = {}
    names: set[Address] = set()
    for observed in sorted(objects, key=lambda one: (one.kind.rank, one.name, one.id)):
        address = _address(observed, names)
        names.add(address)
        addresses[observed.kind, observed.id] = address
        sections.setdefault(observed.kind, {})[address.name] = _literal(
            dict(_BODIES[observed.kind](observed))
        )
        imports.append({"to": str(address), "id": observed.id})
    document: dict[str, Any] = {
        "stack": _name(f"adopted-{region}" if region else "adopted"),
        "provider": {**provider, **({"region": region} if region else {})},
        **{kind.section: sections[kind] for kind in Kind if kind in sections},
        "imports": imports,
    }
    return Drafted(region, document, addresses)


def _address(observed: Observed, taken: set[Address]) -> Address:
    """An address after the object's own name, with a number where another has that."""
    base, number = _name(observed.name) or observed.kind.value, 2
    address = Address(observed.kind, base)
    while address in taken:
        address, number = Address(observed.kind, f"{base}-{number}"), number + 1
    return address


def _name(text: str) -> str:
    """``text`` as a name may be (stack-language.md, decision 5); "" where nothing is left of it."""
    found = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:60]
    found = found if not found or found[0].isalpha() else f"n{found}"
    return found if NAME.fullmatch(found) else ""


def _literal(value: Any) -> Any:
    """``value`` with texts that would be read as expressions written so that they mean themselves."""
    if isinstance(value, Mapping):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_literal(item) for item in value]
    if isinstance(value, str) and any(mark in value for mark in _MARKS):
        # Why escapes: the text must not end the expression that it is put into.
        quoted = json.dumps(value).replace("{", "\\x7b").replace("}", "\\x7d").replace("%", "\\x25")
        return "{{ " + quoted + " }}"
    return value


def _volume(observed: Observed) -> Iterator[tuple[str, Any]]:
    seen = observed.attributes
    yield "name", observed.name
    yield "size_gb", seen.get("size_gb")
    yield "interface", seen.get("interface")


def _task(observed: Observed) -> Iterator[tuple[str, Any]]:
    seen = observed.attributes
    yield "name", observed.name
    yield "unique_name", False
    yield "command", _UNSHOWN
    yield "upload_code", False
    yield "instance_type", seen.get("instance_type")
    yield "num_instances", seen.get("num_instances")
    if seen.get("limit_price") is not None:
        yield "max_price_per_hour", seen["limit_price"]
    if keys := seen.get("ssh_key_ids"):
        yield "ssh_keys", list(keys)
    # Why: only file volumes can be shared, and an entry that says nothing is taken for a block volume.
    shared = {"interface": "file"} if (seen.get("num_instances") or 1) > 1 else {}
    if volumes := seen.get("volume_ids"):
        yield (
            "volumes",
            [
                {"volume_id": id, "mount_path": f"/volumes/{number}", **shared}
                for number, id in enumerate(volumes, 1)
            ],
        )


def _reservation(observed: Observed) -> Iterator[tuple[str, Any]]:
    seen = observed.attributes
    start, end = str(seen.get("start_time_utc")), str(seen.get("end_time_utc"))
    yield "name", observed.name
    yield "instance_type", seen.get("instance_type")
    yield "quantity", seen.get("quantity")
    yield "start_time_utc", start
    if (hours := _hours(start, end)) is not None:
        yield "duration_hours", hours
    if keys := seen.get("ssh_key_ids"):
        yield "ssh_keys", list(keys)
    if volumes := seen.get("volume_ids"):
        yield "volumes", list(volumes)


def _hours(start: str, end: str) -> int | None:
    """The whole hours between two times; None where there are none such."""
    try:
        length = parse_instant(end) - parse_instant(start)
    except ValueError:
        return None
    hours, rest = divmod(length, timedelta(hours=1))
    return hours if not rest else None


_BODIES: Mapping[Kind, Callable[[Observed], Iterator[tuple[str, Any]]]] = {
    Kind.VOLUME: _volume,
    Kind.TASK: _task,
    Kind.RESERVATION: _reservation,
}
