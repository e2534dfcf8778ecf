"""What is for sale, what is owned and whose key it is, as the documented models; and what would be objected to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from flowplan.models.config import Project as ProjectModel
from flowplan.models.config import User
from flowplan.models.enums import ReservationStatus, StorageInterface
from flowplan.models.hardware import (
    CPUSpec,
    GPUSpec,
    InstanceMatch,
    InstanceType,
    MemorySpec,
    NetworkSpec,
    StorageSpec,
)
from flowplan.models.instance import AvailableInstance
from flowplan.models.reservation import Reservation as ReservationModel
from flowplan.models.volume import Volume as VolumeModel
from flowplan.provider.mithril import wire
from flowplan.provider.mithril.catalogue import Catalogue, UnmappableError, canonical_name
from flowplan.provider.mithril.codecs import reservation_status
from flowplan.provider.mithril.provider import MithrilProvider
from flowplan.provider.mithril.wire import Auction, structure, structure_all
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError, did_you_mean
from flowplan.values.quantity import Money, parse_instant

T = TypeVar("T")
_ARCHITECTURES = {"b200": "Blackwell", "h100": "Hopper", "h200": "Hopper", "a100": "Ampere"}


@frozen
class _Person:
    fid: str
    email: str | None = None
    user_name: str | None = None


@frozen
class _Machine:
    """A row of the catalogue with its sizes; GB, and GB per GPU for ``gpu_memory_gb``."""

    fid: str
    name: str
    num_gpus: int | None = None
    gpu_type: str | None = None
    gpu_memory_gb: int | None = None
    gpu_socket: str | None = None
    num_cpus: int | None = None
    cpu_type: str | None = None
    ram_gb: int | None = None
    local_storage_gb: int | None = None
    network_type: str | None = None
    ib_count: int | None = None

    @property
    def row(self) -> wire.InstanceType:
        """The row as other modules read it."""
        return wire.InstanceType(self.fid, self.name, self.num_gpus, self.gpu_type, self.gpu_memory_gb)

    @property
    def internode(self) -> str | None:
        """The network between instances."""
        return self.network_type or ("InfiniBand" if self.ib_count else None)

    @property
    def model(self) -> InstanceType | None:
        """The documented model; None for a machine without GPUs, which it cannot describe."""
        if not (self.num_gpus and self.gpu_memory_gb and self.gpu_type):
            return None
        return InstanceType(
            gpu=GPUSpec(
                model=self.gpu_type,
                memory_gb=self.gpu_memory_gb,
                architecture=_ARCHITECTURES.get(self.gpu_type.lower(), ""),
            ),
            gpu_count=self.num_gpus,
            cpu=CPUSpec(cores=self.num_cpus or 1, vendor=self.cpu_type or "Intel"),
            memory=MemorySpec(size_gb=self.ram_gb or 1),
            storage=StorageSpec(size_gb=self.local_storage_gb or 0),
            network=NetworkSpec(intranode=self.gpu_socket or "", internode=self.internode),
            aliases={canonical_name(self.row), self.name.lower(), self.fid},
        )


class Listings:
    """Reads the market and the account through a provider."""

    def __init__(self, provider: MithrilProvider) -> None:
        self._provider = provider
        self._api = provider.api

    async def user(self, user_id: str | None) -> User:
        """See `flowplan.client.market.Market.user`."""
        me = await self._one(_Person, "/v2/me", "the key's user")
        if user_id is None or user_id == me.fid:
            return _user(me)
        for person in await self._all(_Person, "/v2/me/teammates", "teammates"):
            if person.fid == user_id:
                return _user(person)
        raise FlowplanError(Diagnostic.error(f"There is no user {user_id!r} among those the key may see"))

    async def projects(self) -> list[ProjectModel]:
        """See `flowplan.client.market.Market.projects`; a project has no region of its own, so ours is told."""
        return [
            ProjectModel(name=project.name, region=self._provider.region)
            for project in await self._api.projects()
        ]

    async def volumes(self) -> list[VolumeModel]:
        """See `flowplan.client.market.Market.volumes`; ``attached_to`` are bids and reservations."""
        project = await self._provider.project()
        return [
            VolumeModel(
                volume_id=row.fid,
                name=row.name,
                size_gb=row.capacity_gb,
                region=row.region,
                interface=StorageInterface(row.interface.lower()),
                attached_to=[*row.bids, *row.reservations],
                created_at=parse_instant(row.created_at),
            )
            for row in await self._api.volumes(project)
        ]

    async def reservations(self) -> list[ReservationModel]:
        """See `flowplan.client.market.Market.reservations`."""
        project = await self._provider.project()
        rows, types = await asyncio.gather(self._api.reservations(project), self._api.instance_types())
        names = Catalogue.of(types, ())
        return [_reservation(row, names) for row in rows]

    async def matches(self, instance_type: str | None) -> list[InstanceMatch]:
        """See `flowplan.client.market.Market.matches`."""
        machines, auctions = await self._market()
        wanted = (
            set(machines)
            if instance_type is None
            else Catalogue.of((m.row for m in machines.values()), ()).matching(instance_type)
        )
        found = []
        for auction in auctions:
            model = machines[auction.instance_type].model if auction.instance_type in wanted else None
            price = _price(auction)
            if model is not None and price is not None:
                found.append(
                    InstanceMatch(
                        instance=model,
                        region=auction.region,
                        availability=max(0, auction.capacity or 0),
                        price_per_hour=price.dollars,
                    )
                )
        return found

    async def available(self) -> list[AvailableInstance]:
        """See `flowplan.client.market.Market.available`."""
        machines, auctions = await self._market()
        return list(_available(machines, auctions))

    async def objections(self, attributes: Mapping[str, Any]) -> Sequence[Diagnostic]:
        """See `flowplan.client.market.Market.objections`.

        The market's lowest permitted price is not told by any read; a limit below the present price is legal
        and waits, so that is a warning.
        """
        found: list[Diagnostic] = []
        project = await self._provider.project()
        types, auctions, keys, volumes = await asyncio.gather(
            self._api.instance_types(),
            self._api.auctions(),
            self._api.ssh_keys(project),
            self._api.volumes(project),
        )
        catalogue, region = Catalogue.of(types, auctions), str(attributes["region"])
        regions = sorted({auction.region for auction in auctions})
        if region not in regions:
            advice = did_you_mean(region, regions) or f"There are {', '.join(regions)}."
            found.append(Diagnostic.error(f"there is no region {region!r}", suggestion=advice))
        try:
            fid = catalogue.resolve(str(attributes["instance_type"]), region)
            found += _on_the_market(fid, region, attributes, catalogue)
        except UnmappableError as error:
            if region in regions:
                found.append(error.diagnostic)
        try:
            self._provider.launch_keys.choose(attributes.get("ssh_key_ids") or (), keys)
        except FlowplanError as error:
            found += error.diagnostics
        known = {key.fid for key in keys}
        for word in attributes.get("ssh_key_ids") or ():
            if word.startswith("sshkey_") and word not in known:
                found.append(Diagnostic.error(f"the project has no SSH key {word}"))
        by_id = {volume.fid: volume for volume in volumes}
        for volume_id in attributes.get("volume_ids") or ():
            found += _on_volume(volume_id, by_id, region, int(attributes["num_instances"]))
        return found

    async def _market(self) -> tuple[dict[str, _Machine], list[Auction]]:
        machines, auctions = await asyncio.gather(
            self._all(_Machine, "/v2/instance-types", "instance types"), self._api.auctions()
        )
        by_fid = {machine.fid: machine for machine in machines}
        return by_fid, [auction for auction in auctions if auction.instance_type in by_fid]

    async def _one(self, kind: type[_Person], path: str, what: str) -> _Person:
        document = await self._provider.client.read(path, what=what)
        try:
            return structure(kind, document)
        except ValueError as error:
            problem = str(error)
        raise self._api.misshapen(what, problem)

    async def _all(self, kind: type[T], path: str, what: str) -> list[T]:
        documents = await self._provider.client.read(path, what=what)
        try:
            return structure_all(kind, documents)
        except ValueError as error:
            problem = str(error)
        raise self._api.misshapen(what, problem)


def _user(person: _Person) -> User:
    email = person.email or ""
    return User(
        user_id=person.fid, username=person.user_name or email.partition("@")[0] or person.fid, email=email
    )


def _price(auction: Auction) -> Money | None:
    try:
        return Money.parse(auction.last_instance_price) if auction.last_instance_price else None
    except ValueError:
        return None


def _available(machines: Mapping[str, _Machine], auctions: Sequence[Auction]) -> Iterator[AvailableInstance]:
    for auction in auctions:
        machine, price = machines[auction.instance_type], _price(auction)
        if price is None:
            continue
        yield AvailableInstance(
            allocation_id=auction.fid,
            instance_type=canonical_name(machine.row),
            region=auction.region,
            price_per_hour=price.dollars,
            gpu_type=machine.gpu_type or None,
            gpu_count=machine.num_gpus,
            cpu_count=machine.num_cpus,
            memory_gb=machine.ram_gb,
            available_quantity=auction.capacity,
            status="available" if auction.capacity else "sold out",
            internode_interconnect=machine.internode,
            intranode_interconnect=machine.gpu_socket or None,
        )


def _reservation(row: wire.Reservation, names: Catalogue) -> ReservationModel:
    try:
        total = Money.parse(row.total_price).dollars if row.total_price else None
    except ValueError:
        total = None
    return ReservationModel(
        reservation_id=row.fid,
        name=row.name,
        status=ReservationStatus(reservation_status(row.status)),
        instance_type=names.name_of(row.instance_type),
        region=row.region or "",
        quantity=row.instance_quantity,
        start_time_utc=parse_instant(row.start_time),
        end_time_utc=parse_instant(row.end_time),
        price_total_usd=total,
        provider_metadata={
            "provider": "mithril",
            "status": row.status,
            "unit_price": row.unit_price,
            "instances": list(row.instances),
            "volumes": list(row.launch_specification.volumes),
        },
    )


def _on_the_market(
    fid: str, region: str, attributes: Mapping[str, Any], catalogue: Catalogue
) -> Iterator[Diagnostic]:
    here = [a for a in catalogue.auctions if a.instance_type == fid and a.region == region]
    if not here:
        yield Diagnostic.error(
            f"instance type {attributes['instance_type']!r} is not offered in region {region!r}",
            suggestion="find_instances() shows what is offered where.",
        )
        return
    price, limit = _price(here[0]), attributes.get("limit_price")
    if price is not None and isinstance(limit, (int, float)) and Money.of_dollars(limit) < price:
        yield Diagnostic.warning(
            f"the limit of {Money.of_dollars(limit)} is below the present price of {price}, so the task would wait",
            suggestion=f"Raise max_price_per_hour to {price.dollars:g} or more.",
        )
    if here[0].capacity is not None and here[0].capacity < int(attributes["num_instances"]):
        yield Diagnostic.warning(f"only {here[0].capacity} instances are free now, so the task may wait")


def _on_volume(
    volume_id: str, by_id: Mapping[str, wire.Volume], region: str, num_instances: int
) -> Iterator[Diagnostic]:
    volume = by_id.get(volume_id)
    if volume is None:
        yield Diagnostic.error(
            f"there is no volume {volume_id!r} in the project", suggestion=did_you_mean(volume_id, by_id)
        )
        return
    if volume.region != region:
        yield Diagnostic.error(
            f"volume {volume_id} is in region {volume.region}, and the task would run in {region}",
            suggestion=f"Set region: {volume.region}, or use a volume of {region}.",
        )
    if volume.interface.lower() == "block" and num_instances > 1:
        yield Diagnostic.error(
            f"volume {volume_id} is a block volume, which {num_instances} instances cannot share",
            suggestion="Use a file volume, or num_instances: 1.",
        )
    elif volume.interface.lower() == "block" and (volume.bids or volume.reservations):
        holder = next(iter([*volume.bids, *volume.reservations]))
        yield Diagnostic.error(
            f"volume {volume_id} is a block volume that {holder} has",
            suggestion="Stop that task first, or use another volume.",
        )
