"""The objects of the simulated world, as frozen values; one row each in the store.

``seq`` numbers objects in the order of their creation and settles ties of age.
"""

from __future__ import annotations

from datetime import datetime

from attrs import frozen


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
    """The launch specification of a bid or reservation, echoed as it was given."""

    volumes: tuple[str, ...]
    ssh_keys: tuple[str, ...]
    startup_script: str | None = None
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


@frozen
class Bid:
    """A spot bid; ``limit_cents`` per instance-hour.

    ``due_at`` is when time alone changes it: the end of an outbid bid's notice, or the moment an ended bid lets
    go of its volumes.
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
    history: tuple[BidEvent, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether it has not been terminated."""
        return self.status != "Terminated"


@frozen
class Reservation:
    """Machines reserved for a time; ``unit_cents`` per instance-hour, ``total_cents`` for all of it."""

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

    @property
    def is_live(self) -> bool:
        """Whether it is still to come or going on."""
        return self.status in ("Pending", "Active", "Paused")


@frozen
class Instance:
    """A machine of a bid or reservation.

    ``state`` is a status word without its prefix; RUNNING reads as STARTING until ``running_at``. ``boots``
    counts how often it was switched on; its disk and its first boot's script belong to the fid.
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

    def status(self, now: datetime) -> str:
        """The status as the wire words it."""
        is_starting = self.state == "RUNNING" and self.running_at is not None and now < self.running_at
        return "STATUS_STARTING" if is_starting else f"STATUS_{self.state}"


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
    "ssh_key": SshKey,
    "volume": Volume,
    "bid": Bid,
    "reservation": Reservation,
    "instance": Instance,
    "auction": Auction,
    "replay": Replay,
}
