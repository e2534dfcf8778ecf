"""``imports``: objects that exist at the provider and become the stack's, and the records they start with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flowplan.lang.stack import Resource, Stack
from flowplan.plan.observation import Observation, Observed
from flowplan.resources import Settings, kind_of
from flowplan.resources.price import same_type
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.diagnostic import Diagnostic, did_you_mean
from flowplan.values.quantity import parse_instant
from flowplan.values.value import Fingerprint, Sensitive, Unknown, is_known, seal, transform

if TYPE_CHECKING:
    from flowplan.lang.entries import Import

_UNSEEN = ""
"""No object's id: what is looked for by it is never found, so that a listing goes to its end."""


def wanted_ids(stack: Stack, snapshot: Snapshot) -> list[tuple[Kind, str]]:
    """Kind and id of every object that a refresh for this stack must have looked for."""
    found = snapshot.ids()
    for entry in stack.imports:
        if entry.to not in snapshot.records:
            found.append((entry.to.kind, entry.id or _UNSEEN))
    return found


def find_imports(
    stack: Stack, snapshot: Snapshot, observation: Observation | None, settings: Settings
) -> tuple[dict[Address, Record], list[Diagnostic]]:
    """The record that each import starts with, by address, and what is wrong with the others.

    One whose address is recorded already, with the same object, has been done.
    """
    records: dict[Address, Record] = {}
    problems: list[Diagnostic] = []
    if not stack.imports:
        return records, problems
    owners = {(record.kind, record.id): record.address for record in snapshot.records.values()}
    by_name: dict[tuple[Kind, str], list[Observed]] = {}
    for observed in observation.objects.values() if observation else ():
        if observed.exists:
            by_name.setdefault((observed.kind, observed.name), []).append(observed)
    for entry in stack.imports:
        result = _find(entry, stack, snapshot, observation, by_name, owners)
        if isinstance(result, Diagnostic):
            problems.append(result)
        elif result is not None:
            owners[result.kind, result.id] = entry.to
            records[entry.to] = record_of(stack.resources[entry.to], result, settings, snapshot.key)
    return records, problems


def _find(
    entry: Import,
    stack: Stack,
    snapshot: Snapshot,
    observation: Observation | None,
    by_name: Mapping[tuple[Kind, str], list[Observed]],
    owners: Mapping[tuple[Kind, str], Address],
) -> Observed | Diagnostic | None:
    """The object to import, None where it has been, or what is wrong."""
    kind, what = entry.to.kind, entry.id or entry.name or ""
    if entry.to not in stack.resources:
        known = [str(address) for address in stack.resources if address.kind is kind]
        advice = did_you_mean(str(entry.to), known) or f"Declare {entry.to} first, as it is at the provider."
        return _wrong(entry, f"{what} cannot be imported to {entry.to}, which is not declared", advice)
    record = snapshot.records.get(entry.to)
    if record is not None:
        if entry.id in (None, record.id):
            return None
        summary = f"{what} cannot be imported to {entry.to}: {record.id} is recorded there"
        return _wrong(entry, summary, "Import it to another address, or take the entry out.")
    if observation is None:
        summary = f"{what} cannot be imported without looking at the provider"
        return _wrong(entry, summary, "Leave --refresh=false out.")
    if entry.id is not None:
        found = observation.find(kind, entry.id)
        live = [found] if found is not None and found.exists else []
    else:
        live = by_name.get((kind, entry.name or ""), [])
    if not live:
        names = sorted({name for of, name in by_name if of is kind})
        advice = did_you_mean(what, names) if entry.id is None else ""
        summary = f"There is no {kind.value} {what} in this project to import"
        return _wrong(
            entry, summary, advice or "Check the id or name at the provider; ended objects do not count."
        )
    if len(live) > 1:
        ids = ", ".join(sorted(one.id for one in live))
        return _wrong(entry, f"{len(live)} {kind.value}s are called {what}", f"Import one by its id: {ids}.")
    if (owner := owners.get((kind, live[0].id))) is not None:
        summary = f"{live[0].id} cannot be imported to {entry.to}: this stack has it as {owner}"
        return _wrong(entry, summary, "To give it another address, write a moved entry.")
    return live[0]


def _wrong(entry: Import, summary: str, suggestion: str) -> Diagnostic:
    return Diagnostic.error(summary, address=entry.to, span=entry.span, suggestion=suggestion)


def record_of(resource: Resource, observed: Observed, settings: Settings, key: bytes) -> Record:
    """What is recorded of an imported object: what the stack says, but for what the provider shows to be otherwise.

    What the provider does not show (a task's script, say) is taken to be as declared.
    """
    config = _as_observed(resource, observed, settings)
    return Record(
        address=resource.address,
        id=observed.id,
        name=observed.name,
        config=transform(seal(config, key), lambda leaf: None if isinstance(leaf, Unknown) else leaf),
        attributes=observed.attributes,
        created_at=observed.created_at,
    )


def _through(
    resource: Resource, observed: Observed, targets: Mapping[str, Any], config: dict[str, Any]
) -> None:
    """Put into ``config`` what the provider shows by way of attributes made of it: the price, the end, the volumes."""
    seen = observed.attributes
    price = seen.get("limit_price")
    if resource.kind is Kind.TASK and price is not None and price != targets["limit_price"]:
        config["max_price_per_hour"] = price
    start, end = seen.get("start_time_utc"), seen.get("end_time_utc")
    if resource.kind is Kind.RESERVATION and start and end and end != targets["end_time_utc"]:
        config["duration_hours"] = round((parse_instant(end) - parse_instant(start)).total_seconds() / 3600)
    held, wanted = seen.get("volume_ids"), targets.get("volume_ids")
    if (
        isinstance(held, (list, tuple))
        and wanted is not None
        and is_known(wanted)
        and set(held) != set(wanted)
    ):
        if resource.kind is Kind.RESERVATION:
            config["volumes"] = list(held)
            return
        entries = [entry for entry in config["volumes"] if entry["volume_id"] in held]
        known = {entry["volume_id"] for entry in entries}
        # Where a volume is mounted is not shown; an empty path is none that a stack can have.
        config["volumes"] = [
            *entries,
            *({"volume_id": id, "mount_path": ""} for id in held if id not in known),
        ]


def _as_observed(resource: Resource, observed: Observed, settings: Settings) -> dict[str, Any]:
    config = dict(resource.config)
    kind = kind_of(resource.kind)
    targets = kind.targets(config, settings)
    for name in kind.configurable:
        shown, wanted = observed.attributes.get(name), targets.get(name)
        if (
            shown is None
            or wanted is None
            or not is_known(wanted)
            or (name in kind.feeds and _fed(kind.feeds[name], name))
        ):
            continue
        if isinstance(config.get(name), (Sensitive, Fingerprint, Unknown)):
            continue
        if name == "name" and config.get("unique_name") and observed.name.startswith(f"{wanted}-"):
            continue  # a task's suffix is no part of what its stack calls it
        if name == "instance_type" and (config.get(name) is None or same_type(str(shown), str(wanted))):
            continue  # left to choose, or spelled otherwise
        if shown != wanted:
            config[name] = shown
    _through(resource, observed, targets, config)
    return config


def _fed(sources: Iterable[str], name: str) -> bool:
    """Whether a provider-side attribute is made of something else than the configured one of its name."""
    return tuple(sources) != (name,)
