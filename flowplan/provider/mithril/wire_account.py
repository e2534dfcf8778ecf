"""Wire shapes of an account and its machines, which most plans ask nothing of: see `flowplan.provider.mithril.wire`."""

from __future__ import annotations

from flowplan.values.classes import frozen


@frozen
class Instance:
    """One machine of a bid or reservation; ``ssh_destination`` is "host" or "host:port", null until it runs."""

    fid: str
    name: str
    status: str
    instance_type: str
    created_at: str
    region: str | None = None
    bid: str | None = None
    reservation: str | None = None
    ssh_destination: str | None = None
    private_ip: str | None = None


@frozen
class Me:
    """Whose key it is."""

    fid: str
    email: str | None = None


@frozen
class SshKey:
    """A public key known to the project; a ``required`` one must be in every launch."""

    fid: str
    name: str
    required: bool | None = None
    public_key: str = ""


@frozen
class ProjectQuota:
    """A quota of the project; ``product_type`` is free text, such as Spot, Reservations and Storage."""

    product_type: str
    total_quantity: int
    used_quantity: int
    units: str = ""
    name: str = ""
    instance_type: str | None = None


@frozen
class ReservationOffer:
    """A quote; prices as "$12.34", the total in dollars, the unit price per instance-hour."""

    key: str
    unit_price: str
    total_price: str
