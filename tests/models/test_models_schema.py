"""Schemas and table come from the declarations, and agree with the models."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings

from flowplan import models as public
from flowplan.models import Invalid, TaskConfig, structure, unstructure
from flowplan.models.catalogue import all_models
from flowplan.models.schema import all_schemas, model_schema
from flowplan.models.strategies import data, models
from flowplan.models.table import table


@pytest.mark.parametrize("name", list(all_models()))
def test_schemas_are_schemas_and_take_what_the_models_take(name):
    schema = all_schemas()[name]
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.validator_for(schema)

    @settings(max_examples=10, deadline=None)
    @given(models(all_models()[name]))
    def taken(value):
        validator.validate(unstructure(value))

    taken()


@settings(max_examples=20, deadline=None)
@given(data(TaskConfig))
def test_what_users_write_is_taken_too(mapping):
    jsonschema_rs.validator_for(model_schema(TaskConfig)).validate(unstructure(mapping))


@pytest.mark.parametrize(
    "fields",
    [
        {"num_instances": 0},
        {"num_instances": True},
        {"ports": [80]},
        {"name": "a b"},
        {"name": "-"},
        {"priority": "High"},
        {"env": {"A": True}},
        {"env": {"A": None}},
        {"volumes": [{"size_gb": 0}]},
        {"volumes": [{"interfce": "file"}]},
        {"comand": "x"},
        {"max_price_per_hour": 0},
        {"command": 3},
        {"retries": 3},
        {"image": None},
    ],
)
def test_what_one_field_alone_breaks_is_refused_by_both(fields: dict[str, Any]):
    mapping = {"instance_type": "a100", **fields}
    assert not jsonschema_rs.validator_for(model_schema(TaskConfig)).is_valid(mapping)
    with pytest.raises(Invalid):
        structure(TaskConfig, mapping)


def test_the_table_has_a_row_for_each_field():
    found = {(row.model, row.field): row for row in table()}
    assert len(found) == len(table())
    row = found[("TaskConfig", "num_instances")]
    assert (row.type, row.default) == ("int", "1")
    assert row.constraint.startswith("between 1 and 100")
    assert found[("TaskConfig", "allocation_mode")].type == "'spot' | 'reserved' | 'auto'"
    assert found[("Task", "task_id")].default == "required"
    assert all(row.doc for row in table())


def test_public_names():
    for name in public.__all__:
        assert getattr(public, name) is not None
    assert set(public._MODELS) <= set(public.__all__)
    with pytest.raises(AttributeError):
        public.Nothing  # noqa: B018


@pytest.mark.process
def test_importing_the_models_loads_nothing_heavy():
    code = (
        "import sys, flowplan.models as m; m.TaskConfig;"
        "print([n for n in ('httpx','networkx','jinja2','yaml','rich','asyncio','hypothesis','click') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
