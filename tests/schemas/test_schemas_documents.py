"""What the commands print as JSON fits its schema, and holds nothing that the schema does not tell of."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from fresh_files import ROOT

from flowplan.cli.main import run
from flowplan.plan.schema import plan_schema, validate_schema

EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/stack.yaml"))


def closed(schema: Any) -> Any:
    """The schema, refusing properties it does not name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(item) for key, item in schema.items()}
    return {**found, "additionalProperties": False} if isinstance(found.get("required"), list) else found


PLAN = jsonschema_rs.validator_for(closed(plan_schema()))
VALIDATE = jsonschema_rs.validator_for(closed(validate_schema()))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of its own, with the examples in it, to work in."""
    (tmp_path / ".git").mkdir()
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    for name in ("FLOWPLAN_DATA_DIR", "FLOWPLAN_SANDBOX_URL", "MITHRIL_REGION", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert run(arguments) == code
    return json.loads(capsys.readouterr().out)


def faults(validator: Any, document: Any) -> list[str]:
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(document)]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_plan_of_an_example_fits(name: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = printed(capsys, "plan", f"examples/{name}", "--json")
    assert faults(PLAN, document) == []
    assert document["summary"]["add"] == len(document["resource_changes"]) > 0
    saved = project / "next.fplan"
    printed(capsys, "plan", f"examples/{name}", "--json", "--out", str(saved))
    assert faults(PLAN, printed(capsys, "show", str(saved), "--json")) == []


def test_a_plan_with_errors_drift_or_secrets_fits(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack = project / "stack.yaml"
    body = "size_gb: 1, interface: file"
    stack.write_text(
        f"stack: s\nvolumes:\n  a: {{{body}}}\n  b: {{{body}}}\noutputs: {{o: {{value: '{{{{ volume.a }}}}'}}}}\n"
    )
    assert run(["apply", "--auto-approve"]) == 0
    capsys.readouterr()
    stack.write_text(
        f"stack: s\nvariables: {{t: {{default: x, sensitive: true}}}}\nvolumes:\n  a: {{{body}, name: other}}\n"
    )
    changed = printed(capsys, "plan", "--allow-data-loss", "volume.b", "--json")
    assert changed["summary"] == {
        "add": 0,
        "change": 1,
        "destroy": 1,
        "forget": 0,
        "import": 0,
        "unchanged": 0,
    }
    assert faults(PLAN, changed) == []
    assert faults(PLAN, printed(capsys, "plan", "--destroy", "--json")) == []
    same = "  c: {size_gb: 2, name: other}\n"
    task = "tasks:\n  t: {instance_type: a100, upload_code: false, env: {T: '{{ var.t }}'}}\n"
    stack.write_text(stack.read_text() + same + task)
    refused = printed(capsys, "plan", "--json", code=1)
    assert refused["errored"]
    assert refused["diagnostics"]
    assert {"$sensitive": True} in [
        change["after"]["env"].get("T") for change in refused["resource_changes"] if change["kind"] == "task"
    ]
    assert faults(PLAN, refused) == []


def test_what_validate_finds_fits(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = printed(capsys, "validate", "examples/hello", "--json")
    assert good["valid"]
    assert faults(VALIDATE, good) == []
    (project / "stack.yaml").write_text("tasks:\n  t: {imag: x}\n")
    bad = printed(capsys, "validate", "stack.yaml", "--json", code=1)
    assert bad["error_count"] == len(bad["diagnostics"]) > 1
    assert faults(VALIDATE, bad) == []


def test_the_schemas_refuse_what_is_no_such_document(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = printed(capsys, "plan", "examples/hello", "--json")
    for spoil in ("resource_changes", "mode", "format_version", "empty"):
        spoilt = copy.deepcopy(document)
        spoilt[spoil] = "spoilt"
        assert faults(PLAN, spoilt)
        del spoilt[spoil]
        assert faults(PLAN, spoilt)
