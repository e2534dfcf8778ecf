"""What the market says of what is about to be made: warnings, because it moves and the provider has the last word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowplan.lang.stack import Stack
from flowplan.plan.change import Action, ResourceChange
from flowplan.plan.observation import Observation, Offer
from flowplan.resources.price import same_type
from flowplan.values.address import Kind
from flowplan.values.diagnostic import Diagnostic, did_you_mean
from flowplan.values.quantity import Money


def market_warnings(
    stack: Stack, observation: Observation | None, changes: Sequence[ResourceChange]
) -> Iterator[Diagnostic]:
    """A warning for each new resource whose type is not offered, and each bid below the going price."""
    if observation is None or not observation.offers:
        return
    known: dict[str, list[Offer]] = {}
    for change in changes:
        wanted, region = change.targets.get("instance_type"), change.targets.get("region")
        makes = change.action in (Action.CREATE, Action.REPLACE) and change.kind is not Kind.VOLUME
        if not makes or not isinstance(wanted, str) or not isinstance(region, str):
            continue
        resource = stack.resources[change.address]
        if wanted not in known:
            known[wanted] = [offer for offer in observation.offers if is_offer_of(offer, wanted)]
        anywhere = known[wanted]
        here = [offer for offer in anywhere if offer.region == region]
        if not here:
            span, snippet = resource.span_of(("instance_type",))
            if anywhere:
                where = f"in {region} now"
                advice = f"It is offered in {', '.join(sorted({offer.region for offer in anywhere}))}."
            else:
                where = "anywhere now"
                names = sorted({offer.instance_type for offer in observation.offers})
                advice = did_you_mean(wanted, names) or f"Offered are {', '.join(names)}."
            yield Diagnostic.warning(
                f"{change.address}: {wanted} is not offered {where}",
                "The provider may refuse it when it is applied.",
                span=span or resource.span,
                snippet=snippet or resource.snippet,
                address=change.address,
                suggestion=advice,
            )
            continue
        prices = [offer.price_cents for offer in here if offer.price_cents is not None]
        limit = change.targets.get("limit_price")
        if (
            change.kind is Kind.TASK
            and prices
            and isinstance(limit, (int, float))
            and round(limit * 100) < min(prices)
        ):
            span, snippet = resource.span_of(("max_price_per_hour",))
            yield Diagnostic.warning(
                f"{change.address} bids less than {wanted} costs now",
                f"It bids {Money.of_dollars(limit)} an hour and instance; the going price in {region} is "
                f"{Money(min(prices))}. It is refused if that is the lowest price, and else waits until the price falls.",
                span=span or resource.span,
                snippet=snippet or resource.snippet,
                address=change.address,
                suggestion="Raise max_price_per_hour, or let it wait.",
            )


def is_offer_of(offer: Offer, wanted: str) -> bool:
    """Whether an offer is of the type that ``wanted`` spells, in any of its spellings."""
    if wanted.startswith("it_"):
        return wanted == offer.type_id
    return same_type(wanted, offer.instance_type)
