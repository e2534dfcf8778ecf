"""Whose is what: a project scanned, a lost state rebuilt, strangers taken in. The real program throughout."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest
from flowplan_program import HELLO, Project

from flowplan.plan.schema import scan_schema

pytestmark = pytest.mark.process


def lose_state(project: Project) -> None:
    for path in project.state.glob("flowplan.db*"):
        path.unlink()


def standings(project: Project, *arguments: str, code: int = 0) -> dict[str, str]:
    document = project.run("scan", "--json", "--detailed-exitcode", *arguments, code=code).json()
    jsonschema_rs.validator_for(scan_schema()).validate(document)
    return {one["kind"]: one["standing"] for one in document["objects"]}


def is_settled(project: Project, path: str) -> bool:
    return "No changes." in project.run("plan", path, "--detailed-exitcode", code=0).out


def test_a_lost_state_is_seen_and_rebuilt(project: Project) -> None:
    project.write(HELLO)
    project.apply()
    assert standings(project) == {"volume": "managed", "task": "managed"}
    before = json.loads(project.run("state", "list", "--json", code=0).out)["resources"]
    lose_state(project)
    assert standings(project, code=2) == {"volume": "foreign", "task": "foreign"}
    assert standings(project, "stack.yaml", code=2) == {"volume": "adoptable", "task": "adoptable"}
    text = project.run("scan", "stack.yaml", code=0).out
    assert "hello: task.hello" in text and "an hour now" in text
    shown = project.run("state", "rebuild", "stack.yaml", "--dry-run", code=0).out
    assert "2 to record" in shown and not (project.state / "flowplan.db").exists()
    assert project.run("state", "rebuild", "stack.yaml", code=1).err.startswith("Error: ")
    project.run("state", "rebuild", "stack.yaml", "--auto-approve", code=0)
    assert json.loads(project.run("state", "list", "--json", code=0).out)["resources"] == before
    assert is_settled(project, "stack.yaml")
    assert standings(project) == {"volume": "managed", "task": "managed"}


def test_strangers_are_taken_in_unchanged(project: Project) -> None:
    project.write(HELLO)
    project.apply()
    lose_state(project)
    said = project.run("scan", "--generate", "adopted", code=0).out
    [made] = sorted(Path(project.root, "adopted").iterdir())
    assert str(made.relative_to(project.root)) in said
    name = f"adopted/{made.name}"
    assert "0 to add, 0 to change, 0 to destroy" in project.run("plan", name, code=0).out
    project.apply(name)
    assert is_settled(project, name)
    assert standings(project) == {"volume": "managed", "task": "managed"}
    again = project.run("scan", "--generate", "adopted", code=1)
    assert "is not an empty folder" in again.err


def test_two_candidates_are_a_persons_choice(project: Project) -> None:
    project.write(HELLO)
    project.apply()
    lose_state(project)
    project.write(
        HELLO.replace("stack: hello", "stack: other").replace("notes: {size", "notes: {name: x-notes, size")
    )
    project.apply()
    lose_state(project)
    project.write(HELLO)
    refused = project.run("state", "rebuild", "stack.yaml", "--auto-approve", code=1)
    assert "2 objects may be task.hello" in refused.err and "--choose 'task.hello=bid_" in refused.err
    assert not (project.state / "flowplan.db").exists()
    chosen = refused.err.split("--choose 'task.hello=")[1].split("'")[0]
    project.run("state", "rebuild", "--auto-approve", "--choose", f"task.hello={chosen}", code=0)
    assert project.run("state", "show", "task.hello", "--json", code=0).json()["id"] == chosen
