"""The files in schemas/ are what the classes give, and are schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
from fresh_files import ROOT, check, dumped

from flowplan.lang.schema import stack_schema
from flowplan.models.catalogue import all_models
from flowplan.models.schema import models_schema
from flowplan.plan.schema import explain_schema, plan_schema, scan_schema, validate_schema
from flowplan.report.event_schema import events_schema
from flowplan.report.task_schema import tasks_schema
from flowplan.state.schema import state_schema

SCHEMAS = {
    "stack": stack_schema,
    "models": models_schema,
    "plan": plan_schema,
    "explain": explain_schema,
    "validate": validate_schema,
    "scan": scan_schema,
    "state": state_schema,
    "events": events_schema,
    "tasks": tasks_schema,
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_fresh_and_one(name: str) -> None:
    schema: Callable[[], dict[str, Any]] = SCHEMAS[name]
    check(ROOT / "schemas" / f"{name}.schema.json", dumped(schema()))
    jsonschema_rs.meta.validate(schema())


def test_no_other_file_lies_beside_them() -> None:
    assert {path.name for path in (ROOT / "schemas").iterdir()} == {f"{name}.schema.json" for name in SCHEMAS}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_reference_leads_somewhere_and_nothing_is_left_over(name: str) -> None:
    schema = SCHEMAS[name]()
    used = {each["$ref"].removeprefix("#/$defs/") for each in _parts(schema) if "$ref" in each}
    assert used <= set(schema["$defs"])
    assert name == "models" or used == set(schema["$defs"])


def test_all_documented_models_are_there_with_their_words() -> None:
    found = models_schema()["$defs"]
    assert set(found) == set(all_models())
    for name, model in found.items():
        assert model["description"], name
        assert all(field.get("description") for field in model["properties"].values()), name


def test_hovering_over_a_name_in_a_stack_shows_words() -> None:
    definitions = stack_schema()["$defs"]
    for name, field in stack_schema()["properties"].items():
        assert field.get("description"), name
    for part in (*definitions.values(), stack_schema()["properties"]["provider"]):
        for name, field in part.get("properties", {}).items():
            told = definitions[field["$ref"].removeprefix("#/$defs/")] if "$ref" in field else field
            assert told.get("description"), name


def _parts(value: Any) -> Any:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _parts(item)
