"""The books: everything live in a project against every known state, and what each thing costs by the hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

from attrs import field

from flowplan.plan.observation import Observation, Observed, Offer
from flowplan.plan.observe import ours
from flowplan.plan.recognise import Look, by_name, fitting
from flowplan.state.journal import Entry, Operation
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.classes import frozen
from flowplan.values.quantity import Money, parse_instant


class Standing(Enum):
    """Whose an object is."""

    MANAGED = "managed"
    """A known state has it on record."""
    ADOPTABLE = "adoptable"
    """It is ours by its handle (an interrupted creation, or the name that a stack gives), and on no record."""
    FOREIGN = "foreign"
    """Nothing here knows it."""


@frozen
class Ledger:
    """One known state: what is recorded of a stack, what it began, and how to know what it declares.

    ``former`` are the ids that were on its record once and are no more, by kind, with the address they had.
    """

    snapshot: Snapshot
    unfinished: Sequence[Entry] = ()
    looks: Sequence[Look] = ()
    former: Mapping[tuple[Kind, str], Address] = field(factory=dict)


@frozen
class Holding:
    """One live object, whose it is, and its price.

    ``hourly`` is what it costs by the hour now, ``at_most`` what it may cost (at its limit price, all instances
    running); None where nobody tells. ``prepaid``: it was paid when it was bought, and the price is its share of that.
    ``stack`` and ``address`` say where it is, or would be, on record; ``note`` says more in words.
    """

    observed: Observed
    standing: Standing
    stack: str = ""
    address: Address | None = None
    note: str = ""
    hourly: Money | None = None
    at_most: Money | None = None
    prepaid: bool = False


@frozen
class Missing:
    """A record whose object no longer exists (or cannot be seen with this key)."""

    stack: str
    address: Address
    id: str


@frozen
class Books:
    """All live objects of a project, and the records that no live object stands for."""

    project: str
    holdings: tuple[Holding, ...]
    missing: tuple[Missing, ...] = ()
    elsewhere: tuple[str, ...] = ()
    """The known stacks whose resources are in other projects."""

    def of(self, standing: Standing) -> list[Holding]:
        """The holdings of one standing."""
        return [one for one in self.holdings if one.standing is standing]


def settle_books(observation: Observation, ledgers: Iterable[Ledger]) -> Books:
    """Who has what, of all that a refresh saw. Ended objects do not count."""
    known = list(ledgers)
    here = [one for one in known if one.snapshot.project in ("", observation.project)]
    live = [one for one in observation.objects.values() if one.exists]
    owners = {
        key: (one.snapshot.stack, record.address)
        for one in here
        for record in one.snapshot.records.values()
        for key in [(record.kind, record.id), *((record.kind, old.id) for old in record.deposed)]
    }
    began = _begun(here, live)
    looks = [(one.snapshot.stack, by_name(one.looks)) for one in here if one.looks]
    former = {key: (one.snapshot.stack, address) for one in here for key, address in one.former.items()}
    prices = _Prices(observation.offers)
    holdings = []
    for observed in live:
        standing, stack, address, note = _standing(observed, owners, began, looks, former)
        hourly, at_most, prepaid = prices.of(observed)
        holdings.append(Holding(observed, standing, stack, address, note, hourly, at_most, prepaid))
    holdings.sort(key=_order)
    missing = [
        Missing(one.snapshot.stack, record.address, record.id)
        for one in here
        for record in one.snapshot.records.values()
        if _is_missing(record.kind, record.id, observation) and not record.attributes.get("completion")
    ]
    elsewhere = sorted({one.snapshot.stack for one in known if one not in here and one.snapshot.records})
    return Books(observation.project, tuple(holdings), tuple(missing), tuple(elsewhere))


Owner = tuple[str, Address]


def _begun(ledgers: Sequence[Ledger], live: Sequence[Observed]) -> dict[tuple[Kind, str], Owner]:
    """The objects that interrupted creations have made, with their stack and address."""
    named: dict[tuple[Kind, str], list[Observed]] = {}
    for observed in live:
        named.setdefault((observed.kind, observed.name), []).append(observed)
    found = {}
    for ledger in ledgers:
        for entry in ledger.unfinished:
            if entry.operation is Operation.CREATE:
                for observed in ours(entry, named.get((entry.kind, entry.name), ())):
                    found[observed.kind, observed.id] = (ledger.snapshot.stack, entry.address)
    return found


def _standing(
    observed: Observed,
    owners: Mapping[tuple[Kind, str], Owner],
    began: Mapping[tuple[Kind, str], Owner],
    looks: Sequence[tuple[str, Mapping[tuple[Kind, str], list[Look]]]],
    former: Mapping[tuple[Kind, str], Owner],
) -> tuple[Standing, str, Address | None, str]:
    key = (observed.kind, observed.id)
    if key in owners:
        return Standing.MANAGED, *owners[key], ""
    if key in began:
        return Standing.ADOPTABLE, *began[key], "made by an interrupted apply; the next one adopts it"
    for stack, known in looks:
        for look in fitting(observed, known):
            otherwise = look.differs(observed)
            note = "named as the stack names it" + (
                f"; differs in {', '.join(otherwise)}" if otherwise else ""
            )
            return Standing.ADOPTABLE, stack, look.address, note
    if key in former:
        return Standing.ADOPTABLE, *former[key], "was on record once, and was let go"
    return Standing.FOREIGN, "", None, ""


def _is_missing(kind: Kind, id: str, observation: Observation) -> bool:
    if kind not in observation.kinds:
        return False
    seen = observation.find(kind, id)
    return seen is None or not seen.exists


def _order(one: Holding) -> tuple[int, str, int, str, str]:
    standings = list(Standing)
    observed = one.observed
    return (standings.index(one.standing), one.stack, observed.kind.rank, observed.name, observed.id)


class _Prices:
    """What the market asks, by instance type and region; the cheapest, where it names several."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self._asked: dict[tuple[str, str], int] = {}
        for offer in offers:
            if offer.price_cents is not None:
                for name in (offer.instance_type, offer.type_id):
                    key = (name, offer.region)
                    self._asked[key] = min(offer.price_cents, self._asked.get(key, offer.price_cents))

    def of(self, observed: Observed) -> tuple[Money | None, Money | None, bool]:
        """What an object costs by the hour now, at most, and whether that is paid already.

        A task pays the going price for the instances it has, and never more than its limit (provider.md 4). The
        API tells no price of volumes, so theirs is not known.
        """
        seen = observed.attributes
        if observed.kind is Kind.VOLUME:
            return None, None, False
        if observed.kind is Kind.RESERVATION:
            price = _share(seen.get("price_total_usd"), seen.get("start_time_utc"), seen.get("end_time_utc"))
            return price, price, True
        limit, wanted = _price(seen.get("limit_price")), seen.get("num_instances")
        at_most = limit * wanted if limit is not None and isinstance(wanted, int) else None
        if seen.get("status") not in ("running", "preempting"):
            return Money(0), at_most, False
        asked = self._asked.get((str(seen.get("instance_type")), str(seen.get("region"))))
        if asked is None:
            return None, at_most, False
        if limit is not None:
            asked = min(asked, limit.cents)
        return Money(asked) * len(seen.get("instances") or ()), at_most, False


def _price(value: object) -> Money | None:
    """An attribute that is an amount of dollars."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return Money.of_dollars(value) if is_number else None  # type: ignore[arg-type]


def _share(total: object, start: object, end: object) -> Money | None:
    """A price by the hour, of what was paid for a whole time."""
    paid = _price(total)
    try:
        hours = (parse_instant(str(end)) - parse_instant(str(start))).total_seconds() / 3600
    except ValueError:
        return None
    return Money(round(paid.cents / hours)) if paid is not None and hours > 0 else None
