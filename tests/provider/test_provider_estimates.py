"""Quotas and quotes on the wire, and the server's own clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from doubles import reservation
from scripted_server import ScriptedServer, answer
from test_provider_mithril import RESERVATION, api, create, run  # noqa: F401

from flowplan.ports import Done, Estimator, Quota, Quote
from flowplan.provider.mithril.provider import MithrilProvider
from flowplan.values.address import Kind

pytestmark = pytest.mark.usefixtures("api")
TERMS = ("8xh100", "r-one", 2, "2026-12-01T00:00:00Z", "2026-12-04T00:00:00Z")


def offer(key: str, unit: str, total: str) -> dict[str, str]:
    return {"key": key, "unit_price": unit, "total_price": total}


def test_the_standard_offer_is_the_quote(api: ScriptedServer) -> None:  # noqa: F811
    offers = [offer("flexible", "$20.00", "$2,880.00"), offer("standard", "$16.50", "$2,376.00")]
    api.on("GET", "/v2/reservation/quote", answer(200, {"offers": offers}))

    async def ask(provider: MithrilProvider) -> Any:
        assert isinstance(provider, Estimator)
        return await provider.quote(*TERMS)

    assert run(api, ask) == Quote(2376.0, 16.5)
    (request,) = api.seen("GET", "/v2/reservation/quote")
    assert request.query["quantity"] == "2" and request.query["start_time"] == "2026-12-01T00:00:00Z"


@pytest.mark.parametrize("offers", [[], [offer("standard", "much", "more")]])
def test_no_offer_that_can_be_read_is_no_quote(api: ScriptedServer, offers: list[Any]) -> None:  # noqa: F811
    api.on("GET", "/v2/reservation/quote", answer(200, {"offers": offers}))
    assert run(api, lambda provider: provider.quote(*TERMS)) is None
    assert run(api, lambda provider: provider.quote("9xnothing", *TERMS[1:])) is None


def test_quotas(api: ScriptedServer) -> None:  # noqa: F811
    row = {"fid": "q", "project": "proj_1", "product_type": "Storage", "total_quantity": 100, "used_quantity": 7,
           "units": "GB", "name": "Storage\u202e", "instance_type": None}  # fmt: skip
    api.on("GET", "/v2/quotas", answer(200, [row]))
    (quota,) = run(api, lambda provider: provider.quotas())
    assert (quota.product, quota.total, quota.used, quota.units) == ("Storage", 100, 7, "GB")
    assert isinstance(quota, Quota) and "\u202e" not in quota.name


def test_a_reservation_is_bought_at_no_more_than_was_quoted(api: ScriptedServer) -> None:  # noqa: F811
    api.on("POST", "/v2/reservation", answer(201, reservation()))
    assert isinstance(create(api, Kind.RESERVATION, {**RESERVATION, "max_unit_price_usd": 16.5}), Done)
    (request,) = api.seen("POST")
    assert request.json()["price_specification"] == {"max_unit_price": 1650}


def test_an_observation_is_dated_by_the_server(api: ScriptedServer) -> None:  # noqa: F811
    async def look(provider: MithrilProvider) -> Any:
        await provider.project()
        provider.client.heard_at = datetime(1999, 1, 1, tzinfo=UTC)
        return await provider.observe([], [Kind.VOLUME])

    seen = run(api, look)
    assert seen.at is None or seen.at.year != 1999, "an older answer does not date a newer listing"
