"""The world: every object by kind and id, with the indexes that requests need, and a record of what changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from attrs import frozen

from flowplan.sandbox.world.records import (
    KINDS,
    Auction,
    Bid,
    Identity,
    Instance,
    Replay,
    Reservation,
    Rules,
    SshKey,
    Volume,
)

_T = TypeVar("_T")
_KIND_OF = {cls: kind for kind, cls in KINDS.items()}


@frozen
class Effect:
    """Something to be done to the machine we run on, after the change is stored.

    ``verb`` is ``start`` or ``stop`` (``fid`` an instance, ``boots`` its count) or ``wipe`` (``fid`` a volume).
    """

    verb: str
    fid: str
    boots: int = 0


SshDestination = Callable[[Instance], str | None]
"""Where an instance that runs can be reached over SSH, as "host" or "host:port"."""


def no_ssh(instance: Instance) -> str | None:
    """The address of an instance in a sandbox without an SSH server: none."""
    return None


@frozen
class Moment:
    """What a request may know of its surroundings: the time, a source of fresh ids, the boot delay, SSH addresses."""

    now: datetime
    new_fid: Callable[[str], str]
    boot_delay_s: float = 0.2
    ssh: SshDestination = no_ssh


class World:
    """The objects. Values inside are immutable; `put` replaces one and remembers what it replaced.

    Tables keep objects in the order of their ``seq``; whoever loads objects must add new ones in that order.
    """

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
        self._undo: list[tuple[str, str, Any]] = []
        self.effects: list[Effect] = []
        self.next_seq = 1
        self._bids_named: dict[str, dict[str, None]] = defaultdict(dict)
        self._bids_in: dict[str, dict[str, None]] = defaultdict(dict)
        self._reservations_in: dict[str, dict[str, None]] = defaultdict(dict)
        self._users_of: dict[str, dict[str, None]] = defaultdict(dict)
        self._volume_named: dict[tuple[str, str], str] = {}
        self._timers: dict[tuple[str, str], datetime] = {}

    # tables

    @property
    def identity(self) -> Identity:
        """The user and project."""
        found: Identity = self._tables["identity"]["self"]
        return found

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever put in, so that the world must be founded first."""
        return not self._tables["identity"]

    @property
    def rules(self) -> Rules:
        """The switches."""
        found: Rules = self._tables["rules"].get("self") or Rules()
        return found

    @property
    def bids(self) -> dict[str, Bid]:
        """Every bid."""
        return self._tables["bid"]

    @property
    def volumes(self) -> dict[str, Volume]:
        """Every volume, deleted ones too."""
        return self._tables["volume"]

    @property
    def ssh_keys(self) -> dict[str, SshKey]:
        """Every SSH key, deleted ones too."""
        return self._tables["ssh_key"]

    @property
    def reservations(self) -> dict[str, Reservation]:
        """Every reservation."""
        return self._tables["reservation"]

    @property
    def instances(self) -> dict[str, Instance]:
        """Every instance."""
        return self._tables["instance"]

    @property
    def auctions(self) -> dict[str, Auction]:
        """The auctions that were ever held."""
        return self._tables["auction"]

    @property
    def replays(self) -> dict[str, Replay]:
        """First answers by idempotency key."""
        return self._tables["replay"]

    # indexes

    def bids_named(self, name: str) -> Iterable[Bid]:
        """The bids of that name, oldest first."""
        return [self.bids[fid] for fid in self._bids_named.get(name, ())]

    def live_bids_in(self, type_fid: str) -> list[Bid]:
        """The live bids in a market."""
        return [self.bids[fid] for fid in self._bids_in.get(type_fid, ())]

    def live_reservations_in(self, type_fid: str) -> list[Reservation]:
        """The live reservations of a type and region."""
        return [self.reservations[fid] for fid in self._reservations_in.get(type_fid, ())]

    def users_of(self, fid: str) -> list[Bid | Reservation]:
        """The bids and reservations that hold a volume or an SSH key."""
        return [self.bids.get(user) or self.reservations[user] for user in self._users_of.get(fid, ())]

    def volume_named(self, project: str, name: str) -> Volume | None:
        """The live volume of that name."""
        fid = self._volume_named.get((project, name))
        return self.volumes[fid] if fid else None

    def due(self, now: datetime) -> list[tuple[str, str]]:
        """The (kind, id) of everything that time alone must change by now, earliest first."""
        ready = [(at, key) for key, at in self._timers.items() if at <= now]
        return [key for _, key in sorted(ready)]

    # changes

    def take_seq(self) -> int:
        """The next number in order of creation."""
        seq = self.next_seq
        self.next_seq += 1
        return seq

    def put(self, value: _T) -> _T:
        """Add or replace an object."""
        kind, fid = _KIND_OF[type(value)], value.fid  # type: ignore[attr-defined]
        table = self._tables[kind]
        self._undo.append((kind, fid, table.get(fid)))
        self._set(kind, fid, value)
        return value

    def load(self, kind: str, value: Any) -> None:
        """Take over an object from the store; not a change."""
        self._set(kind, value.fid, value)
        self.next_seq = max(self.next_seq, value.seq + 1)

    def changed(self) -> Iterator[tuple[str, Any]]:
        """Each (kind, object) changed since the last `accept`, as it is now, in order of creation."""
        keys = dict.fromkeys((kind, fid) for kind, fid, _ in self._undo)
        found = [(kind, self._tables[kind][fid]) for kind, fid in keys]
        yield from sorted(found, key=lambda item: item[1].seq)

    def accept(self) -> None:
        """The changes are stored."""
        self._undo.clear()
        self.effects.clear()

    def mark(self) -> tuple[int, int]:
        """This point in the order of changes, to `revert` to."""
        return len(self._undo), len(self.effects)

    def revert(self, mark: tuple[int, int] = (0, 0)) -> None:
        """Take back every change since the mark, or since the last `accept`."""
        changes, effects = mark
        for kind, fid, before in reversed(self._undo[changes:]):
            self._set(kind, fid, before)
        del self._undo[changes:]
        del self.effects[effects:]

    def _set(self, kind: str, fid: str, value: Any) -> None:
        table = self._tables[kind]
        before = table.get(fid)
        if before is not None:
            self._unindex(kind, before)
        if value is None:
            table.pop(fid, None)
            if kind == "bid" and before is not None:
                self._bids_named[before.name].pop(fid, None)
        else:
            table[fid] = value
            self._index(kind, value)

    def _index(self, kind: str, value: Any) -> None:
        if kind == "bid":
            self._bids_named[value.name].setdefault(value.fid)
            if value.is_live:
                self._bids_in[value.instance_type][value.fid] = None
            self._hold(value, value.is_live or value.due_at is not None)
            self._time(kind, value.fid, value.due_at)
        elif kind == "reservation":
            if value.is_live:
                self._reservations_in[value.instance_type][value.fid] = None
            self._hold(value, value.is_live)
            at = value.start_time if value.status == "Pending" else value.end_time
            self._time(kind, value.fid, at if value.is_live else None)
        elif kind == "volume":
            if value.deleted_at is None:
                self._volume_named[value.project, value.name] = value.fid
        elif kind == "auction":
            self._time(kind, value.fid, value.due_at)

    def _unindex(self, kind: str, value: Any) -> None:
        if kind == "bid":
            self._bids_in[value.instance_type].pop(value.fid, None)
            self._hold(value, False)
            self._time(kind, value.fid, None)
        elif kind == "reservation":
            self._reservations_in[value.instance_type].pop(value.fid, None)
            self._hold(value, False)
            self._time(kind, value.fid, None)
        elif kind == "volume":
            if self._volume_named.get((value.project, value.name)) == value.fid:
                del self._volume_named[value.project, value.name]
        elif kind == "auction":
            self._time(kind, value.fid, None)

    def _hold(self, user: Bid | Reservation, holds: bool) -> None:
        for fid in (*user.launch.volumes, *user.launch.ssh_keys):
            if holds:
                self._users_of[fid][user.fid] = None
            else:
                self._users_of[fid].pop(user.fid, None)

    def _time(self, kind: str, fid: str, at: datetime | None) -> None:
        if at is None:
            self._timers.pop((kind, fid), None)
        else:
            self._timers[kind, fid] = at
