"""What a plan says of quotas, quotes and worst cases before anything is bought."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from plan_builders import REGION, empty, observe, recorded, stack, task, volume
from plan_cases import with_life

from flowplan.plan import estimates
from flowplan.plan.change import Mode, Plan, PlanOptions
from flowplan.plan.costs import costs_of
from flowplan.plan.estimates import terms_of, wanted_quotes
from flowplan.plan.observation import Offer, Quota, Quote
from flowplan.plan.planfile import PlanFile, dump_planfile, load_planfile
from flowplan.plan.planner import plan
from flowplan.state.snapshot import Snapshot

OFFERS = [Offer("a100", REGION, "it_a", 50, 200), Offer("a100", "elsewhere", "it_b", 50, 200)]
SPOT = Quota("Spot a100", "Spot", 4, 2, "instances", "it_a")
STORAGE = Quota("Storage", "Storage", 100, 90, "GB")
OPTIONS = PlanOptions(region=REGION, allow_data_loss=("**",))


def planned(desired: Any, snapshot: Snapshot, *quotas: Quota, quotes: dict[str, Quote] | None = None) -> Plan:
    seen = evolve(observe(snapshot, offers=OFFERS), quotas=quotas, quotes=quotes or {})
    return plan(desired, snapshot, seen, (), OPTIONS)


def said(made: Plan) -> list[str]:
    return [d.summary for d in made.diagnostics if "quota" in d.summary]


def tasks(count: int, more: str = "") -> Any:
    return stack(f"tasks: {{a: {task(f'num_instances: {count}{more}')}}}")


def test_what_fits_is_not_spoken_of() -> None:
    assert said(planned(tasks(2), empty(), SPOT, STORAGE)) == []


def test_what_does_not_fit_is_told_with_who_needs_it() -> None:
    made = planned(tasks(3), empty(), SPOT)
    assert said(made) == ["The quota Spot a100 has 2 instances left, and this needs 3 more"]
    (told,) = [d for d in made.diagnostics if "quota" in d.summary]
    assert "More is needed by task.a. A task that finds no quota waits, also for ever." in told.detail
    assert not told.is_error and str(told.address) == "task.a"


def test_another_region_has_another_quota() -> None:
    assert said(planned(tasks(3, ", region: elsewhere"), empty(), SPOT)) == []


def test_what_is_destroyed_first_gives_its_own_back_and_what_is_made_first_does_not() -> None:
    before = recorded(tasks(2))
    edited = tasks(3, ", image: other")
    assert said(planned(edited, before, SPOT)) == []
    first = with_life(edited, {"task.a": {"create_before_destroy": True}})
    assert said(planned(first, before, SPOT)) == [
        "The quota Spot a100 has 2 instances left, and this needs 3 more"
    ]


def test_names_of_types_are_compared_once_however_much_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each quota once looked at each offer for each resource: a minute of work for two thousand resources."""
    calls: list[str] = []
    honest = estimates.is_offer_of

    def counted(offer: Offer, wanted: str) -> bool:
        calls.append(wanted)
        return honest(offer, wanted)

    monkeypatch.setattr(estimates, "is_offer_of", counted)
    quotas = [evolve(SPOT, name=f"q{n}") for n in range(20)]
    many = stack("tasks: {" + ", ".join(f"t{n}: {task()}" for n in range(50)) + "}")
    assert len(said(planned(many, empty(), *quotas))) == 20
    assert len(calls) <= len(OFFERS)


def test_storage_counts_gigabytes() -> None:
    desired = stack(f"volumes: {{a: {volume()}, b: {volume()}}}")
    assert said(planned(desired, empty(), STORAGE)) == [
        "The quota Storage has 10 GB left, and this needs 20 more"
    ]
    assert said(planned(stack("tasks: {}"), recorded(desired), evolve(STORAGE, used=200))) == []


RESERVED = "reservations: {r: {instance_type: a100, quantity: 2, start_time_utc: 2026-12-01T00:00:00Z, duration_hours: 24}}"


def test_a_new_reservation_is_quoted_once_and_limited() -> None:
    desired = stack(RESERVED)
    (terms,) = wanted_quotes(desired, empty(), REGION)
    assert (terms.quantity, terms.end_time_utc) == (2, "2026-12-02T00:00:00Z")
    made = planned(desired, empty(), quotes={terms.key: Quote(96.0, 2.0)})
    (change,) = made.changes
    assert change.costs_usd == 96.0 == made.costs.committed_usd
    assert change.targets["max_unit_price_usd"] == 2.0
    assert wanted_quotes(desired, recorded(desired), REGION) == [], "what is bought is not quoted again"
    unquoted = planned(desired, empty())
    assert unquoted.changes[0].costs_usd is None and unquoted.costs.committed_usd is None


def test_reserved_hours_have_a_quota() -> None:
    quota = Quota("Reserved a100", "Reservations", 50, 10, "instance-hours", "it_a")
    assert said(planned(stack(RESERVED), empty(), quota)) == [
        "The quota Reserved a100 has 40 instance-hours left, and this needs 48 more"
    ]


@pytest.mark.parametrize("missing", ["region", "quantity", "end_time_utc"])
def test_terms_that_are_not_known_have_no_quote(missing: str) -> None:
    terms = {
        "instance_type": "a100",
        "region": REGION,
        "quantity": 1,
        "start_time_utc": "s",
        "end_time_utc": "e",
    }
    assert terms_of(terms) is not None and terms_of({**terms, missing: None}) is None


def test_a_saved_plan_remembers_quotas_and_quotes() -> None:
    seen = evolve(observe(empty(), offers=OFFERS), quotas=(SPOT,), quotes={"k": Quote(1.5, 0.5)})
    file = PlanFile("s", Mode.NORMAL, REGION, True, "", 0, (), {}, seen, {"stack": "s"})
    found = load_planfile("p", dump_planfile(file)).observation
    assert found is not None and (found.quotas, found.quotes) == ((SPOT,), {"k": Quote(1.5, 0.5)})


def test_the_worst_case_before_and_after() -> None:
    one = stack(f"tasks: {{a: {task('num_instances: 2')}, b: {task()}}}")
    before = recorded(one)
    dear = stack(f"tasks: {{a: {task('num_instances: 2').replace('3.0', '5.0')}}}")
    costs = planned(dear, before).costs
    assert (costs.hourly_before_usd, costs.hourly_usd) == (9.0, 10.0)
    assert costs_of(Mode.DESTROY, planned(dear, before).changes, dear, before).hourly_usd == 0.0
    done = evolve(
        before,
        records={
            a: evolve(r, attributes={**r.attributes, "completion": {"exit_code": 0}})
            for a, r in before.records.items()
        },
    )
    assert planned(one, done).costs.hourly_usd == 0.0, "what has completed costs nothing any more"
