"""The world: every object by kind and id, with the indexes that requests need, and a record of what changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Set
from datetime import datetime
from typing import Any, TypeVar

from flowplan.sandbox.market.priceline import PriceLine
from flowplan.sandbox.world.accounts import ApiKey
from flowplan.sandbox.world.bookings import Bookings
from flowplan.sandbox.world.facets import FACETS
from flowplan.sandbox.world.index import Index, Where
from flowplan.sandbox.world.ladder import Ladder
from flowplan.sandbox.world.market import Demand
from flowplan.sandbox.world.records import KINDS, Bid, Instance, Reservation, Volume
from flowplan.sandbox.world.tables import Tables
from flowplan.sandbox.world.texts import Fetch, Texts
from flowplan.sandbox.world.timers import Timers
from flowplan.values.classes import frozen

_T = TypeVar("_T")
_KIND_OF = {cls: kind for kind, cls in KINDS.items()}
_COMPETING = ("Open", "Allocated", "Preempting")
_HOLDING = ("Allocated", "Preempting")
_MOST_RENDERED = 1 << 25
"""How many characters of rendered objects are kept."""


@frozen
class Effect:
    """Something to be done to the machine we run on, after the change is stored.

    ``verb`` is ``start``, ``stop``, ``boot`` (look again how long it boots), ``notice`` (of preemption, or its end) or
    ``refresh`` (``fid`` an instance, ``boots`` its count; the last gives it a new boot disk), or ``wipe`` (``fid`` a
    volume).
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
    """What a request may know of its surroundings: the time, a source of fresh ids, the boot delay, SSH addresses.

    ``new_key_pair`` makes an SSH key pair: (private key, public key) as OpenSSH writes them. ``new_secret`` makes
    the secret of an API key.
    """

    now: datetime
    new_fid: Callable[[str], str]
    boot_delay_s: float = 0.2
    ssh: SshDestination = no_ssh
    new_key_pair: Callable[[], tuple[str, str]] | None = None
    new_secret: Callable[[], str] | None = None


class World(Tables):
    """The objects. Values inside are immutable; `put` replaces one and remembers what it replaced.

    Tables keep objects in the order of their ``seq``; whoever loads objects must add new ones in that order.
    """

    def __init__(self, fetch: Fetch = lambda _: {}) -> None:
        super().__init__()
        self.texts = Texts(fetch)
        self._undo: list[tuple[str, str, Any]] = []
        self.effects: list[Effect] = []
        self.next_seq = 1
        self._indexes = {kind: Index(facets) for kind, facets in FACETS.items()}
        self._rendered: dict[str, tuple[Any, str]] = {}
        self._rendered_size = 0
        self._stored_gb: dict[str, int] = defaultdict(int)
        self._bids_in: dict[str, dict[str, None]] = defaultdict(dict)
        self._holders_in: dict[str, set[str]] = defaultdict(set)
        self._noticed_in: dict[str, set[str]] = defaultdict(set)
        self._held_in: dict[str, int] = defaultdict(int)
        self._ladders: dict[str, Ladder] = defaultdict(Ladder)
        self._bookings: dict[str, Bookings] = defaultdict(Bookings)
        self._users_of: dict[str, dict[str, None]] = defaultdict(dict)
        self._volume_named: dict[tuple[str, str], str] = {}
        self._timers = Timers()
        self._turning: dict[str, datetime] = {}
        self._lines: dict[str, PriceLine] = defaultdict(PriceLine)

    # indexes

    def prices(self, type_fid: str) -> PriceLine:
        """The prices of a market that are on record."""
        return self._lines[type_fid]

    def ladder(self, type_fid: str) -> Ladder:
        """What the live bids that are not paused ask for in a market. Only `World` changes it."""
        return self._ladders[type_fid]

    def bookings(self, type_fid: str) -> Bookings:
        """The live reservations of a type and region. Only `World` changes them."""
        return self._bookings[type_fid]

    def holding_in(self, type_fid: str) -> list[Bid]:
        """The bids that have machines in a market, those under notice too, oldest first."""
        found = [self.bids[fid] for fid in self._holders_in.get(type_fid, ())]
        return sorted(found, key=lambda bid: bid.seq)

    def holders_in(self, type_fid: str) -> Set[str]:
        """The ids of the same."""
        return self._holders_in[type_fid]

    def noticed_in(self, type_fid: str) -> Set[str]:
        """The ids of those that are under notice of preemption."""
        return self._noticed_in[type_fid]

    def held_in(self, type_fid: str) -> int:
        """The machines that bids have in a market."""
        return self._held_in[type_fid]

    def select(
        self, kind: str, where: Where, after: int | None = None, descending: bool = False
    ) -> Iterator[Any]:
        """The objects of a listed kind that a list asks for; see `Index.find`."""
        return self._indexes[kind].find(where, after, descending)

    def present(self, kind: str, facet: str) -> list[str]:
        """The values of a facet that objects of a kind have, sorted."""
        return self._indexes[kind].present(facet)

    def bids_named(self, name: str) -> Iterable[Bid]:
        """The bids of that name, oldest first."""
        return self.select("bid", {"name": (name,)})

    def key_of(self, digest: str) -> ApiKey | None:
        """The API key whose secret has that digest."""
        return next(self.select("api_key", {"digest": (digest,)}), None)

    def count_bids_in(self, type_fid: str) -> int:
        """How many live bids there are in a market."""
        return len(self._bids_in.get(type_fid, ()))

    def users_of(self, fid: str) -> list[Bid | Reservation]:
        """The bids and reservations that hold a volume or an SSH key, or that are nodes of a cluster."""
        return [self.bids.get(user) or self.reservations[user] for user in self._users_of.get(fid, ())]

    def volume_named(self, project: str, name: str) -> Volume | None:
        """The live volume of that name."""
        fid = self._volume_named.get((project, name))
        return self.volumes[fid] if fid else None

    def stored_gb(self, project: str) -> int:
        """The size of a project's volumes that are not deleted, in GB."""
        return self._stored_gb[project]

    def turning(self, now: datetime) -> list[str]:
        """The ids of the instances that are booting or stopping."""
        self._turning = {fid: until for fid, until in self._turning.items() if now < until}
        return list(self._turning)

    def first_due(self, now: datetime) -> tuple[datetime, str, str] | None:
        """The (time, kind, id) of the earliest that time alone must change by now."""
        return self._timers.first(now)

    def due(self, now: datetime) -> list[tuple[str, str]]:
        """The (kind, id) of the earliest that time alone must change by now, in a list; empty if there is none."""
        first = self._timers.first(now)
        return [] if first is None else [first[1:]]

    def rendered(self, value: Any, render: Callable[[Any], str]) -> str:
        """What ``render`` makes of an object; kept until the object changes. It must depend on nothing else."""
        known = self._rendered.get(value.fid)
        if known is not None and known[0] is value:
            return known[1]
        text = render(value)
        if self._rendered_size + len(text) > _MOST_RENDERED:
            self._rendered.clear()
            self._rendered_size = 0
        self._rendered_size += len(text) - (0 if known is None else len(known[1]))
        self._rendered[value.fid] = (value, text)
        return text

    def prepare(self, orders: Iterable[Bid | Reservation]) -> None:
        """Fetch the scripts of orders that are to be rendered and are not yet."""
        self.texts.prepare(
            order.launch.script
            for order in orders
            if order.launch.script is not None and order.fid not in self._rendered
        )

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
        self.texts.stored()
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
        if kind == "bid":
            self._rank(before, value)
        if before is not None:
            self._unindex(kind, before)
        if value is None:
            table.pop(fid, None)
        else:
            table[fid] = value
            self._index(kind, value)
        if kind in self._indexes and before is not value:
            self._indexes[kind].replace(before, value)

    def _index(self, kind: str, value: Any) -> None:
        if kind == "bid":
            if value.is_live:
                self._bids_in[value.instance_type][value.fid] = None
            self._hold(value, value.is_live or value.due_at is not None)
            times = [at for at in (value.due_at, value.pauses_at) if at is not None]
            self._timers.set(kind, value.fid, min(times, default=None))
        elif kind == "reservation":
            if value.is_live:
                self._bookings[value.instance_type].put(value)
            self._hold(value, value.is_live)
            at = value.start_time if value.status == "Pending" else value.end_time
            self._timers.set(kind, value.fid, at if value.is_live else None)
        elif kind == "instance":
            until = value.running_at if value.state == "RUNNING" else value.off_at
            if until is not None:
                self._turning[value.fid] = until
        elif kind == "volume":
            if value.deleted_at is None:
                self._volume_named[value.project, value.name] = value.fid
                self._stored_gb[value.project] += value.capacity_gb
        elif kind in ("auction", "fault"):
            self._timers.set(kind, value.fid, value.due_at)
        elif kind == "price":
            self._lines[value.market].append(value.at, value.cents)

    def _unindex(self, kind: str, value: Any) -> None:
        if kind == "instance":
            self._turning.pop(value.fid, None)
        if kind == "bid":
            self._bids_in[value.instance_type].pop(value.fid, None)
            self._hold(value, False)
            self._timers.set(kind, value.fid, None)
        elif kind == "reservation":
            self._bookings[value.instance_type].remove(value.fid)
            self._hold(value, False)
            self._timers.set(kind, value.fid, None)
        elif kind == "volume":
            if self._volume_named.get((value.project, value.name)) == value.fid:
                del self._volume_named[value.project, value.name]
            if value.deleted_at is None:
                self._stored_gb[value.project] -= value.capacity_gb
        elif kind in ("auction", "fault"):
            self._timers.set(kind, value.fid, None)
        elif kind == "price":
            self._lines[value.market].drop(value.at)

    def _rank(self, before: Bid | None, value: Bid | None) -> None:
        """Bring a bid to its place in its market's auction and among those that have machines."""
        bid = value or before
        assert bid is not None
        if (claim := _claim(value)) != _claim(before):
            ladder = self._ladders[bid.instance_type]
            if claim is None:
                ladder.remove(bid.fid)
            else:
                ladder.put(Demand(bid.fid, *claim, bid.seq))
        if _holds(value) and not _holds(before):
            self._holders_in[bid.instance_type].add(bid.fid)
            self._held_in[bid.instance_type] += bid.instance_quantity
        elif _holds(before) and not _holds(value):
            self._holders_in[bid.instance_type].remove(bid.fid)
            self._held_in[bid.instance_type] -= bid.instance_quantity
        if value is not None and value.status == "Preempting":
            self._noticed_in[bid.instance_type].add(bid.fid)
        else:
            self._noticed_in[bid.instance_type].discard(bid.fid)

    def _hold(self, user: Bid | Reservation, holds: bool) -> None:
        cluster = user.launch.kubernetes_cluster
        for fid in (*user.launch.volumes, *user.launch.ssh_keys, *([cluster] if cluster else ())):
            if holds:
                self._users_of[fid][user.fid] = None
            else:
                self._users_of[fid].pop(user.fid, None)


def _claim(bid: Bid | None) -> tuple[int, int] | None:
    """What a bid asks for in the auction; None if it takes no part."""
    if bid is None or bid.status not in _COMPETING:
        return None
    return bid.limit_cents, bid.instance_quantity


def _holds(bid: Bid | None) -> bool:
    return bid is not None and bid.status in _HOLDING
