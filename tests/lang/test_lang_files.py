"""Several files: task files with overrides, folders, typed outputs, and what each mistake points at."""

from __future__ import annotations

from pathlib import Path

import pytest
from lang_stacks import Files, good, load, resource, shown

from flowplan.lang.files import is_stack_file
from flowplan.lang.loader import load_stack
from flowplan.lang.reader import NoFiles
from flowplan.lang.stack import Source
from flowplan.models import TaskConfig


def test_a_file_that_the_model_wrote_is_a_task(tmp_path: Path) -> None:
    path = tmp_path / "t.task.yaml"
    TaskConfig(
        name="train", unique_name=False, instance_type="a100", command="python t.py", env={"A": "1"}
    ).to_yaml(path)
    files = Files({"t.task.yaml": path.read_text()})
    config = resource(good("tasks:\n  t: {file: t.task.yaml, env: {B: b}}\n", files), "task.t").config
    assert (config["name"], config["command"]) == ("train", "python t.py")
    assert config["env"] == {"A": "1", "B": "b"}


def test_what_is_written_beside_a_file_wins_key_by_key_and_null_takes_away() -> None:
    files = Files(
        {
            "t.task.yaml": "instance_type: a100\nimage: i\nports: [1024, 1025]\n"
            "retries: {max_retries: 5, initial_delay: 2}\n"
        }
    )
    text = "tasks:\n  t: {file: t.task.yaml, ports: [2000], retries: {max_retries: 1}, image: null}\n"
    config = resource(good(text, files), "task.t").config
    assert config["ports"] == [2000]
    assert (config["retries"]["max_retries"], config["retries"]["initial_delay"]) == (1, 2)
    assert config["image"] != "i"


@pytest.mark.parametrize(
    ("file", "body", "place"),
    [
        ("instance_type: a100\nenv: {A: [1]}\n", "{file: t.task.yaml, env: {B: b}}", "t.task.yaml:2:10"),
        ("instance_type: a100\nenv: {A: a}\n", "{file: t.task.yaml, env: {B: [1]}}", "s.yaml:3:35"),
        ("instance_type: a100\nimag: x\n", "{file: t.task.yaml}", "t.task.yaml:2:1"),
        ("instance_type: a100\n", "{file: t.task.yaml, imag: x}", "s.yaml:3:26"),
        ("num_instances: 1\n", "{file: t.task.yaml}", "s.yaml:3:3"),
        ("- a\n", "{file: t.task.yaml}", "s.yaml:3:13"),
        ("a: [\n", "{file: t.task.yaml}", "t.task.yaml:2:1"),
        ("instance_type: a100\n", "{file: u.task.yaml}", "s.yaml:3:13"),
    ],
)
def test_a_mistake_points_into_the_file_it_stands_in(file: str, body: str, place: str) -> None:
    _, found = load(f"stack: s\ntasks:\n  t: {body}\n", Files({"t.task.yaml": file}))
    assert [str(one.span) for one in found] == [place]


def test_the_same_thing_in_two_files_names_both_places() -> None:
    sections = {
        "variables": "{a: {default: 1}}",
        "locals": "{a: 1}",
        "data": "{a: {volume: x}}",
        "volumes": "{a: {size_gb: 1}}",
        "tasks": "{a: {instance_type: a100}}",
        "outputs": "{a: {value: 1}}",
    }
    for section, body in sections.items():
        sources = [
            Source("one.yaml", f"stack: s\n{section}: {body}\n"),
            Source("two.yaml", f"{section}: {body}\n"),
        ]
        _, found = load_stack(sources, [], NoFiles(), "0.1.0")
        places = [f"one.yaml:2:{len(section) + 4}", f"two.yaml:1:{len(section) + 4}"]
        assert [str(told.span) for told in found] == places
        for told, other in zip(found, reversed(places), strict=True):
            assert "declared twice" in told.summary and other in told.suggestion


def test_sections_that_are_lists_are_joined_over_files() -> None:
    task = "tasks: {t: {instance_type: a100}}\n"
    sources = [
        Source("one.yaml", f"stack: s\n{task}checks: [{{assert: '{{{{ true }}}}'}}]\nremoved: [{{from: task.a}}]\n"),
        Source("two.yaml", "checks: [{assert: '{{ true }}'}]\nremoved: [{from: task.b}]\ndefaults: {tasks: {image: i}}\n"),
    ]  # fmt: skip
    stack, found = load_stack(sources, [], NoFiles(), "0.1.0")
    assert stack is not None, shown(found)
    assert (len(stack.checks), len(stack.removed)) == (2, 2)
    assert resource(stack, "task.t").config["image"] == "i"


def test_the_lock_is_no_part_of_the_stack() -> None:
    assert not is_stack_file("flowplan.lock.yaml")
    assert not is_stack_file("x/flowplan.lock.yaml")


# -- typed outputs --------------------------------------------------------------------------------------


def test_outputs_have_types() -> None:
    text = (
        "volumes: {d: {size_gb: 1}}\noutputs:\n  a: {value: 2TB, type: size}\n  b: {value: [x], type: list(string)}\n"
        "  c: {value: '{{ volume.d }}', type: string}\n  d: {value: 1}\n"
    )
    outputs = good(text).outputs
    assert (outputs["a"].value, outputs["a"].type) == (2000, "size")
    assert (outputs["b"].value, outputs["b"].type) == (["x"], "list(string)")
    assert (outputs["c"].type, outputs["d"].type) == ("string", "")


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ("{value: x, type: int}", "3:14 the output o must be a whole number, not a text"),
        ("{value: [1, x], type: list(int)}", "3:18 the output o[1] must be a whole number, not a text"),
        ("{value: 1, type: itn}", "3:23 there is no type 'itn'"),
    ],
)
def test_an_output_that_does_not_fit_its_type(output: str, wanted: str) -> None:
    _, found = load(f"stack: s\noutputs:\n  o: {output}\n")
    assert shown(found) == [wanted]


def test_a_sensitive_output_that_does_not_fit_is_not_told() -> None:
    text = "variables: {tok: {default: hunter2hunter2, sensitive: true}}\noutputs:\n  o: {value: '{{ var.tok }}', sensitive: true, type: int}\n"
    [one] = load("stack: s\n" + text)[1]
    assert "hunter2" not in repr(one)
    assert "does not fit its type, int" in one.summary
