"""Settling a mapping as plain data gives what building the model and taking it apart gives, or says nothing at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.models import ReservationSpec, TaskConfig, VolumeSpec, structure, unstructure
from flowplan.models.draft import settled
from flowplan.models.model import Model, blueprint
from flowplan.models.naming import suffix_disabled
from flowplan.models.strategies import data
from flowplan.values.convert import Invalid

MODELS: list[type[Model]] = [TaskConfig, VolumeSpec, ReservationSpec]
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1.5, float("nan"), "", "x", "/a/../b", "block", [], [1, 1], ["a"], {}, {"a": 1}, [{"mount_path": "/d"}], [{"x": 1}]]
)  # fmt: skip


def both_ways(model: type[Model], body: dict[str, Any]) -> tuple[Any, Any]:
    with suffix_disabled():
        quick = settled(model, body)
        try:
            return quick, unstructure(structure(model, body))
        except Invalid:
            return quick, None


@pytest.mark.parametrize("model", MODELS)
@given(st.data())
def test_valid_bodies_come_out_alike(model: type[Model], draws: st.DataObject) -> None:
    body = draws.draw(data(model))
    quick, slow = both_ways(model, body)
    assert slow is not None
    assert quick == slow
    assert list(quick) == list(slow)
    assert [type(value) for value in quick.values()] == [type(value) for value in slow.values()]


@pytest.mark.parametrize("model", MODELS)
@given(st.data())
def test_a_body_with_a_mistake_is_never_settled(model: type[Model], draws: st.DataObject) -> None:
    body = draws.draw(data(model))
    names = st.sampled_from([*(field.name for field in blueprint(model).fields), "no_such_field", "target"])
    body |= draws.draw(st.dictionaries(names, ODD, min_size=1, max_size=3))
    quick, slow = both_ways(model, body)
    assert quick is None or quick == slow
