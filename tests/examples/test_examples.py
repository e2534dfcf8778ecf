"""Every example does what its README says: validated, planned, applied, found unchanged, destroyed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from flowplan_program import Project, Served

pytestmark = pytest.mark.process

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
NOTHING = {"bids": 0, "instances": 0, "volumes": 0, "reservations": 0}
LOGS = {
    "pipeline": {
        "task.prepare": "prepared 200 rows\n",
        "task.train": "trained on 200 rows\n",
        "task.report": "y = 3 * x + 1\n",
    }
}


def copy(project: Project, name: str) -> str:
    shutil.copytree(EXAMPLES / name, project.root / name)
    return name


def until_applied(project: Project, path: str) -> None:
    assert "is valid" in project.run("validate", path, code=0).out
    assert "to add" in project.run("plan", path, "--detailed-exitcode", code=2).out
    assert "Apply complete!" in project.apply(path).out
    again = project.run("plan", path, "--detailed-exitcode", code=0)
    assert "No changes." in again.out and "Plan:" not in again.out


def test_every_example_is_listed_in_the_readme() -> None:
    readme = (EXAMPLES / "README.md").read_text()
    assert NAMES
    for name in NAMES:
        assert f"[{name}]({name}/stack.yaml)" in readme


@pytest.mark.parametrize("name", NAMES)
def test_an_example_goes_round_in_the_embedded_sandbox(project: Project, name: str) -> None:
    path = copy(project, name)
    until_applied(project, path)
    assert sum(project.sandbox_status().values()) > 0
    for address, log in LOGS.get(name, {}).items():
        assert project.run("logs", "-f", address, code=0).out == log
    gone = project.run("destroy", path, "--auto-approve", code=0)
    assert "Destroy complete!" in gone.out
    left = project.sandbox_status()
    if left["reservations"]:
        # A reservation cannot be cancelled at the provider: it is forgotten, and the plan warned of that.
        assert "reservation" in gone.text and "forg" in gone.text
    assert {**left, "reservations": 0} == NOTHING
    assert project.run("state", "list", code=0).out == ""
    assert "No changes." in project.run("plan", path, "--destroy", code=0).out


def test_hello_goes_round_over_a_socket(project: Project, served: Served) -> None:
    path = copy(project, "hello")
    until_applied(project, path)
    assert [bid["status"] for bid in served.live_bids()] == ["Allocated"]
    assert not (project.state / "sandbox").exists()
    project.run("destroy", path, "--auto-approve", code=0)
    assert served.live_ids() == []


def test_hello_goes_round_as_the_real_provider_would(project: Project, served: Served) -> None:
    path = copy(project, "hello")
    stack = project.root / "hello" / "stack.yaml"
    del project.env["FLOWPLAN_SANDBOX_URL"]
    text = stack.read_text()
    assert "provider:\n  region:" in text
    stack.write_text(text.replace("provider:\n", f"provider:\n  type: mithril\n  api_url: {served.url}\n"))
    until_applied(project, path)
    assert not (project.state / "sandbox").exists()
    project.run("destroy", path, "--auto-approve", code=0)
    assert served.live_ids() == []


def test_the_pipeline_runs_to_its_end_over_a_socket(project: Project, served: Served) -> None:
    path = copy(project, "pipeline")
    project.run("apply", path, "--auto-approve", code=0)
    assert "No changes" in project.run("plan", path, "--detailed-exitcode", code=0).out
    project.run("destroy", path, "--auto-approve", code=0)
    assert served.live_ids() == []
