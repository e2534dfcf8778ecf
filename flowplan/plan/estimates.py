"""What a plan asks of the market besides prices: quotes for the reservations it would make, and what quotas are left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowplan.lang.stack import Stack
from flowplan.plan.change import Action, ResourceChange
from flowplan.plan.market import is_offer_of
from flowplan.plan.observation import Observation, Offer, Quota, Quote
from flowplan.resources import Settings, kind_of
from flowplan.state.snapshot import Snapshot
from flowplan.values.address import Kind
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic
from flowplan.values.value import is_known

_MAKES = (Action.CREATE, Action.REPLACE)
_TERMS = ("instance_type", "region", "quantity", "start_time_utc", "end_time_utc")


@frozen
class Wanted:
    """A reservation that a quote is wanted for; the same terms have the same quote."""

    instance_type: str
    region: str
    quantity: int
    start_time_utc: str
    end_time_utc: str

    @property
    def key(self) -> str:
        """The same for the same terms."""
        return f"{self.quantity} {self.instance_type} {self.region} {self.start_time_utc} {self.end_time_utc}"


def terms_of(targets: Mapping[str, Any]) -> Wanted | None:
    """The terms that a reservation's provider-side attributes are; None while any of them is not known."""
    values = {name: targets.get(name) for name in _TERMS}
    if not is_known(values) or not isinstance(values["quantity"], int):
        return None
    texts = {name: value for name, value in values.items() if name != "quantity"}
    if not all(isinstance(value, str) and value for value in texts.values()):
        return None
    return Wanted(quantity=values["quantity"], **texts)  # type: ignore[arg-type]


def wanted_quotes(stack: Stack, snapshot: Snapshot, region: str) -> list[Wanted]:
    """The terms of the reservations that are declared and not recorded: those a plan would buy."""
    settings = Settings(region)
    found = (
        terms_of(kind_of(Kind.RESERVATION).targets(resource.config, settings))
        for address, resource in stack.resources.items()
        if address.kind is Kind.RESERVATION and address not in snapshot.records
    )
    return list(dict.fromkeys(terms for terms in found if terms is not None))


def makes_anything(stack: Stack, snapshot: Snapshot) -> bool:
    """Whether anything is declared that is not recorded, so that quotas are worth asking for."""
    return any(address not in snapshot.records for address in stack.resources)


def quote_for(targets: Mapping[str, Any], observation: Observation | None) -> Quote | None:
    """The quote that was given for a reservation, if one was."""
    terms = terms_of(targets) if observation is not None and observation.quotes else None
    return observation.quotes.get(terms.key) if terms is not None and observation is not None else None


def quota_warnings(
    stack: Stack, observation: Observation | None, changes: Sequence[ResourceChange]
) -> Iterator[Diagnostic]:
    """A warning for each quota that does not hold what a plan makes.

    What is destroyed first gives its own back; what is replaced by something made before it does not.
    """
    if observation is None or not observation.quotas:
        return
    types: _Types = {}
    concerned = _concerned(changes, observation.offers, types)
    for quota in observation.quotas:
        about = (_KINDS.get(quota.product), None if quota.product == "Storage" else quota.instance_type)
        needs = [
            (change, _need(change, quota, observation.offers, types)) for change in concerned.get(about, ())
        ]
        more = [change for change, need in needs if need > 0]
        needed, left = sum(need for _, need in needs), quota.total - quota.used
        if needed <= left or not more:
            continue
        first = stack.resources.get(more[0].address)
        who = ", ".join(str(change.address) for change in more[:5])
        who += f" and {len(more) - 5} more" if len(more) > 5 else ""
        yield Diagnostic.warning(
            f"The quota {quota.name} has {max(0, left):,} {quota.units} left, and this needs {needed:,} more",
            f"{quota.used:,} of {quota.total:,} are used. More is needed by {who}. "
            + (
                "A task that finds no quota waits, also for ever."
                if quota.product == "Spot"
                else "The provider will refuse what goes beyond it."
            ),
            span=first.span if first else None,
            snippet=first.snippet if first else "",
            address=more[0].address,
            suggestion="Ask the provider for more quota, or make less at a time.",
        )


def _concerned(
    changes: Sequence[ResourceChange], offers: Sequence[Offer], types: _Types
) -> Mapping[tuple[Kind | None, str | None], Sequence[ResourceChange]]:
    """The changes that a quota may be about, by the kind and the provider's type that it is for."""
    found: dict[tuple[Kind | None, str | None], list[ResourceChange]] = {}
    for change in changes:
        if change.action not in _MAKES and change.record is None:
            continue
        kind = change.kind
        ids: set[str | None] = {None} if kind is Kind.VOLUME else set()
        for attributes in (change.targets, change.record.attributes if change.record else {}):
            ids |= _types(attributes.get("instance_type"), attributes.get("region"), offers, types)
        for id in ids:
            found.setdefault((kind, id), []).append(change)
    return found


_KINDS = {"Storage": Kind.VOLUME, "Spot": Kind.TASK, "Reservations": Kind.RESERVATION}
"""The kind of resource that a quota's product is for."""
_Types = dict[tuple[str, str | None], frozenset[str]]
"""The provider's ids of the types that a name means in a region, worked out once for all resources and quotas."""


def _types(wanted: Any, region: Any, offers: Sequence[Offer], known: _Types) -> frozenset[str]:
    if not isinstance(wanted, str):
        return frozenset()
    key = (wanted, region)
    if key not in known:
        known[key] = frozenset(
            offer.type_id for offer in offers if offer.region == region and is_offer_of(offer, wanted)
        )
    return known[key]


def _need(change: ResourceChange, quota: Quota, offers: Sequence[Offer], types: _Types) -> int:
    """How much of a quota a change takes; negative where it gives some back."""
    need = _amount(change.targets, change, quota, offers, types) if change.action in _MAKES else 0
    frees = change.action is Action.DELETE or (change.action is Action.REPLACE and not change.creates_first)
    if frees and change.record is not None and change.record.attributes.get("status") != "paused":
        need -= _amount(change.record.attributes, change, quota, offers, types)
    return need


def _amount(
    attributes: Mapping[str, Any],
    change: ResourceChange,
    quota: Quota,
    offers: Sequence[Offer],
    types: _Types,
) -> int:
    if quota.product == "Storage":
        size = attributes.get("size_gb")
        return size if change.kind is Kind.VOLUME and isinstance(size, int) else 0
    here = _types(attributes.get("instance_type"), attributes.get("region"), offers, types)
    if quota.instance_type not in here:
        return 0
    if quota.product == "Spot" and change.kind is Kind.TASK:
        count = attributes.get("num_instances")
        return count if isinstance(count, int) else 0
    if quota.product == "Reservations" and change.kind is Kind.RESERVATION:
        terms = terms_of(attributes)
        return terms.quantity * _hours(terms) if terms is not None else 0
    return 0


def _hours(terms: Wanted) -> int:
    from flowplan.values.quantity import parse_instant

    try:
        length = parse_instant(terms.end_time_utc) - parse_instant(terms.start_time_utc)
    except ValueError:
        return 0
    return round(length.total_seconds() / 3600)
