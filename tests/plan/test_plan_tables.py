"""The tables of named scenarios, one module for each part of planning (``scenarios_*.py``)."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from plan_cases import Case, check_case

TABLES = sorted(path.stem for path in Path(__file__).parent.glob("scenarios_*.py"))
ROWS: dict[str, Case] = {
    f"{table.removeprefix('scenarios_')}: {name}": case
    for table in TABLES
    for name, case in importlib.import_module(table).CASES.items()
}


@pytest.mark.parametrize("name", ROWS)
def test_scenario(name: str) -> None:
    check_case(ROWS[name])
