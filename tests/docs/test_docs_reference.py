"""Generated parts of the documentation and the schemas are as fresh as what they are generated from.

Run with FLOWPLAN_ACCEPT=1 to write them anew.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from flowplan.cli.reference import render_reference
from flowplan.lang.schema import stack_schema
from flowplan.models.schema import all_schemas
from flowplan.models.table import table

ROOT = Path(__file__).parents[2]
ACCEPT = os.environ.get("FLOWPLAN_ACCEPT") == "1"


def check(path: Path, text: str) -> None:
    if ACCEPT:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, f"{path.name} is stale: run the tests with FLOWPLAN_ACCEPT=1"


def between(path: Path, marker: str, text: str) -> str:
    start, end = f"<!-- {marker}: made by", f"<!-- end of {marker} -->"
    pattern = re.compile(rf"({re.escape(start)}[^\n]*\n).*({re.escape(end)})", re.DOTALL)
    return pattern.sub(lambda m: f"{m[1]}\n{text}\n{m[2]}", path.read_text())


def dumped(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def test_the_command_reference_is_fresh() -> None:
    page = ROOT / "docs" / "cli.md"
    check(page, between(page, "reference", render_reference()))


def test_the_schemas_of_the_models_are_fresh() -> None:
    for name, schema in all_schemas().items():
        check(ROOT / "schemas" / "models" / f"{name}.schema.json", dumped(schema))
        jsonschema_rs.validator_for(schema)


def test_no_schema_outlives_its_model() -> None:
    kept = {path.name.removesuffix(".schema.json") for path in (ROOT / "schemas" / "models").glob("*.json")}
    assert kept == set(all_schemas())


def test_the_schema_of_stacks_is_fresh() -> None:
    check(ROOT / "schemas" / "stack.schema.json", dumped(stack_schema()))


def test_the_table_of_models_is_fresh() -> None:
    lines = ["# Models", "", "Generated from the classes in `flowplan.models`."]
    model = ""
    for row in table():
        if row.model != model:
            model = row.model
            lines += ["", f"## {model}", "", "| field | type | default | allowed | |", "|---|---|---|---|---|"]
        cells = (f"`{row.field}`", row.type, row.default, row.constraint, row.doc)
        lines.append("| " + " | ".join(str(cell or "").replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    check(ROOT / "docs" / "models.md", "\n".join(lines) + "\n")


GOOD = sorted((ROOT / "examples").glob("*/stack.yaml"))
BAD = {
    "an unknown section": {"stack": "s", "task": {}},
    "an unknown field": {"stack": "s", "tasks": {"a": {"instance_typ": "a100"}}},
    "a number as text": {"stack": "s", "volumes": {"v": {"size_gb": "big"}}},
    "out of range": {"stack": "s", "tasks": {"a": {"num_instances": 101, "instance_type": "a100"}}},
    "a name with capitals": {"stack": "s", "tasks": {"Train": {"instance_type": "a100"}}},
    "no stack": {"tasks": {}},
    "an unknown condition": {"stack": "s", "tasks": {"a": {"depends_on": {"task.b": "finished"}}}},
    "an owned volume with an id": {"stack": "s", "volumes": {"v": {"volume_id": "vol_1"}}},
    "an unknown variable type": {"stack": "s", "variables": {"v": {"type": "text"}}},
}


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.parent.name)
def test_the_examples_fit_the_schema_of_stacks(path: Path) -> None:
    import yaml

    document = json.loads(json.dumps(yaml.load(path.read_text(), yaml.BaseLoader)))
    real = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
    validator = jsonschema_rs.validator_for(stack_schema())
    assert [str(error) for error in validator.iter_errors(real)] == []
    assert document.keys() == real.keys()


@pytest.mark.parametrize("what", BAD)
def test_mistakes_do_not_fit_the_schema_of_stacks(what: str) -> None:
    assert not jsonschema_rs.validator_for(stack_schema()).is_valid(BAD[what])
