"""The short way of finding a resource as it should be comes to what the long way comes to, whatever there is to see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_builders import changed, make, observe, recorded, stack, task, volume
from plan_cases import plan_of, with_life
from scenarios_lifecycle import CASES as LIFECYCLE
from scenarios_modes import CASES as MODES
from scenarios_refactoring import CASES as REFACTORING
from scenarios_reservations import CASES as RESERVATIONS
from scenarios_storage import CASES as STORAGE
from scenarios_tasks import CASES as TASKS
from test_plan_laws import stacks
from test_plan_scenarios import CASES as SCENARIOS

from flowplan.plan.walk import Walk

TABLES = (SCENARIOS, LIFECYCLE, MODES, REFACTORING, RESERVATIONS, STORAGE, TASKS)


@contextmanager
def the_long_way() -> Iterator[None]:
    """Each resource is looked at closely, also those that plainly stay as they are."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Walk, "_stays", lambda self, resource, record: False)
        yield


@pytest.mark.parametrize("table", TABLES)
def test_the_scenarios_have_the_same_plans_the_long_way(table: dict[str, Any]) -> None:
    for name, case in table.items():
        short = plan_of(case)
        with the_long_way():
            assert plan_of(case) == short, name


def attributes(**more: Any) -> Any:
    """Some attributes for some of the resources there may be."""
    values = {
        "name": st.sampled_from(["s-a", "other"]),
        "limit_price": st.sampled_from([3.0, 5.0]),
        "volume_ids": st.sampled_from([[], ["vol_u"], ["vol_v", "vol_u"], ["vol_u", "vol_v"]]),
        "status": st.sampled_from(["running", "paused", "pending"]),
        "size_gb": st.sampled_from([10, 20]),
    }
    some = st.fixed_dictionaries({}, optional=values | more)
    return st.dictionaries(st.sampled_from(["task.a", "task.b", "volume.u", "volume.v"]), some, max_size=3)


@settings(max_examples=80, deadline=None)
@given(
    stacks(),
    stacks(),
    attributes(completion=st.just({"exit_code": 1})),
    attributes(),
    st.sampled_from(["on_change", "always"]),
    st.booleans(),
)
def test_random_stacks_have_the_same_plans_the_long_way(
    first: str, second: str, known: Any, drift: Any, rerun: str, refreshed: bool
) -> None:
    one, two = stack(first), stack(second)
    before = recorded(one, "x")
    there = {str(address) for address in before.records}
    for address in there & known.keys():
        before = changed(before, address, **known[address])
    again = with_life(one, {address: {"rerun": rerun} for address in there & {"task.a", "task.b"}})
    seen = observe(before, drift={a: drift[a] for a in there & drift.keys()}) if refreshed else None
    for desired in (one, two, again):
        short = make(desired, before, seen)
        with the_long_way():
            assert make(desired, before, seen) == short


def test_what_plainly_stays_is_found_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing would tell that each plan takes the long way."""
    mounts = "volumes: [{volume: '{{ volume.v }}', mount_path: /v}]"
    desired = stack(f"volumes: {{v: {volume()}}}\ntasks: {{a: {task(mounts)}, b: {task()}}}")
    before = recorded(desired)

    def closely(self: Walk, *_: object) -> None:
        raise AssertionError("looked at closely")

    monkeypatch.setattr(Walk, "_wanted", closely)
    assert make(desired, before, observe(before)).unchanged == 3
    assert make(desired, before, None).unchanged == 3
