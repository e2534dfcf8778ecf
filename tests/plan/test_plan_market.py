"""What the plan says of the market, before money is spent."""

from __future__ import annotations

import pytest
from plan_builders import stack

from flowplan.plan.change import PlanOptions
from flowplan.plan.observation import Observation, Offer
from flowplan.plan.planner import plan
from flowplan.resources.price import gpu_family, limit_price
from flowplan.state.snapshot import Snapshot

HERE = "us-central1-b"
OFFERS = (
    Offer("1xa100", HERE, "it_a", 16, 150, 1, 80),
    Offer("8xh100", HERE, "it_h", 16, 800, 8, 80),
    Offer("8xh200", "elsewhere", "it_2", 16, 900, 8, 141),
)


def said(body: str) -> list[str]:
    desired = stack(f"tasks: {{t: {{command: x, upload_code: false, {body}}}}}")
    seen = Observation("proj_1", offers=OFFERS)
    made = plan(desired, Snapshot(desired.name), seen, (), PlanOptions(region=HERE))
    assert not made.has_errors
    return [d.summary for d in made.diagnostics]


@pytest.mark.parametrize("name", ["8xh100", "h100", "h100:8", "h100-80gb.sxm.8x", "it_h"])
def test_what_is_offered_is_not_remarked_on(name: str) -> None:
    assert said(f"instance_type: '{name}', max_price_per_hour: 9") == []


def test_a_type_that_no_one_offers_is_remarked_on() -> None:
    assert said("instance_type: a1000, max_price_per_hour: 9") == [
        "task.t: a1000 is not offered anywhere now"
    ]
    assert said("instance_type: 4xh100, max_price_per_hour: 9") == [
        "task.t: 4xh100 is not offered anywhere now"
    ]


def test_a_type_of_another_region_is_remarked_on() -> None:
    assert said("instance_type: 8xh200, max_price_per_hour: 9") == [
        f"task.t: 8xh200 is not offered in {HERE} now"
    ]


@pytest.mark.parametrize(("price", "remarked"), [("7.99", True), ("8.00", False), ("8.01", False)])
def test_a_bid_below_the_going_price_is_remarked_on(price: str, remarked: bool) -> None:
    expected = ["task.t bids less than 8xh100 costs now"] if remarked else []
    assert said(f"instance_type: 8xh100, max_price_per_hour: {price}") == expected


@pytest.mark.parametrize(
    ("name", "family", "low"),
    [
        ("8xh100", "h100", 32),
        ("h100", "h100", 32),
        ("a1000", None, None),
        ("ccs-h200.sxm.1x", "h200", 5),
        ("gb200", "gb200", 7),
        ("4xl4", "l4", 2.4),
        ("l40s", "l40s", 2),
        ("a10", "a10", 1),
        ("c1-standard", None, None),
    ],
)
def test_the_price_of_a_priority(name: str, family: str | None, low: float | None) -> None:
    assert gpu_family(name) == family
    assert limit_price({"priority": "low"}, name) == (None if low is None else pytest.approx(low))
