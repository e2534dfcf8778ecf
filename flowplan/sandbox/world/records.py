"""The objects of the simulated world, as frozen values; one row each in the store.

``seq`` numbers objects in the order of their creation and settles ties of age.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import evolve

from flowplan.sandbox.world.accounts import ApiKey, Project, Quota, User
from flowplan.sandbox.world.terms import Clock, Era, Fault, Override, PriceChange, Series
from flowplan.values.classes import frozen


@frozen
class Identity:
    """Who the sandbox's one user is."""

    project: str
    user: str
    user_uuid: str
    organization_uuid: str
    created_at: datetime
    fid: str = "self"
    seq: int = 0


@frozen
class Script:
    """A lifecycle script."""

    fid: str
    seq: int
    name: str
    description: str
    content: str
    project: str
    scope: str
    created_by: str
    created_at: datetime
    last_modified_by: str
    last_modified_at: datetime
    deleted_at: datetime | None = None


@frozen
class Cluster:
    """A Kubernetes cluster; it is Pending until ``available_at``."""

    fid: str
    seq: int
    name: str
    project: str
    region: str
    instance_type: str
    ssh_keys: tuple[str, ...]
    k8s_version: str
    created_by: str
    created_at: datetime
    available_at: datetime
    image_version: str | None = None
    deleted_at: datetime | None = None

    def status(self, now: datetime) -> str:
        """The status as the wire words it."""
        if self.deleted_at is not None:
            return "Terminated"
        return "Pending" if now < self.available_at else "Available"


@frozen
class Rules:
    """Switches for behaviour the real service leaves undocumented (provider.md section 7) and for its pace.

    The defaults are the sandbox's; tests switch them to see a client cope with both worlds.
    """

    honour_idempotency_key: bool = False
    """7-1: a repeated POST with the same key and body is answered as the first one was."""
    unique_bid_names: bool = False
    """7-2: a bid named like a live bid is refused with 400."""
    list_lag_s: float = 0.0
    """7-29: a new object is missing from lists for so many seconds (not from a GET by its id)."""
    in_use_status: int = 400
    """7-4: the answer to deleting a volume that is in use."""
    volumes_need_pause: bool = True
    """7-6: changing the volumes of a bid that is not paused is refused with 400."""
    delete_again_status: int = 409
    """7-9: the answer to deleting a terminated bid (204 or an error status)."""
    release_lag_s: float = 0.0
    """7-25: how long an ended bid goes on holding its volumes."""
    auction_lag_s: float = 0.0
    """How long after a change of price or pause the auction is held; a new bid is auctioned at once."""
    preemption_s: float = 300.0
    """The notice an outbid bid gets before its machines are taken."""
    cluster_ready_s: float = 5.0
    """How long a Kubernetes cluster is Pending."""
    stop_s: float = 0.2
    """How long an instance that is paused by itself is Stopping."""
    boot_s: float | None = None
    """How long a machine boots, on average; each boot is drawn between half and one and a half of it. None: the sandbox's own pace."""
    relocation_s: float = 240.0
    """How long a machine that is moved to another host is away."""
    spot_refusal_status: int = 0
    """7-13: the answer to a bid that the spot quota has no room for; 0 takes it, and it stays Open."""
    executes: bool = True
    """Whether instances run their commands; else how long they take is simulated."""
    duration_s: float = 60.0
    """How long a simulated command takes that says nothing about it."""
    pause_s: float = 0.0
    """7-7: how long a bid takes to be Paused after it was asked for."""
    page_size: int = 20
    """7-10: how many rows a page has where nothing is said."""
    newest_first: bool = True
    """7-10: the order of a list where nothing is said."""
    requests_per_s: float | None = None
    """7-30: how many requests a second a server answers; None: no limit."""
    seed: int | None = None
    """What ids and boot delays are drawn from; None: from chance."""
    memory_gb: float | None = None
    """The address space each process of an instance may have; None: no limit."""
    processes: int | None = None
    """How many processes the user may have as seen from an instance; None: no limit."""
    open_files: int = 65536
    """How many files each process of an instance may have open."""
    fid: str = "self"
    seq: int = 0


@frozen
class SshKey:
    """An SSH public key of the project."""

    fid: str
    seq: int
    name: str
    project: str
    public_key: str
    created_at: datetime
    required: bool = False
    deleted_at: datetime | None = None


@frozen
class Volume:
    """A volume; deletion only marks it."""

    fid: str
    seq: int
    name: str
    project: str
    region: str
    interface: str
    capacity_gb: int
    created_at: datetime
    deleted_at: datetime | None = None


@frozen
class LaunchSpec:
    """The launch specification of a bid or reservation, echoed as it was given; ``script`` is the key of a text."""

    volumes: tuple[str, ...]
    ssh_keys: tuple[str, ...]
    script: str | None = None
    kubernetes_cluster: str | None = None
    image_version: str | None = None
    memory_gb: int | None = None


@frozen
class BidEvent:
    """One line of a bid's history."""

    at: datetime
    kind: str
    limit_cents: int | None = None
    attached: str | None = None
    removed: str | None = None
    user: str | None = None


@frozen
class Bid:
    """A spot bid; ``limit_cents`` per instance-hour.

    ``due_at`` is when time alone changes it: the end of an outbid bid's notice or of a relocation, or the moment an
    ended bid lets go of its volumes. ``pauses_at`` is when a pause that was asked for takes effect.
    """

    fid: str
    seq: int
    name: str
    project: str
    created_by: str
    created_at: datetime
    limit_cents: int
    instance_quantity: int
    instance_type: str
    region: str
    launch: LaunchSpec
    status: str = "Open"
    instances: tuple[str, ...] = ()
    deactivated_at: datetime | None = None
    due_at: datetime | None = None
    pauses_at: datetime | None = None
    history: tuple[BidEvent, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether it has not been terminated."""
        return self.status != "Terminated"


@frozen
class Grant:
    """Capacity bought in one go: at first, or by an extension. Money in cents per instance-hour."""

    fid: str
    starts_at: datetime
    ends_at: datetime
    quantity: int
    unit_cents: int
    pause_cents: int
    return_cents: int


@frozen
class ReservationEvent:
    """One line of a reservation's history; ``user`` is None for what time did."""

    at: datetime
    kind: str
    user: str | None = None
    unit_cents: int | None = None
    pause_cents: int | None = None
    return_cents: int | None = None


@frozen
class Reservation:
    """Machines reserved for a time; ``unit_cents`` per instance-hour, ``total_cents`` for all of it.

    ``offer`` is the key of the offer bought; ``returned_cents`` was credited for capacity given back, whose
    machines are ``returned``. ``instance_quantity`` counts what is left.
    """

    fid: str
    seq: int
    name: str
    project: str
    created_by: str
    created_at: datetime
    instance_quantity: int
    instance_type: str
    region: str
    launch: LaunchSpec
    start_time: datetime
    end_time: datetime
    unit_cents: int
    total_cents: int
    status: str = "Pending"
    instances: tuple[str, ...] = ()
    deactivated_at: datetime | None = None
    offer: str = "standard"
    grants: tuple[Grant, ...] = ()
    returned: tuple[str, ...] = ()
    returned_cents: int = 0
    history: tuple[ReservationEvent, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether it is still to come or going on."""
        return self.status in ("Pending", "Active", "Paused")


@frozen
class InstanceEvent:
    """The instance has this status (without its prefix) from then on; one to come is only planned."""

    at: datetime
    status: str


_BOOTING = ("NEW", "CONFIRMED", "INITIALIZING", "STARTING")


@frozen
class Instance:
    """A machine of a bid or reservation.

    ``state`` is a status word without its prefix; RUNNING reads as STARTING until ``running_at``, every other
    state as STOPPING until ``off_at``. ``boots`` counts how often it was switched on; its disk and its first
    boot's script belong to the fid. `moved` changes the state and keeps ``events``.
    """

    fid: str
    seq: int
    name: str
    project: str
    created_by: str
    created_at: datetime
    instance_type: str
    region: str
    private_ip: str
    bid: str | None = None
    reservation: str | None = None
    state: str = "RUNNING"
    running_at: datetime | None = None
    boots: int = 1
    off_at: datetime | None = None
    image_version: str | None = None
    events: tuple[InstanceEvent, ...] = ()

    def status(self, now: datetime) -> str:
        """The status as the wire words it."""
        if self.state == "RUNNING":
            is_starting = self.running_at is not None and now < self.running_at
            return "STATUS_STARTING" if is_starting else "STATUS_RUNNING"
        is_stopping = self.off_at is not None and now < self.off_at
        return "STATUS_STOPPING" if is_stopping else f"STATUS_{self.state}"

    def moved(self, state: str, at: datetime, **changes: Any) -> Instance:
        """The instance in another state (or in the same, booting anew) from ``at`` on, with its history.

        With ``running_at`` among the changes it boots until then; with ``off_at`` it stops until then.
        """
        known = tuple(event for event in self.events if event.at <= at)
        changes.setdefault("off_at", None)
        running_at, off_at = changes.get("running_at"), changes["off_at"]
        if running_at is not None:
            # A machine that was there before is only confirmed again.
            words = _BOOTING if not known else _BOOTING[1:]
            added = [InstanceEvent(at, word) for word in words] + [InstanceEvent(running_at, state)]
        elif off_at is not None:
            added = [InstanceEvent(at, "STOPPING"), InstanceEvent(off_at, state)]
        elif state == "RUNNING" and self.running_at is not None and at < self.running_at:
            added = [InstanceEvent(at, "STARTING"), InstanceEvent(self.running_at, state)]
        else:
            added = [InstanceEvent(at, state)]
        return evolve(self, state=state, events=(*known, *added), **changes)


@frozen
class Auction:
    """What is remembered of one market, under its type id: the last price and when the next auction is due."""

    fid: str
    seq: int
    price_cents: int
    due_at: datetime | None = None


@frozen
class Replay:
    """The first answer to a request that bore an idempotency key (the key is the fid)."""

    fid: str
    seq: int
    digest: str
    status: int
    body: str


KINDS: dict[str, type] = {
    "identity": Identity,
    "rules": Rules,
    "project": Project,
    "user": User,
    "api_key": ApiKey,
    "quota": Quota,
    "script": Script,
    "cluster": Cluster,
    "ssh_key": SshKey,
    "volume": Volume,
    "bid": Bid,
    "reservation": Reservation,
    "instance": Instance,
    "auction": Auction,
    "replay": Replay,
    "clock": Clock,
    "era": Era,
    "series": Series,
    "override": Override,
    "price": PriceChange,
    "fault": Fault,
}
