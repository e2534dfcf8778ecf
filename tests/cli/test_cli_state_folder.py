"""The state folder of a project: anchored at its root, and passed over by git."""

from __future__ import annotations

import subprocess

from flowplan_program import Project

STACK = "stack: s\nprovider: {region: us-central1-b}\nvolumes: {data: {size_gb: 1, interface: file}}\n"


def test_git_passes_over_all_that_is_written(project: Project) -> None:
    subprocess.run(["git", "init", "-q", "."], cwd=project.root, check=True)
    project.write(STACK)
    project.run("plan", code=0)
    project.apply()
    listed = ["git", "status", "--porcelain", "--untracked-files=all"]
    seen = subprocess.run(listed, cwd=project.root, capture_output=True, text=True, check=True).stdout
    assert seen.split() == ["??", "stack.yaml"]


def test_the_state_does_not_depend_on_where_a_command_was_typed(project: Project) -> None:
    inner = project.root / "stacks" / "a"
    inner.mkdir(parents=True)
    (inner / "stack.yaml").write_text(STACK)
    project.run("apply", "stacks/a", "--auto-approve", code=0)
    assert "No changes" in project.run("-chdir=stacks/a", "plan", "--detailed-exitcode", code=0).out
    assert not (inner / "state").exists()
