"""What is too large, is no file, or is wrong ten thousand times is told in bounded time, and never by a traceback."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from flowplan.cli.main import run

Run = Callable[..., tuple[int, str]]
STACK = "stack: s\nvariables: {token: {sensitive: true, default: x}}\n"
SECRET = "s3cr3t-Value9"


@pytest.fixture
def flowplan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("FLOWPLAN_", "MITHRIL_")):
            monkeypatch.delenv(name)

    def call(*arguments: str, typed: bytes = b"") -> tuple[int, str]:
        said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed), encoding="utf-8"))
        with redirect_stdout(said), redirect_stderr(said):
            code = run(arguments)
        said.seek(0)
        out = said.read()
        assert "itself failed" not in out, out
        return code, out

    return call


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no endless file here")
@pytest.mark.parametrize(
    "arguments",
    [
        "validate s.yaml --var-file /dev/zero", "validate /dev/zero", "plan /dev/zero", "vars /dev/zero",
        "render /dev/zero", "eval 1 /dev/zero", "console /dev/zero", "fmt /dev/zero", "run /dev/zero",
        "show /dev/zero", "validate endless", "validate calls.yaml", "apply endless.fplan --auto-approve",
    ],
)  # fmt: skip
def test_an_endless_file_is_refused_wherever_one_is_named(flowplan: Run, arguments: str) -> None:
    Path("s.yaml").write_text(STACK)
    Path("endless").mkdir()
    Path("endless/a.yaml").symlink_to("/dev/zero")
    Path("endless.fplan").symlink_to("/dev/zero")
    Path("calls.yaml").write_text(
        "stack: s\nmodules: {m: {source: ./endless}}\nlocals: {a: '{{ file(\"l\") }}'}\n"
    )
    Path("l").symlink_to("/dev/zero")
    code, said = flowplan(*arguments.split())
    assert code == 1
    assert "large" in said or "leads out" in said or "no .yaml file" in said, said


def test_endless_standard_input_is_refused(flowplan: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowplan.cli.commands.fmt.LIMIT_BYTES", 1000)
    assert "Standard input is too large" in flowplan("fmt", "-", typed=b"a: 1\n" * 1000)[1]
    Path("s.yaml").write_text(STACK)
    code, said = flowplan("console", "s.yaml", typed=b"9" * 500_000 + b"\n1 + 1\n")
    assert code == 1
    assert said.splitlines()[-1] == "2" and len(said) < 2000


def test_a_folder_of_too_much_is_refused(flowplan: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        Path(f"s{number}.yaml").write_text(f"# {'x' * 100}\nlocals: {{a{number}: 1}}\n")
    monkeypatch.setattr("flowplan.cli.project.LIMIT_FILES", 3)
    assert "has too many files" in flowplan("validate")[1]
    monkeypatch.setattr("flowplan.cli.project.LIMIT_FILES", 4)
    monkeypatch.setattr("flowplan.cli.project.LIMIT_FOLDER_BYTES", 300)
    assert "are too large" in flowplan("validate")[1]


def test_what_is_no_file_at_all_is_said(flowplan: Run) -> None:
    Path("loop").symlink_to("loop")
    Path("s.yaml").write_text(STACK)
    Path("bad.yaml").write_bytes(b"token: \xff\n")
    for arguments in ("validate loop", "plan loop", "validate s.yaml --var-file loop", "fmt loop",
                      f"validate {'a' * 5000}", "validate s.yaml --var-file .", "validate s.yaml --var-file bad.yaml",
                      "show loop", "modules lock loop"):  # fmt: skip
        code, said = flowplan(*arguments.split())
        assert code == 1 and said.startswith("Error: "), said


def test_of_very_many_mistakes_the_first_are_told_and_the_others_counted(flowplan: Run) -> None:
    tasks = "".join(f"  t{n}: {{instance_typ: a100, command: x}}\n" for n in range(3000))
    Path("s.yaml").write_text(f"stack: s\ntasks:\n{tasks}")
    code, said = flowplan("validate", "s.yaml", "--json")
    document = json.loads(said)
    assert (code, document["error_count"], len(document["diagnostics"])) == (1, 3000, 1001)
    assert document["diagnostics"][0]["range"]["start"]["line"] == 3
    assert document["diagnostics"][-1]["summary"] == "2,000 more errors were found and are not listed"
    code, said = flowplan("validate", "s.yaml")
    assert code == 1 and said.count("Error: ") == 100
    assert said.endswith("… and 2,900 more like these; flowplan validate --json lists the first 1,000.\n")


def test_a_warning_never_takes_the_place_of_an_error(flowplan: Run) -> None:
    variables = "".join(f"  v{n}: {{default: 1, deprecated: x}}\n" for n in range(1500))
    Path("s.yaml").write_text(f"stack: s\nvariables:\n{variables}tasks: {{t: {{instance_typ: a}}}}\n")
    Path("flowplan.vars.yaml").write_text("".join(f"v{n}: 2\n" for n in range(1500)))
    document = json.loads(flowplan("validate", "s.yaml", "--json")[1])
    assert (document["error_count"], document["warning_count"]) == (1, 1500)


def test_a_file_with_too_many_mistakes_of_form_is_not_read_on(flowplan: Run) -> None:
    Path("s.yaml").write_text("stack: s\nlocals:\n" + "  a: 1\n" * 5000)
    document = json.loads(flowplan("validate", "s.yaml", "--json")[1])
    assert len(document["diagnostics"]) == 101
    assert "too many mistakes" in document["diagnostics"][-1]["summary"]


BROKEN = {
    "misspelt section": "variabels: {t: {sensitive: true, default: @}}",
    "misspelt name": "variables:\n  Tok: {sensitive: true, default: @}",
    "a list": "variables: [{name: t, sensitive: true, default: @}]",
    "misspelt sensitive": "variables:\n  t: {sensitve: true, default: @}",
    "misspelt sensitive, and no YAML": "variables:\n  t: {sensitve: true, default: @\ntasks: {}",
    "sensitive beside it": "variables:\n  t: {default: abc}\n  sensitive: true\n  default: @",
    "a broken line in the middle": "variables:\n  t:\n    sensitiv\n\ne: true\n    default: @\ntasks: {}",
    "misspelt field": "variables:\n  t: {sensitive: true, defualt: @}",
    "open quote": 'variables:\n  t:\n    sensitive: true\n    default: "@\n  b: 1\ntasks: {}',
    "a tab": "variables:\n  t:\n    sensitive: true\n\tdefault: @",
    "an alias": "variables:\n  t:\n    sensitive: true\n    default: *@",
    "a tag": "variables:\n  t:\n    sensitive: true\n    default: !@ x",
    "another tag": "variables:\n  t: {sensitive: true, default: !!int @}",
    "two colons": "variables:\n  t:\n    sensitive: true\n    default: x: @",
    "no space": "variables:\n  t:\n    sensitive: true\n    default:@\n    type: int",
    "no colon": "variables:\n  t:\n    sensitive: true\n    @\n    type: int",
    "twice a key": "variables:\n  t: {sensitive: true, default: {@: 1, @: 2}}",
    "twice a default": "variables:\n  t: {sensitive: true, default: @, default: @x}",
    "twice a variable": "variables:\n  t: {sensitive: true, default: abcdef}\n  t: {sensitive: true, default: @}",
    "another type": "variables:\n  t:\n    sensitive: true\n    type: int\n    default:\n      k: @\n      @: 1",
    "an anchor elsewhere": "x-a: &a @\nvariables:\n  t: {sensitive: true, default: *a}\n y: 1",
    "an anchor, and all is read": "x-a: &a @\nvariables:\n  t: {sensitive: true, default: *a}\ntasks: {a: *a, b: @ }",
    "all in braces": "{variables: {t: {sensitive: true, default: @}}, tasks: {a: }",
    "an escape": 'variables:\n  t: {sensitive: true, default: "@\\q"}',
    "a module's input": "modules: {m: {source: ./m, with: {t: @, u: 1}}}\ntasks: {a: @}",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_secret_in_a_text_that_cannot_be_read_is_not_quoted(flowplan: Run, text: str) -> None:
    text = text.replace("@", SECRET)
    Path("m").mkdir()
    Path("m/m.yaml").write_text("variables: {t: {sensitive: true, type: int}}\n")
    Path("s.yaml").write_text(text if text.startswith("{") else f"stack: s\n{text}\n")
    for arguments in ("validate s.yaml", "validate s.yaml --json", "vars s.yaml", "vars s.yaml --json", "render s.yaml",
                      "plan s.yaml", "eval 1 s.yaml", "graph s.yaml", "fmt --check --diff s.yaml"):  # fmt: skip
        code, said = flowplan(*arguments.split())
        assert code in (0, 1, 3) and SECRET not in said, said
    assert flowplan("validate", "s.yaml")[0] == 1


def test_only_what_is_kept_for_stacks_can_be_named_as_a_secret(
    flowplan: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWPLAN_SECRETS", "kept")
    Path("kept").mkdir()
    Path("kept/tok").write_text(f"{SECRET}\n")
    Path("out.txt").write_text("not for stacks")
    text = "stack: s\nvariables: {t: {secret: NAME}}\noutputs: {o: {value: '{{ var.t | length }}', sensitive: true}}\n"
    for name in ("../out.txt", "/etc/passwd", "kept/tok", ".", "''", "~"):
        Path("s.yaml").write_text(text.replace("NAME", name))
        assert flowplan("plan", "s.yaml")[0] == 1
    Path("s.yaml").write_text(text.replace("NAME", "tok"))
    for arguments in ("validate s.yaml", "plan s.yaml", "vars s.yaml --json", "render s.yaml", "eval var.t s.yaml",
                      "plan s.yaml --out p.fplan", "apply p.fplan", "output --json", "explain volume.v s.yaml"):  # fmt: skip
        assert SECRET not in flowplan(*arguments.split())[1]
    assert SECRET not in Path("p.fplan").read_text()
    monkeypatch.setenv("FLOWPLAN_SECRETS", "elsewhere")
    assert flowplan("validate", "s.yaml")[0] == 0
    assert "the secret tok of the variable t cannot be read" in flowplan("plan", "s.yaml")[1]
