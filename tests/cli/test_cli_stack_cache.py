"""The evaluated stack that apply keeps: a plan says the same with it and without, and it is used only where it fits."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from flowplan_program import Project
from test_cli_startup import imported

pytestmark = pytest.mark.process

TASK = "instance_type: a100, max_price_per_hour: 3.0, upload_code: false, command: sleep 1000"
STACK = f"""\
stack: kept
provider: {{region: us-central1-b}}
variables: {{size: {{type: int, default: 10}}}}
volumes: {{data: {{size_gb: "{{{{ var.size }}}}", interface: file}}}}
tasks:
  train: {{{TASK}, volumes: [{{volume: "{{{{ volume.data }}}}", mount_path: /data}}]}}
outputs: {{id: {{value: "{{{{ task.train.task_id }}}}"}}}}
"""


def kept(project: Project) -> list[Path]:
    folder = project.state / "evaluated"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def evaluates(project: Project, *arguments: str) -> bool:
    return "flowplan.lang.loader" in imported(project, "-m", "flowplan", "plan", *arguments)


@pytest.fixture
def applied(project: Project) -> Project:
    project.write(STACK)
    assert kept(project) == []
    project.apply()
    return project


def test_a_plan_after_an_apply_need_not_evaluate_the_stack(applied: Project) -> None:
    (file,) = kept(applied)
    assert file.stat().st_mode & 0o777 == 0o600
    assert not evaluates(applied)
    with_it = applied.run("plan", code=0)
    file.rename(applied.root / "aside")
    assert evaluates(applied)
    assert applied.run("plan", code=0).text == with_it.text
    assert kept(applied) == [], "a plan writes nothing"
    applied.apply()
    assert not evaluates(applied), "an apply with nothing to do keeps it too"


def test_where_a_plan_is_typed_does_not_matter(project: Project) -> None:
    project.write(STACK.replace("upload_code", "lifecycle: {prevent_destroy: true}, upload_code"))
    project.apply()
    project.write("", "elsewhere/empty")
    typed = ("--chdir", "elsewhere", "plan", "..")
    assert "flowplan.lang.loader" not in imported(project, "-m", "flowplan", *typed)
    with_it = project.run(*typed, "--replace", "task.train")
    assert "../stack.yaml:6" in with_it.err
    kept(project)[0].unlink()
    assert project.run(*typed, "--replace", "task.train").text == with_it.text


def test_drift_is_told_the_same_with_it_and_without(applied: Project) -> None:
    (bid,) = applied.embedded().live_bids()
    applied.run("sandbox", "fault", "add", "vanish", "object=bid", f"name={bid['fid']}", code=0)
    with_it = applied.run("plan", code=0)
    assert "task.train" in with_it.out
    kept(applied)[0].unlink()
    assert applied.run("plan", code=0).text == with_it.text


def edit_text(project: Project) -> None:
    project.write(STACK + "# a remark\n")


def add_file(project: Project) -> None:
    project.write("size: 10\n", "flowplan.vars.yaml")


def give_value(project: Project) -> None:
    project.env["FLOWPLAN_VAR_size"] = "10"


def cut(project: Project) -> None:
    (file,) = kept(project)
    os.truncate(file, file.stat().st_size // 2)


def edit_kept(project: Project) -> None:
    (file,) = kept(project)
    text = file.read_text().replace("sleep 1000", "sleep 2000")
    assert "sleep 2000" in text
    file.write_text(text)


def garble(project: Project) -> None:
    kept(project)[0].write_bytes(b'{"format": 2, "stack": "kept", "inputs": 5}\n\xff')


def nest(project: Project) -> None:
    kept(project)[0].write_bytes(b"[" * 100_000)


def make_folder(project: Project) -> None:
    (file,) = kept(project)
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    "change",
    [edit_text, add_file, give_value, cut, edit_kept, garble, nest, make_folder],
)
def test_what_does_not_fit_is_not_used(applied: Project, change: Callable[[Project], None]) -> None:
    assert not evaluates(applied)
    change(applied)
    assert evaluates(applied)
    ended = applied.run("plan", code=0)
    assert ended.err == "" and "sleep 2000" not in ended.out


def test_it_is_worth_no_more_than_its_own_state(applied: Project, tmp_path: Path) -> None:
    (tmp_path / "another").mkdir()
    other = Project.make(tmp_path / "another")
    other.write(STACK)
    other.apply()
    kept(other)[0].replace(kept(applied)[0])
    assert evaluates(applied)
    other.close()


def test_documents_are_made_of_the_whole_stack(applied: Project) -> None:
    assert evaluates(applied, "--json")
    assert evaluates(applied, "--out", str(applied.root / "it.plan"))


def test_a_stack_with_a_secret_is_never_kept(applied: Project) -> None:
    assert len(kept(applied)) == 1
    secret = "variables: {token: {type: string, sensitive: true}, size: {type: int, default: 10}}"
    lines = [secret if line.startswith("variables") else line for line in STACK.splitlines()]
    applied.write(
        "\n".join(lines).replace("upload_code: false", 'env: {T: "{{ var.token }}"}, upload_code: false')
    )
    applied.apply("--var", "token=hunter2-and-more")
    assert kept(applied) == [], "nor is what was kept before it had one"
    assert not [name for name, data in applied.contents().items() if b"hunter2-and-more" in data]


def test_a_stack_that_reads_files_is_never_kept(applied: Project) -> None:
    applied.write("10", "size.txt")
    applied.write(STACK.replace("{{ var.size }}", "{{ file('size.txt') | int }}"))
    applied.apply()
    assert kept(applied) == []
    applied.write("20", "size.txt")
    assert "size_gb = 10 -> 20" in applied.run("plan", code=4).out


def test_where_it_cannot_be_kept_nothing_is_said(applied: Project) -> None:
    kept(applied)[0].unlink()
    (applied.state / "evaluated").rmdir()
    (applied.state / "evaluated").write_text("in the way")
    ended = applied.apply()
    assert ended.err == ""
    assert evaluates(applied)
