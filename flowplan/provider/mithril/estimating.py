"""Quotas and quotes: what may be had, and what it would cost (spec/provider.md, 2.3 and 2.9)."""

from __future__ import annotations

from abc import ABC, abstractmethod

from flowplan.ports import Quota, Quote
from flowplan.provider.mithril.api import Api
from flowplan.provider.mithril.catalogue import Catalogue, UnmappableError
from flowplan.provider.redaction import shown
from flowplan.values.quantity import Money

_STANDARD = "standard"
"""The offer that a reservation takes when it names none."""


class Estimates(ABC):
    """The part of the provider that tells beforehand; see `flowplan.ports.Estimator`."""

    api: Api

    @abstractmethod
    async def project(self) -> str:
        """The id of the project."""

    @abstractmethod
    async def known_catalogue(self) -> Catalogue:
        """The catalogue, as it was last read."""

    async def quotas(self) -> list[Quota]:
        """The quotas of the project.

        Raises:
            FlowplanError: they cannot be read.
        """
        rows = await self.api.quotas(await self.project())
        return [
            Quota(
                shown(row.name or row.product_type),
                shown(row.product_type),
                row.total_quantity,
                row.used_quantity,
                shown(row.units),
                row.instance_type or "",
            )
            for row in rows
        ]

    async def quote(
        self, instance_type: str, region: str, quantity: int, start: str, end: str
    ) -> Quote | None:
        """What the standard offer costs; None where the type is not offered there, or no offer can be read.

        Raises:
            FlowplanError: it cannot be asked for.
        """
        try:
            fid = (await self.known_catalogue()).resolve(instance_type, region)
        except UnmappableError:
            return None
        params = {
            "project": await self.project(),
            "instance_type": fid,
            "region": region,
            "start_time": start,
            "end_time": end,
            "quantity": str(quantity),
        }
        offers = await self.api.quote(params)
        chosen = next((offer for offer in offers if offer.key == _STANDARD), offers[0] if offers else None)
        if chosen is None:
            return None
        try:
            return Quote(Money.parse(chosen.total_price).dollars, Money.parse(chosen.unit_price).dollars)
        except ValueError:
            return None
