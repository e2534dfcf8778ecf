"""Stacks: sections, variables and their sources, for_each and when, meta-fields, several files."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lang_stacks import Files, good, load, resource, shown

from flowplan.lang.files import is_stack_file
from flowplan.lang.loader import LATER, load_stack
from flowplan.lang.reader import FolderReader, NoFiles, inside
from flowplan.lang.stack import Condition, Source
from flowplan.lang.variables import VariableSource, parse_variables
from flowplan.values.address import Address
from flowplan.values.diagnostic import Severity
from flowplan.values.value import Reference, Sensitive

STACK = """\
stack: llm-train
requires: ">=0.1"
description: Two trainings
provider: {type: mithril, project: research, region: us-central1-b}
x-shared: &shared {instance_type: a100}
variables:
  nodes: {type: int, default: 4, validate: "{{ 1 <= value <= 64 }}"}
  token: {type: string, sensitive: true}
locals:
  image: "img:{{ var.nodes }}"
volumes:
  datasets:
    size_gb: 2000
    interface: file
    mount_path: /data
    lifecycle: {prevent_destroy: true}
tasks:
  pre_process:
    <<: *shared
    command: python preprocess.py
    volumes: [{volume: "{{ volume.datasets }}"}]
  train:
    for_each: "{{ ['base', 'large'] }}"
    <<: *shared
    command: |
      run --size {{ each.key }} ${OUT:-/x}
    image: "{{ local.image }}"
    num_instances: "{{ var.nodes }}"
    env: {T: "{{ var.token }}"}
    depends_on:
      task.pre_process: completed
    timeouts: {running: 10m}
outputs:
  host: {value: "{{ task.train['base'].ssh_host }}", description: Where}
"""


def test_a_whole_stack() -> None:
    stack, found = load(STACK, token="t0p-secret")
    assert not found
    assert stack is not None
    assert (stack.name, stack.description, stack.provider.type) == ("llm-train", "Two trainings", "mithril")
    assert [str(a) for a in stack.resources] == [
        "volume.datasets", "task.pre_process", 'task.train["base"]', 'task.train["large"]',
    ]  # fmt: skip
    base = resource(stack, 'task.train["base"]')
    assert base.config["name"] == "train-base"
    assert base.config["command"] == "run --size base ${OUT:-/x}\n"
    assert (base.config["image"], base.config["num_instances"]) == ("img:4", 4)
    assert base.config["env"] == {"T": Sensitive("t0p-secret")}
    assert base.timeouts == {"running": timedelta(minutes=10)}
    [edge] = base.depends_on
    assert (str(edge.address), edge.condition, edge.failed_ok) == (
        "task.pre_process",
        Condition.COMPLETED,
        False,
    )
    assert resource(stack, "task.pre_process").config["name"] == "pre-process"
    assert resource(stack, "volume.datasets").lifecycle.prevent_destroy
    assert base.span is not None
    assert (base.span.line, base.snippet) == (22, "  train:")
    span, snippet = base.span_of(("env", "T"))
    assert span is not None
    assert snippet[span.column - 1 : span.end_column - 1] == '"{{ var.token }}"'
    assert stack.outputs["host"].references == (Reference(base.address, "ssh_host"),)


@given(
    st.integers(0, len(STACK)), st.integers(0, 12), st.text(" \n\t:{}[]'\"&*-#|>%@!aé\x00\ufeff0", max_size=4)
)
@settings(max_examples=150, deadline=None)
def test_a_damaged_stack_never_ends_in_a_traceback_and_always_points(at: int, cut: int, put: str) -> None:
    stack, found = load(STACK[:at] + put + STACK[at + cut :], token="t0p-secret")
    assert (stack is None) == found.has_errors
    for one in found:
        assert one.span is not None
        assert "t0p-secret" not in repr(one)


@pytest.mark.parametrize("section", LATER)
def test_a_section_of_a_later_version_is_never_ignored(section: str) -> None:
    assert shown(load(f"stack: s\n{section}: {{}}\n")[1]) == [
        f"2:1 {section} is not supported by this version yet"
    ]


# -- variables -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "007", "007"), ("string", "[a", "[a"), ("int", "7", 7), ("number", "7.5", 7.5), ("bool", "true", True), ("list", "[a, 1]", ["a", 1]),
        ("map", "{a: 1}", {"a": 1}), ("object", "{a: [b]}", {"a": ["b"]}), ("duration", "1h30m", "1h30m"), ("size", "2TB", 2000),
        ("size", "500", 500), ("money", "$1,200.50", 1200.5), ("timestamp", "2026-12-01T01:00:00+01:00", "2026-12-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_a_text_is_read_by_the_declared_type(kind: str, text: str, value: object) -> None:
    source = Source(
        "s.yaml",
        f"stack: s\nvariables:\n  v: {{type: {kind}}}\noutputs: {{o: {{value: '{{{{ var.v }}}}'}}}}\n",
    )
    stack, found = load_stack(
        [source], [VariableSource("--var", {"v": text}, is_text=True)], NoFiles(), "0.1.0"
    )
    assert stack is not None, shown(found)
    assert stack.outputs["o"].value == value
    assert stack.variables["v"].source == "--var v"


@pytest.mark.parametrize(
    ("kind", "text"),
    [("int", "x"), ("int", "1.5"), ("int", "true"), ("number", "no"), ("bool", "yes"), ("list", "a"), ("map", "[a]"), ("map", "{1: a}"), ("int", "["), ("duration", "5"), ("size", "big"), ("money", "cheap"), ("timestamp", "soon"), ("int", "")],
)  # fmt: skip
def test_a_text_that_is_not_of_its_type_is_an_error(kind: str, text: str) -> None:
    source = Source("s.yaml", f"stack: s\nvariables:\n  v: {{type: {kind}}}\n")
    stack, found = load_stack(
        [source], [VariableSource("--var", {"v": text}, is_text=True)], NoFiles(), "0.1.0"
    )
    assert stack is None
    [one] = found
    assert one.summary.startswith("the variable v must be a") or "true or false" in one.summary


def test_the_strongest_source_wins() -> None:
    text = "stack: s\nvariables:\n" + "".join(
        f"  {name}: {{type: string, default: default}}\n" for name in "abcde"
    )
    names = ["file", "environment", "first", "second"]
    sources = [Source("s.yaml", text), Source("flowplan.vars.yaml", "b: file\nc: file\nd: file\ne: file\n")]
    inputs = [
        VariableSource(
            "FLOWPLAN_VAR_*",
            {"c": "environment", "d": "environment", "e": "environment", "zz": "1"},
            is_text=True,
            lenient=True,
        ),
        VariableSource("--var-file", {"d": "first", "e": "first"}),
        VariableSource("--var", {"e": "second"}, is_text=True),
    ]
    stack, found = load_stack(sources, inputs, NoFiles(), "0.1.0")
    assert stack is not None
    assert [stack.variables[name].value for name in "abcde"] == ["default", *names]
    assert stack.variables["b"].source == "flowplan.vars.yaml"
    assert stack.variables["c"].source == "FLOWPLAN_VAR_c"
    [warning] = found
    assert warning.severity is Severity.WARNING


def test_an_undeclared_or_missing_variable_lists_what_is_expected() -> None:
    stack, found = load("stack: s\nvariables:\n  nodes: {type: int, description: How many}\n", node=1)
    assert stack is None
    missing, unknown = found
    assert "--var nodes=…" in missing.suggestion
    assert "How many" in missing.detail
    assert (unknown.summary, unknown.suggestion) == (
        "the stack has no variable 'node'",
        "Did you mean 'nodes'?",
    )


def test_a_variables_file_is_never_quoted() -> None:
    source, found = parse_variables(Source("v.yaml", "a: hunter2\nb: 'hunter2\n"))
    assert source.values == {}
    assert "hunter2" not in repr(list(found))
    assert parse_variables(Source("v.yaml", "- hunter2\n"))[1].has_errors


def test_a_null_default_makes_a_variable_optional() -> None:
    assert (
        good("variables: {v: {type: int, default: null}}\noutputs: {o: {value: '{{ var.v }}'}}\n")
        .outputs["o"]
        .value
        is None
    )


def test_a_validation_with_its_own_message() -> None:
    text = "variables:\n  v: {default: 3, validate: {assert: '{{ value > 5 }}', message: Use more.}}\n"
    [one] = load("stack: s\n" + text)[1]
    assert one.suggestion == "Use more."
    good(text, v=6)


# -- for_each and when -----------------------------------------------------------------------------------


def test_for_each_over_a_mapping_gives_keys_and_values() -> None:
    text = (
        "volumes:\n  v:\n    for_each: {Big One: {gb: 20}, small: {gb: 5}}\n    size_gb: '{{ each.value.gb }}'\n"
        "    when: \"{{ each.key != 'small' }}\"\noutputs: {o: {value: '{{ volume.v[\"Big One\"].size_gb }}'}}\n"
    )
    stack = good(text.replace("  v:", "  vol:").replace("volume.v[", "volume.vol["))
    [one] = stack.resources.values()
    assert (one.config["name"], one.config["size_gb"]) == ("s-vol-big-one", 20)
    assert stack.outputs["o"].value == 20


def test_keys_that_look_alike_get_different_names() -> None:
    stack = good("volumes:\n  vol:\n    for_each: [a b, a-b, A_B, 日]\n")
    names = [r.config["name"] for r in stack.resources.values()]
    assert len(set(names)) == 4


def test_a_switched_off_resource_is_not_desired_and_cannot_be_used() -> None:
    text = "variables: {on: {default: false}}\nvolumes:\n  data: {when: '{{ var.on }}'}\n"
    assert not good(text).resources
    assert len(good(text, on=True).resources) == 1
    use = (
        text
        + "tasks:\n  t: {instance_type: a100, command: \"{{ volume.data.volume_id if var.on else 'x' }}\"}\n"
    )
    assert not resource(good(use), "task.t").references
    assert len(resource(good(use, on=True), "task.t").references) == 1
    assert (
        "switched off"
        in shown(load("stack: s\n" + text + "outputs: {o: {value: '{{ volume.data }}'}}\n")[1])[0]
    )


@given(st.lists(st.text(min_size=1, max_size=6), unique=True, max_size=6))
@settings(max_examples=40, deadline=None)
def test_each_key_makes_one_resource(keys: list[str]) -> None:
    body = "{for_each: '{{ var.k }}', instance_type: a100, command: 'x{{ each.key }}'}"
    stack = good(f"variables: {{k: {{}}}}\ntasks:\n  t: {body}\n", k=keys)
    assert {a.key: r.config["command"] for a, r in stack.resources.items()} == {k: f"x{k}" for k in keys}
    assert len({r.config["name"] for r in stack.resources.values()}) == len(keys)
    assert list(stack.resources) == sorted(stack.resources)


# -- meta-fields -----------------------------------------------------------------------------------------


def test_depends_on_expands_and_takes_conditions() -> None:
    text = (
        "volumes:\n  data: {size_gb: 1}\ntasks:\n  w: {instance_type: a100, for_each: [a, b]}\n"
        "  l: {instance_type: a100, depends_on: [task.w, volume.data]}\n"
        '  m:\n    instance_type: a100\n    depends_on:\n      task.w["a"]: {condition: completed, failed_ok: true}\n      task.l: running\n'
        "  e: {instance_type: a100, for_each: [a, b], depends_on: ['task.w[\"{{ each.key }}\"]']}\n"
    )
    stack = good(text)
    edges = {
        a: [(str(d.address), d.condition.value, d.failed_ok) for d in resource(stack, a).depends_on]
        for a in ("task.l", "task.m", 'task.e["b"]')
    }
    assert edges["task.l"] == [
        ('task.w["a"]', "created", False),
        ('task.w["b"]', "created", False),
        ("volume.data", "created", False),
    ]
    assert edges["task.m"] == [('task.w["a"]', "completed", True), ("task.l", "running", False)]
    assert edges['task.e["b"]'] == [('task.w["b"]', "created", False)]


def test_lifecycle_is_typed() -> None:
    text = (
        "volumes:\n  data: {size_gb: 1}\ntasks:\n  t:\n    instance_type: a100\n    lifecycle:\n      prevent_destroy: true\n      ignore_changes: [env.A, image]\n"
        "      create_before_destroy: false\n      replace_triggered_by: []\n      on_remove: destroy\n      rerun: never\n      on_lost: fail\n"
    )
    found = resource(good(text), "task.t").lifecycle
    assert found.prevent_destroy
    assert (found.ignore_changes, found.replace_triggered_by) == (("env.A", "image"), ())
    assert (found.on_remove, found.rerun, found.on_lost) == ("destroy", "never", "fail")


def test_a_models_own_file_is_a_body() -> None:
    files = Files(
        {
            "t.task.yaml": "name: train\nunique_name: true\ninstance_type: a100\ncommand: docker ps --format '{{.Names}}'\n"
        }
    )
    text = "tasks:\n  t: {file: t.task.yaml, num_instances: '{{ 1 + 1 }}', upload_code: false}\n"
    config = resource(good(text, files), "task.t").config
    assert (config["name"], config["num_instances"]) == ("train", 2)
    assert config["command"] == "docker ps --format '{{.Names}}'"
    files["t.task.yaml"] = "instance_type: a100\nimag: x\n"
    [one] = load("stack: s\n" + text, files)[1]
    assert str(one.span) == "t.task.yaml:2:1"


# -- files -----------------------------------------------------------------------------------------------


def test_a_folder_of_files_is_one_namespace() -> None:
    sources = [
        Source("a.yaml", "stack: s\nlocals: {x: 1}\nvolumes:\n  data: {size_gb: '{{ local.y }}'}\n"),
        Source("b.yaml", "locals: {y: '{{ local.x + 1 }}'}\n"),
        Source("t.task.yaml", "not: [a stack\n"),
    ]
    stack, found = load_stack(sources, [], NoFiles(), "0.1.0")
    assert stack is not None, shown(found)
    assert resource(stack, "volume.data").config["size_gb"] == 2


def test_what_is_declared_twice_names_both_places() -> None:
    sources = [
        Source("a.yaml", "stack: s\nlocals:\n  x: 1\n"),
        Source("b.yaml", "stack: t\nlocals:\n  x: 2\n"),
    ]
    _, found = load_stack(sources, [], NoFiles(), "0.1.0")
    told = [(str(one.span), re.findall(r"\w\.yaml:\d:\d", one.suggestion)) for one in found]
    assert told == [
        ("a.yaml:1:1", ["b.yaml:1:1"]),
        ("a.yaml:3:3", ["b.yaml:3:3"]),
        ("b.yaml:1:1", ["a.yaml:1:1"]),
        ("b.yaml:3:3", ["a.yaml:3:3"]),
    ]


def test_names_of_an_unreadable_file_are_not_reported_as_missing() -> None:
    sources = [
        Source("a.yaml", "stack: s\nlocals: {x: '{{ var.n }}'}\n"),
        Source("b.yaml", "variables: {n: [\n"),
    ]
    _, found = load_stack(sources, [], NoFiles(), "0.1.0")
    assert [one.span.source for one in found if one.span] == ["b.yaml"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.yaml", True),
        ("a.yml", True),
        ("flowplan.vars.yaml", False),
        ("x.task.yaml", False),
        ("a.json", False),
    ],
)
def test_which_files_are_part_of_a_stack(path: str, expected: bool) -> None:
    assert is_stack_file(path) is expected


def test_the_folder_reader_stays_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.sh").write_text("echo\n")
    (tmp_path / "secret").write_text("no")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "latin").write_bytes(b"\xff")
    reader = FolderReader(folder)
    assert reader.read_text("sub/a.sh") == reader.read_text("sub/../sub/a.sh") == "echo\n"
    for path in ("../secret", "/etc/passwd", "link", "sub/../../secret", "~/x", "latin", "a\x00b", ""):
        with pytest.raises(ValueError):
            reader.read_text(path)
    for path in ("nope", "sub"):
        with pytest.raises(OSError):
            reader.read_text(path)
    assert inside("./a/b") == "a/b"


# -- size ------------------------------------------------------------------------------------------------


def test_a_long_chain_of_references_needs_no_deep_stack() -> None:
    text = "locals:\n  l0: 1\n" + "".join(f"  l{i}: '{{{{ local.l{i - 1} + 1 }}}}'\n" for i in range(1, 1500))
    text += "tasks:\n  t0: {instance_type: a100, command: x}\n"
    text += "".join(
        f"  t{i}: {{instance_type: a100, command: '{{{{ task.t{i - 1}.command }}}}'}}\n"
        for i in range(1, 400)
    )
    stack = good("outputs: {o: {value: '{{ local.l1499 }}'}}\n" + text)
    assert stack.outputs["o"].value == 1500
    assert resource(stack, "task.t399").config["command"] == "x"
    assert resource(stack, "task.t7").references == (Reference(Address.parse("task.t6"), "command"),)


def test_equal_texts_give_equal_stacks() -> None:
    assert load(STACK, token="t")[0] == load(STACK, token="t")[0]


def test_without_libyaml_the_result_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    broken = STACK.replace("num_instances", "num_instance").replace("datasets }}", "dataset }}")

    def both() -> tuple[object, list[str]]:
        return load(STACK, token="t0p-secret")[0], shown(load(broken, token="t0p-secret")[1])

    fast = both()
    assert fast[0] is not None
    assert len(fast[1]) == 2
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert both() == fast


def test_resources_whose_shape_depends_on_themselves_are_named() -> None:
    text = "stack: s\nvolumes:\n  a: {for_each: '{{ [volume.b[\"x\"].name] }}'}\n  b: {for_each: '{{ [volume.a[\"x\"].name] }}'}\n"
    assert "circle" in shown(load(text)[1])[0]


def test_an_edge_through_for_each_is_an_edge() -> None:
    text = "volumes:\n  data: {size_gb: 1}\ntasks:\n  t:\n    for_each: {a: '{{ volume.data.volume_id }}'}\n    instance_type: a100\n    command: 'x {{ each.value }}'\n"
    [task] = [r for r in good(text).resources.values() if r.address.key]
    assert task.references == (Reference(Address.parse("volume.data"), "volume_id"),)
    assert task.config["command"].resolve(lambda ref: "v") == "x v"
