"""``eval``, ``console``, ``render``, ``vars``, ``validate``, ``schema`` and ``new`` as their user meets them."""

from __future__ import annotations

import io
import json
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest

from flowplan.cli.commands.new import TEMPLATES
from flowplan.cli.commands.schema import SCHEMAS
from flowplan.cli.main import run
from flowplan.lang.build import parse_document

STACK = """\
stack: s
description: For tests
variables:
  nodes: {type: int, default: 2, description: Nodes, validate: "{{ value < 100 }}"}
  gb: {type: size, default: 1TB}
  token: {type: string, sensitive: true}
locals:
  twice: "{{ var.nodes * 2 }}"
volumes:
  data: {size_gb: "{{ var.gb }}", interface: file}
tasks:
  train:
    for_each: [a, b]
    instance_type: a100
    num_instances: "{{ local.twice }}"
    env: {TOKEN: "{{ var.token }}", BRACES: "{% raw %}{{ x }}{% endraw %}"}
    volumes: ["{{ volume.data }}"]
    command: |
      echo {{ each.key }}

      done
    depends_on: {volume.data: created}
    timeouts: {running: 2h}
outputs:
  data: {value: "{{ volume.data.volume_id }}", description: The id}
  text: {value: "id-{{ volume.data.volume_id }}"}
"""
SECRET = 'hunter2 "&/ü'
Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "stack.yaml").write_text(STACK)
    monkeypatch.chdir(tmp_path)
    for name in ("FLOWPLAN_DATA_DIR", "FLOWPLAN_SANDBOX_URL", "MITHRIL_REGION", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLOWPLAN_VAR_token", SECRET)
    return tmp_path


@pytest.fixture
def type_(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Type:
    """Run a command; no form of the secret may ever be in what it prints."""

    def run_it(*arguments: str, given: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode()), encoding="utf-8"))
        code = run(arguments)
        ended = capsys.readouterr()
        plain = (
            SECRET,
            quote(SECRET),
            json.dumps(SECRET)[1:-1],
            json.dumps(SECRET, ensure_ascii=False)[1:-1],
        )
        for form in (*plain, b64encode(SECRET.encode()).decode()):
            assert form not in ended.out + ended.err
        assert "Traceback" not in ended.out + ended.err
        assert "flowplan itself failed" not in ended.err
        return code, ended.out, ended.err

    return run_it


# -- eval and console -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        ("var.nodes * 2", "4"),
        ("{{ local.twice }}", "4"),
        ("nodes: {{ var.nodes }}", '"nodes: 2"'),
        ("var.gb", "1000"),
        ("[1, 'a', none, true]", '[\n  1,\n  "a",\n  null,\n  true\n]'),
        ("volume.data.size_gb", "1000"),
        ("volume.data.volume_id", "(known after apply)"),
        ("task.train['a'].num_instances", "4"),
        ("var.token", "(sensitive value)"),
        ("var.token ~ volume.data.volume_id", "(sensitive value)"),
        ("var.token | length", "(sensitive value)"),
        ("{% if var.nodes > 1 %}many{% else %}one{% endif %}", '"many"'),
        ("1 +\n2", "3"),
    ],
)
def test_an_expression_gives_its_value(project: Path, type_: Type, expression: str, printed: str) -> None:
    assert type_("eval", expression) == (0, f"{printed}\n", "")


def test_values_as_documents_and_bare(project: Path, type_: Type) -> None:
    assert json.loads(type_("eval", "--json", "{'a': [var.nodes]}")[1]) == {
        "format_version": "1.0",
        "expression": "{'a': [var.nodes]}",
        "type": "map",
        "value": {"a": [2]},
        "known": True,
        "sensitive": False,
        "waits_for": [],
    }
    later = json.loads(type_("eval", "--json", "volume.data.volume_id")[1])
    assert (later["type"], later["known"], later["waits_for"]) == (None, False, ["volume.data.volume_id"])
    secret = json.loads(type_("eval", "--json", "var.token")[1])
    assert secret["value"] == {"$sensitive": True}
    assert secret["sensitive"]
    assert type_("eval", "--raw", "'a\n' ~ var.nodes") == (0, "a\n2\n", "")
    assert type_("eval", "--raw", "var.token") == (0, "(sensitive value)\n", "")
    assert type_("eval", "var.nodes", "--var", "nodes=7", "stack.yaml") == (0, "7\n", "")


def test_what_is_recorded_is_known(project: Path, type_: Type) -> None:
    (project / "stack.yaml").write_text("stack: s\nvolumes: {data: {size_gb: 1, interface: file}}\n")
    assert type_("eval", "volume.data.volume_id")[1] == "(known after apply)\n"
    assert not (project / "state").exists()
    assert type_("apply", "--auto-approve")[0] == 0
    code, out, _ = type_("eval", "'id ' ~ volume.data.volume_id")
    assert code == 0
    assert out.startswith('"id ')
    assert "known" not in out
    other = project / "other"
    other.mkdir()
    (other / "stack.yaml").write_text((project / "stack.yaml").read_text())
    assert type_("eval", "volume.data.volume_id", "other")[1] == "(known after apply)\n"


@pytest.mark.parametrize(
    ("expression", "place", "said"),
    [
        ("var.nodez", "<expression>:1:1", "'nodes'"),
        ("1 + volume.dta.size_gb", "<expression>:1:5", "'data'"),
        ("1 +\n  locals.x", "<expression>:2:3", "'locals' is not defined"),
        ("a {{ var.nodez }}", "<expression>:1:6", "'nodes'"),
        ("1 / 0", "<expression>:1:1", "divides by zero"),
        ("(1", "<expression>:1:1", "expression"),
        ("each.key", "<expression>:1:1", "each"),
        ("", "<expression>:1:1", "expression"),
        ("\x07", "<expression>", "character"),
    ],
)
def test_mistakes_are_placed_in_the_expression(
    project: Path, type_: Type, expression: str, place: str, said: str
) -> None:
    code, out, err = type_("eval", expression)
    assert (code, out) == (1, "")
    assert f"on {place}" in err
    assert said in err
    assert ".yaml" not in err


def test_mistakes_of_the_stack_are_in_the_stack(project: Path, type_: Type) -> None:
    (project / "stack.yaml").rename(project / "odd.name")
    assert type_("eval", "var.nodes", "odd.name")[1] == "2\n"
    (project / "odd.name").write_text(STACK.replace("size_gb", "size"))
    code, _, err = type_("eval", "var.nodes", "odd.name")
    assert code == 1
    assert "on odd.name:10:10" in err


def test_the_console_goes_on_after_mistakes(project: Path, type_: Type) -> None:
    typed = "var.nodes\n\nvar.nodez\n:vars\n:what\n1 + \\\n2\nvar.token\n:reload\n:quit\nvar.nodes\n"
    code, out, err = type_("console", given=typed)
    assert code == 1
    lines = out.splitlines()
    assert lines[0] == "2"
    assert [line.split() for line in lines[1:5]] == [
        ["NAME", "TYPE", "VALUE", "SOURCE"],
        ["nodes", "int", "2", "default"],
        ["gb", "size", "1000", "default"],
        ["token", "string", "(sensitive", "value)", "FLOWPLAN_VAR_token"],
    ]
    assert lines[5:] == ["3", "(sensitive value)", "The stack's files are read again."]
    assert "on <expression>:1:1" in err
    assert "There is no command :what" in err
    assert type_("console", given="var.nodes") == (0, "2\n", "")
    (project / "stack.yaml").write_text("stack: 1\n")
    assert type_("console", given="1\n")[0] == 1


# -- render -----------------------------------------------------------------------------------------------------


def test_a_stack_is_rendered_whole(project: Path, type_: Type) -> None:
    code, out, _ = type_("render")
    assert code == 0
    document, found = parse_document("out.yaml", out)
    assert not found
    root = document.root
    assert list(root) == ["stack", "description", "volumes", "tasks", "outputs"]
    task = root["tasks"]['train["a"]']
    assert task["command"] == "echo a\n\ndone\n"
    assert task["num_instances"] == 4
    assert task["env"]["TOKEN"] == "(sensitive value)"
    assert task["env"]["BRACES"] == '{{ "{{ x }}" }}'
    assert task["depends_on"] == {"volume.data": "created"}
    assert task["timeouts"] == {"running": "7200s"}
    assert root["outputs"]["text"] == {"value": "id-{{ volume.data.volume_id }}"}
    assert out.count("# known after apply") == 4
    shown = json.loads(type_("render", "--json")[1])
    assert shown["tasks"]['train["b"]']["env"] == {"TOKEN": {"$sensitive": True}, "BRACES": "{{ x }}"}
    assert shown["outputs"]["data"]["value"] == {"$unknown": True, "waits_for": ["volume.data.volume_id"]}
    (project / "rendered.yaml").write_text(out)
    assert type_("fmt", "--check", "rendered.yaml")[0] == 0


# -- variables --------------------------------------------------------------------------------------------------


def test_all_sources_of_a_variable_are_shown_weakest_first(
    project: Path, type_: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "flowplan.vars.yaml").write_text("# values\nnodes: 3\ntoken: other-secret\n")
    (project / "more.vars.yaml").write_text("nodes: 5\n")
    monkeypatch.setenv("FLOWPLAN_VAR_nodes", "4")
    given = ("--var-file", "more.vars.yaml", "--var", "nodes=6", "--var", "nodes=7")
    code, out, _ = type_("vars", "--explain", "nodes", *given)
    assert code == 0
    assert [line.split(None, 2) for line in out.splitlines()[3:]] == [
        ["default", "2"],
        ["flowplan.vars.yaml:2", "3"],
        ["FLOWPLAN_VAR_nodes", "4"],
        ["more.vars.yaml:1", "5"],
        ["--var", "nodes", "6"],
        ["--var", "nodes", "7  ← this one"],
    ]
    assert out.splitlines()[:2] == ["nodes (int): Nodes", "declared at stack.yaml:4:3"]
    code, out, _ = type_("vars", "--explain", "token")
    assert "other-secret" not in out
    assert out.count("(sensitive value)") == 2
    [told] = json.loads(type_("vars", "--json", "--explain", "nodes", *given)[1])["variables"]
    assert (told["value"], told["source"], len(told["sources"])) == (7, "--var nodes", 6)
    assert run(["plan", "--var", "nodes=7"]) == 0


def test_variables_are_listed_even_where_the_stack_is_not_valid(
    project: Path, type_: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLOWPLAN_VAR_token")
    monkeypatch.setenv("FLOWPLAN_VAR_nodes", "many")
    (project / "stack.yaml").write_text(f"{STACK}taks: 1\n")
    code, out, _ = type_("vars")
    assert code == 0
    assert [[cell.strip() for cell in line.split("  ") if cell][2:] for line in out.splitlines()[1:]] == [
        ['"many" (must be a whole number, not a text)', "FLOWPLAN_VAR_nodes"],
        ["1000", "default"],
        ["(not given)", "-"],
    ]
    assert "No source gives a value" in type_("vars", "--explain", "token")[1]
    code, _, err = type_("vars", "--explain", "node")
    assert code == 1
    assert "Did you mean 'nodes'?" in err
    (project / "stack.yaml").write_text("stack: s\n")
    assert type_("vars")[1] == "The stack declares no variables.\n"


# -- validate and schema ----------------------------------------------------------------------------------------


def test_validate_needs_nothing_but_the_files_and_tells_warnings_too(
    project: Path, type_: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWPLAN_VAR_other", "x")
    monkeypatch.setenv("MITHRIL_API_URL", "not a url")
    (project / "stack.yaml").write_text(f"provider: {{type: mithril}}\n{STACK}")
    code, out, err = type_("validate", "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert (document["valid"], document["error_count"], document["warning_count"]) == (True, 0, 1)
    code, out, err = type_("validate")
    assert code == 0
    assert "no variable 'other'" in err
    (project / "stack.yaml").write_text(
        "stack: s\ntasks:\n  t:\n    instance_type: a100\n    imag: x\n    nam: y\n"
    )
    code, out, _ = type_("validate", "--json")
    document = json.loads(out)
    assert code == 1
    assert jsonschema_rs.validator_for(schema("validate")).is_valid(document)
    places = [
        (d["range"]["start"]["line"], d["range"]["start"]["column"]) for d in document["diagnostics"][-2:]
    ]
    assert places == [(5, 5), (6, 5)]


def schema(name: str) -> Any:
    from importlib import import_module

    module, function = SCHEMAS[name]
    return getattr(import_module(module), function)()


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_printed_as_it_is_in_schemas(name: str, project: Path, type_: Type) -> None:
    code, out, _ = type_("schema", *([] if name == "stack" else [name]))
    assert code == 0
    assert json.loads(out) == json.loads(json.dumps(schema(name)))
    assert json.loads(out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


# -- new --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_stack_is_valid_tidy_and_can_be_planned(template: str, project: Path, type_: Type) -> None:
    (project / "stack.yaml").unlink()
    code, out, _ = type_("new", f"my-{template}", "--template", template)
    assert code == 0
    assert f"my-{template}/stack.yaml" in out
    folder = project / f"my-{template}"
    assert type_("validate", folder.name)[0] == 0
    assert type_("fmt", "--check", folder.name) == (0, "", "")
    assert type_("plan", folder.name, "--detailed-exitcode")[0] == 2
    text = (folder / "stack.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=stack.schema.json\nstack: my-")
    document, _ = parse_document("stack.yaml", text)
    assert jsonschema_rs.validator_for(json.loads((folder / "stack.schema.json").read_text())).is_valid(
        document.root
    )


def test_nothing_is_overwritten_by_a_new_stack(project: Path, type_: Type) -> None:
    assert type_("new", "one")[0] == 0
    before = {path.name: path.read_text() for path in (project / "one").iterdir()}
    code, _, err = type_("new", "one", "--template", "training")
    assert code == 1
    assert "Nothing was written" in err
    assert {path.name: path.read_text() for path in (project / "one").iterdir()} == before
    (project / "two").mkdir()
    (project / "two" / "other.yaml").write_text("x: 1\n")
    assert type_("new", "two")[0] == 1
    assert [path.name for path in (project / "two").iterdir()] == ["other.yaml"]
    for wrong in ("Big", "1st", "/"):
        assert type_("new", wrong)[0] == 1
    (project / "file").write_text("")
    assert type_("new", "file")[0] == 1
    assert type_("new")[0] == 64
    assert type_("new", "x", "--template", "helo")[0] == 64
    code, out, _ = type_("new", "--list")
    assert [line.split()[0] for line in out.splitlines()] == list(TEMPLATES)
