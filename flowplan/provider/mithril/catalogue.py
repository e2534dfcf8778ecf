"""The catalogue: instance types, where they are offered, and the many ways people spell them.

An API name such as ``h100-80gb.sxm.8x`` and the canonical ``8xh100`` are matched by family and GPU count
(provider.md section 6); the fid on the wire depends on the region as well (1.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from attrs import field

from flowplan.ports import Offer
from flowplan.provider.mithril.wire import Auction, InstanceType
from flowplan.provider.redaction import shown
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, did_you_mean
from flowplan.values.quantity import Money

_FAMILY = r"[a-z]+\d+[a-z]*"
_SPELLINGS = (
    rf"(?P<count>\d+)x(?P<family>{_FAMILY})",
    rf"(?P<family>{_FAMILY}):(?P<count>\d+)",
    r"(?P<family>[a-z]+\d+)x(?P<count>\d+)",
)
_BARE = {"a100": 1, "h100": 8}
"""How many GPUs a family name without a count means, where the documented models say it (models.md 2.3)."""
_NOT_A_FAMILY = r"\d+x|\d+gb|sxm\d*|pcie\d*|x\d+"


class UnmappableError(Exception):
    """An attribute has no spelling on the wire; ``diagnostic`` says why and what would be right."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.summary)
        self.diagnostic = diagnostic


def parse_spelling(text: str) -> tuple[str, int | None] | None:
    """Family and GPU count of ``8xh100``, ``h100:8``, ``H100x8`` or a bare ``h100``; None for anything else."""
    bare = text.strip().lower()
    for spelling in _SPELLINGS:
        if found := re.fullmatch(spelling, bare):
            return found["family"], int(found["count"][:6])
    return (bare, _BARE.get(bare)) if re.fullmatch(_FAMILY, bare) else None


def family_of(row: InstanceType) -> str:
    """The GPU family of a type, as people say it: ``h100`` of ``ccs-h100.sxm.8x``; "" if there is none to see."""
    for part in re.split(r"[.\-_ ]", row.name.lower()):
        if re.fullmatch(_FAMILY, part) and not re.fullmatch(_NOT_A_FAMILY, part):
            return part
    return (row.gpu_type or "").strip().lower()


def canonical_name(row: InstanceType) -> str:
    """``8xh100`` for a type with GPUs, its API name for one without."""
    family, count = family_of(row), row.num_gpus or 0
    return f"{count}x{family}" if count and family else row.name


def _cents(text: str | None) -> int | None:
    try:
        return Money.parse(text).cents if text else None
    except ValueError:
        return None


@frozen
class Catalogue:
    """Instance types joined with the auctions; made by `Catalogue.of`."""

    types: dict[str, InstanceType] = field(factory=dict)
    names: dict[str, str] = field(factory=dict)
    """The canonical name of each fid."""
    auctions: Sequence[Auction] = ()

    @classmethod
    def of(cls, types: Iterable[InstanceType], auctions: Iterable[Auction]) -> Catalogue:
        """The catalogue of what the two listings say."""
        by_fid = {row.fid: row for row in types}
        return cls(by_fid, {fid: canonical_name(row) for fid, row in by_fid.items()}, tuple(auctions))

    def name_of(self, fid: str) -> str:
        """The canonical name of a type; the fid itself when the catalogue does not know it."""
        return self.names.get(fid, fid)

    def offers(self) -> list[Offer]:
        """What the market has, by region and name."""
        found = []
        for auction in self.auctions:
            row = self.types.get(auction.instance_type)
            found.append(
                Offer(
                    instance_type=self.name_of(auction.instance_type),
                    region=auction.region,
                    type_id=auction.instance_type,
                    available=auction.capacity,
                    price_cents=_cents(auction.last_instance_price),
                    gpus=(row.num_gpus or 0) if row else 0,
                    gpu_memory_gb=(row.gpu_memory_gb or 0) if row else 0,
                )
            )
        return sorted(found, key=lambda offer: (offer.region, offer.instance_type, offer.type_id))

    def matching(self, spelled: str) -> set[str]:
        """The fids, of any region, that ``spelled`` can mean."""
        wanted = spelled.strip()
        if wanted in self.types:
            return {wanted}
        lower = wanted.lower()
        exact = {fid for fid, row in self.types.items() if row.name.lower() == lower}
        if exact:
            return exact
        parsed = parse_spelling(wanted)
        if parsed is None:
            return set()
        family, count = parsed
        of_family = {fid for fid, row in self.types.items() if row.num_gpus and family_of(row) == family}
        if count is None:
            counts = {self.types[fid].num_gpus for fid in of_family}
            return of_family if len(counts) == 1 else set()
        return {fid for fid in of_family if self.types[fid].num_gpus == count}

    def resolve(self, spelled: str, region: str) -> str:
        """The fid that stands for ``spelled`` in ``region``; an ``it_`` id passes as it is.

        Of several, the one with most capacity, then the cheapest, then the first by id. A type that has no
        auction anywhere (it can only be reserved) is given by its id, and the server decides.

        Raises:
            UnmappableError: no such type, several it could be, or not in this region.
        """
        if spelled.startswith("it_"):
            return spelled
        fids = self.matching(spelled)
        if not fids:
            raise UnmappableError(self._unknown(spelled))
        markets = [auction for auction in self.auctions if auction.instance_type in fids]
        here = [auction for auction in markets if auction.region == region]
        if here:
            best = min(
                here,
                key=lambda a: (-(a.capacity or 0), _cents(a.last_instance_price) or 0, a.instance_type),
            )
            return best.instance_type
        if not markets:
            return min(fids)
        regions = sorted({auction.region for auction in markets})
        known = sorted({auction.region for auction in self.auctions})
        advice = f"It is offered in {', '.join(map(shown, regions))}."
        if region not in known and (guess := did_you_mean(region, known)):
            advice = f"{guess} {advice}"
        raise UnmappableError(
            Diagnostic.error(
                f"instance type {spelled!r} is not offered in region {region!r}", suggestion=advice
            )
        )

    def _unknown(self, spelled: str) -> Diagnostic:
        offered = {auction.instance_type for auction in self.auctions}
        names = sorted(
            {shown(self.names[fid]) for fid in offered if fid in self.names} or set(self.names.values())
        )
        parsed = parse_spelling(spelled)
        same = [name for name in names if parsed and name.endswith(f"x{parsed[0]}")]
        if same and parsed and parsed[1] is None:
            return Diagnostic.error(
                f"instance type {spelled!r} does not say how many GPUs",
                suggestion=f"Write one of {', '.join(same)}.",
            )
        advice = did_you_mean(spelled.lower(), names)
        if same:
            advice = f"{same[0][same[0].index('x') + 1 :]} comes as {', '.join(same)}."
        elif names and not advice:
            advice = f"There are {', '.join(names)}."
        return Diagnostic.error(f"there is no instance type {spelled!r}", suggestion=advice)
