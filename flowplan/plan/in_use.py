"""Volumes that something else has attached, and that this plan leaves alone: none is destroyed, and no second one takes a block volume."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flowplan.lang.stack import Stack
from flowplan.plan.change import Action, ResourceChange
from flowplan.plan.observation import Observation
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic

_ENDS = (Action.DELETE, Action.REPLACE)
_TAKES = (Action.CREATE, Action.REPLACE, Action.UPDATE)


def check_in_use(
    stack: Stack, snapshot: Snapshot, observation: Observation | None, changes: Sequence[ResourceChange]
) -> Iterator[Diagnostic]:
    """An error for each volume that is to be destroyed and that a task or reservation goes on using.

    Such is one that is let go and not destroyed (``on_remove: retain``, ``removed``), and one of somebody else.
    """
    ended = {
        change.deposed or change.id: change
        for change in changes
        if change.kind is Kind.VOLUME and (change.action in _ENDS or change.deposed)
    }
    if not ended:
        return
    for holder in _holders(snapshot, observation, changes):
        for volume in holder.volumes:
            if volume in ended:
                yield _in_use(stack, ended[volume], holder)


def check_taken(
    stack: Stack, snapshot: Snapshot, observation: Observation | None, changes: Sequence[ResourceChange]
) -> Iterator[Diagnostic]:
    """An error for each block volume that a change is to attach and that something outside the stack goes on using.

    Those inside the stack take their turns (`flowplan.plan.holders.check_holders`).
    """
    takers = _takers(snapshot, changes)
    if not takers:
        return
    volumes = {record.id: record for record in snapshot.records.values() if record.id in takers}
    for holder in _holders(snapshot, observation, changes):
        if holder.owner is not None and holder.owner.address in stack.resources:
            continue
        for volume in holder.volumes:
            for taker in takers.get(volume, ()):
                yield _taken(stack, taker, volumes[volume], holder)


def _takers(snapshot: Snapshot, changes: Sequence[ResourceChange]) -> dict[str, list[ResourceChange]]:
    """The changes that attach a block volume which exists already, by its id."""
    found: dict[str, list[ResourceChange]] = {}
    made = [change for change in changes if change.action in _TAKES and not change.deposed]
    wanted = [(change, change.targets.get("volume_ids")) for change in made if change.kind is not Kind.VOLUME]
    if not any(ids for _, ids in wanted):
        return found
    blocks = {
        record.id
        for record in snapshot.records.values()
        if record.kind is Kind.VOLUME and record.config.get("interface") == "block"
    }
    for change, ids in wanted:
        for id in ids if isinstance(ids, list) else ():
            if isinstance(id, str) and id in blocks:
                found.setdefault(id, []).append(change)
    return found


def _taken(stack: Stack, taker: ResourceChange, volume: Record, holder: _Holder) -> Diagnostic:
    resource = stack.resources.get(taker.address)
    return Diagnostic.error(
        f"{taker.address} cannot use {volume.address} while {holder.words} does",
        f"{holder.name} ({holder.id}) has it attached, and this plan leaves that as it is. A block volume is attached to one instance "
        "at a time.",
        span=resource.span if resource is not None else None,
        snippet=resource.snippet if resource is not None else "",
        address=taker.address,
        suggestion="End it, or detach the volume from it, and plan again.",
    )


@frozen
class _Holder:
    """A task or reservation that goes on, with the volumes that stay attached to it."""

    kind: Kind
    id: str
    name: str
    volumes: Sequence[str]
    change: ResourceChange | None = None
    owner: Record | None = None

    @property
    def words(self) -> str:
        """What it is called in messages: by its address, where it is on record."""
        return str(self.owner.address) if self.owner is not None else f"the {self.kind.value} {self.name}"


def _holders(
    snapshot: Snapshot, observation: Observation | None, changes: Sequence[ResourceChange]
) -> Iterator[_Holder]:
    """What goes on once the changes are made, with the volumes that they leave attached to it."""
    by_id = {change.deposed or change.id: change for change in changes if change.kind is not Kind.VOLUME}
    owners = {record.id: record for record in snapshot.records.values()}
    for kind, id, name, held in _holding(snapshot, observation, by_id):
        change = by_id.get(id)
        if change is not None and (change.action in _ENDS or change.deposed):
            continue
        kept = change.update.get("volume_ids") if change is not None else None
        volumes = [one for one in held if one in kept] if isinstance(kept, list) else held
        yield _Holder(kind, id, name, volumes, change, owners.get(id))


def _holding(
    snapshot: Snapshot, observation: Observation | None, by_id: Mapping[str, ResourceChange]
) -> Iterator[tuple[Kind, str, str, Sequence[str]]]:
    """Kind, id, name and volumes of what lives; where nothing was looked at, of what is let go, as it is on record.

    What this stack has detached a moment ago is not held, though a list that lags may show it.
    """
    if observation is not None:
        for seen in sorted(observation.objects.values(), key=lambda one: (one.kind.rank, one.name, one.id)):
            if seen.exists and seen.kind is not Kind.VOLUME:
                held = seen.attributes.get("volume_ids") or ()
                done = snapshot.lately.get((seen.kind, seen.id)) or {}
                kept = done.get("volume_ids", held)
                yield seen.kind, seen.id, seen.name, [one for one in held if one in kept]
        return
    for id, change in by_id.items():
        if change.action is Action.FORGET and change.record is not None:
            yield change.kind, id, change.record.name, change.record.attributes.get("volume_ids") or ()


def _in_use(stack: Stack, volume: ResourceChange, holder: _Holder) -> Diagnostic:
    if holder.change is not None and holder.change.action is Action.FORGET:
        detail = f"{holder.words} is let go and not destroyed: it stays as it is, with the volume attached."
        advice = "Keep the volume too, with on_remove: retain; or destroy what uses it."
    else:
        detail = f"{holder.name} ({holder.id}) has it attached, and this plan leaves that as it is."
        advice = "End it, or detach the volume from it, and plan again."
    resource = stack.resources.get(volume.address)
    return Diagnostic.error(
        f"{volume.address} cannot be destroyed while {holder.words} uses it",
        detail,
        span=resource.span if resource is not None else None,
        snippet=resource.snippet if resource is not None else "",
        address=volume.address,
        suggestion=advice,
    )
