"""Mistakes of every kind: each ends with a code, says what is wrong, where, and what would be right, and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from attrs import frozen
from flowplan_program import HELLO, Ended, Project, Served
from scripted_server import Raw, ScriptedServer, answer, raw

pytestmark = pytest.mark.process

TASK = "stack: x\ntasks:\n  t: {command: hi, instance_type: a100, upload_code: false%s}\n"


@frozen
class Mistake:
    """``where`` None: the mistake has no place in a file. ``caret``: what is underlined."""

    text: str | bytes
    what: str
    where: str | None = None
    caret: str | None = None
    advice: str = ""
    arguments: tuple[str, ...] = ()


MISTAKES = {
    "bad YAML": Mistake("stack: [a\n", "never closed", "1:8", "[", "Put a ]"),
    "a tab": Mistake("stack: x\ntasks:\n\tt: {}\n", "tab", "3:1"),
    "a key twice": Mistake("stack: x\nstack: y\n", "'stack' stands twice", "2:1", "stack", "Remove one"),
    "an unknown section": Mistake("stack: x\ntask: {}\n", "'task'", "2:1", "task", "Did you mean 'tasks'?"),
    "an unknown key": Mistake(
        TASK.replace("command", "comand") % "",
        "comand is not a field",
        "3:7",
        "comand",
        "Did you mean 'command'?",
    ),
    "a wrong type": Mistake(
        TASK % ", num_instances: lots", "num_instances must be a whole number, not 'lots'", "3:76", "lots"
    ),
    "a missing variable": Mistake(
        "stack: x\nvariables:\n  n: {type: int, description: How many}\n",
        "the variable n (int) has no value",
        "3:3",
        "n",
        "FLOWPLAN_VAR_n",
    ),
    "a variable of the wrong type": Mistake(
        "stack: x\nvariables:\n  n: {type: int}\n",
        "the variable n must be a whole number",
        advice="--var n",
        arguments=("--var", "n=many"),
    ),
    "an unknown variable": Mistake(
        "stack: x\nvariables:\n  nodes: {default: 1}\n",
        "the stack has no variable 'node'",
        "--var node",
        advice="Did you mean 'nodes'?",
        arguments=("--var", "node=2"),
    ),
    "a circle": Mistake(
        "stack: x\ntasks:\n"
        "  a: {command: hi, instance_type: a100, depends_on: [task.b]}\n"
        "  b: {command: hi, instance_type: a100, depends_on: [task.a]}\n",
        "dependency cycle: task.a -> task.b -> task.a",
        "3:54",
        advice="Remove one of these references",
    ),
    "an unquoted expression": Mistake(
        "stack: x\nvariables: {n: {default: 1}}\n"
        + (TASK % ", num_instances: {{ var.n }}").partition("\n")[2],
        "an expression stands outside quotes",
        "4:76",
        "{{ var.n }}",
        "Quote the whole value",
    ),
    "an undefined name": Mistake(
        "stack: x\nvariables: {nodes: {default: 1}}\n"
        + (TASK % ', num_instances: "{{ var.nods }}"').partition("\n")[2],
        "there is no variable 'nods'",
        "4:80",
        "var.nods",
        "Did you mean 'nodes'?",
    ),
    "an undefined resource": Mistake(
        TASK % ', env: {A: "{{ volume.dat.volume_id }}"}', "volume", "3:", "volume.dat"
    ),
    "a NUL": Mistake(b"stack: x\0y\n", "U+0000 cannot stand in YAML", "1:9", "\\x00", "Remove it"),
    "no UTF-8": Mistake(
        b"stack: x\n# \xff\xfe\n", "stack.yaml is not UTF-8", advice="Save the file as UTF-8"
    ),
    "a binary file": Mistake(
        bytes(range(256)) * 20, "stack.yaml is not UTF-8", advice="Save the file as UTF-8"
    ),
    "endless depth": Mistake(
        "stack: x\nlocals: {a: " + "[" * 5000 + "]" * 5000 + "}\n", "nested more than", "2:", "["
    ),
    "an alias bomb": Mistake(
        "stack: x\nlocals:\n  a0: &a0 [x, x]\n"
        + "".join(f"  a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
        "aliases make this document too large",
        "9:12",
        "*a5",
        "Write fewer aliases",
    ),
    "a list": Mistake("- a\n- b\n", "stack.yaml", "1:1"),
    "nothing": Mistake("", "stack", "stack.yaml"),
    "a number": Mistake("42\n", "", "1:1", "42"),
}


def check_words(ended: Ended, mistake: Mistake) -> None:
    assert ended.err.startswith("Error: ") and ended.out == "", ended
    assert mistake.what in ended.err, ended.err
    assert mistake.advice in ended.err, ended.err
    if mistake.where is not None:
        place = mistake.where if mistake.where.startswith("--") else f"stack.yaml:{mistake.where}"
        assert f"on {place}" in ended.err or mistake.where == "stack.yaml", ended.err
    if mistake.caret is not None:
        assert underlined(ended.err)[: len(mistake.caret)] == mistake.caret, ended.err


def underlined(text: str) -> str:
    """What the first line of carets stands under."""
    found = re.search(r"^    \d+ \| (.*)\n     *\| ( *)(\^+)$", text, re.MULTILINE)
    assert found is not None, text
    return found[1][len(found[2]) : len(found[2]) + len(found[3])]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_stack_is_explained(project: Project, name: str) -> None:
    mistake = MISTAKES[name]
    project.write(mistake.text)
    ended = project.run("validate", "stack.yaml", *mistake.arguments, code=1)
    check_words(ended, mistake)
    assert not project.state.exists()


@pytest.mark.parametrize("command", ["plan", "apply", "destroy", "graph"])
def test_every_command_says_the_same(project: Project, command: str) -> None:
    mistake = MISTAKES["an undefined name"]
    project.write(mistake.text)
    approve = ("--auto-approve",) if command in ("apply", "destroy") else ()
    check_words(project.run(command, *approve, code=1), mistake)
    assert not project.state.exists()


def test_mistakes_are_told_all_at_once_and_as_json(project: Project) -> None:
    project.write(TASK % ', num_instances: lots, priority: vital, image: "{{ var.nope }}"')
    told = project.run("validate", code=1).err
    assert told.count("Error: ") == 3
    assert all(word in told for word in ("'lots'", "'vital'", "'nope'"))
    document = project.run("validate", "--json", code=1).json()
    assert (document["valid"], document["error_count"]) == (False, 3)
    assert all(
        d["range"]["file"] == "stack.yaml" and d["range"]["start"]["line"] == 3
        for d in document["diagnostics"]
    )


def test_a_path_that_leads_nowhere(project: Project) -> None:
    (project.root / "empty").mkdir()
    missing = project.run("plan", "nowhere.yaml", code=1)
    assert "There is no file nowhere.yaml" in missing.err and "--chdir" in missing.err
    empty = project.run("plan", "empty", code=1)
    assert "There is no stack in empty" in empty.err and "holds no .yaml file" in empty.err
    project.write(HELLO)
    for name, reason in (("empty", "Is a directory"), ("nothing.yaml", "No such file")):
        refused = project.run("plan", "--var-file", name, code=1)
        assert f"--var-file {name} cannot be read" in refused.err and reason in refused.err
    assert "cannot be read" in project.run("show", "nothing.fplan", code=1).err
    assert "cannot be written" in project.run("plan", "-refresh=false", "-out", "no/where.fplan", code=1).err
    assert not project.state.exists()


def test_nothing_recorded_yet(project: Project) -> None:
    for arguments in (
        ("state", "list"),
        ("output",),
        ("show",),
        ("logs", "task.hello"),
        ("state", "show", "task.a"),
    ):
        ended = project.run(*arguments, code=1)
        assert "Nothing is recorded" in ended.err and "flowplan apply PATH" in ended.err
    assert not project.state.exists()


# -- the provider


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def use(project: Project, url: str, key: str = "fkey_something") -> None:
    project.env |= {"FLOWPLAN_SANDBOX_URL": url, "MITHRIL_API_KEY": key}


def refused(project: Project, code: int, *phrases: str) -> None:
    """plan and apply end with ``code``, say the phrases, and leave the state as it was."""
    before = project.contents()
    for arguments in (("plan",), ("apply", "--auto-approve")):
        ended = project.run(*arguments, code=code)
        for phrase in phrases:
            assert phrase in ended.err, ended.err
    assert project.contents() == before


def test_no_key(project: Project) -> None:
    project.write(HELLO.replace("provider: {", "provider: {type: mithril, "))
    refused(project, 1, "no API key is set", "export MITHRIL_API_KEY=")


def test_nobody_listens(project: Project) -> None:
    project.write(HELLO)
    use(project, "http://127.0.0.1:1")
    refused(
        project, 1, "cannot reach http://127.0.0.1:1: the connection was refused", "flowplan sandbox serve"
    )


def test_a_wrong_key(project: Project, served: Served) -> None:
    project.write(HELLO)
    use(project, served.url, "fkey_wrong")
    refused(project, 1, f"{served.url} refused the API key", "Set MITHRIL_API_KEY")


@pytest.mark.parametrize(
    ("reply", "code", "phrases"),
    [
        (answer(422, {"detail": [{"loc": ["query", "project"], "msg": "bad", "type": "x"}]}), 1, ("did not accept",)),
        (raw(200, b"<html><body>Welcome</body></html>", **{"content-type": "text/html"}), 1, ("Is this the right server?",)),
        (answer(200, {"unexpected": True}), 1, ("does not answer as the Mithril API does",)),
        (answer(403, {"detail": "no"}), 1, ("no permission",)),
        (answer(302, None, location="http://127.0.0.1:1/"), 1, ("redirects are not followed",)),
    ],
    ids=["422", "HTML", "another shape", "403", "redirect"],
)  # fmt: skip
def test_a_server_that_answers_otherwise(
    project: Project, server: ScriptedServer, reply: Raw, code: int, phrases: tuple[str, ...]
) -> None:
    project.write(HELLO)
    use(project, server.url)
    for path in ("/v2/projects", "/v2/instance-types", "/v2/spot/availability"):
        server.on("GET", path, reply)
    refused(project, code, server.url if "no permission" not in phrases else "", *phrases)


def test_a_broken_server_is_a_transient_failure(project: Project, server: ScriptedServer) -> None:
    project.write(HELLO)
    use(project, server.url)
    for path in ("/v2/projects", "/v2/instance-types", "/v2/spot/availability"):
        server.on("GET", path, answer(500, {"detail": "oops"}))
    ended = project.run("plan", code=6)
    assert f"{server.url} has a fault of its own (status 500)" in ended.err and "Try again later" in ended.err
    assert not project.state.exists()


def test_an_instance_type_that_nobody_sells(project: Project) -> None:
    project.write(TASK.replace("a100", "a1000") % "")
    ended = project.run("apply", "--auto-approve", code=1)
    assert "a1000" in ended.err and "stack.yaml:3:3" in ended.err
    assert "a100" in ended.err.replace("a1000", ""), "it says what would be right"
    assert project.embedded().live_ids() == []


def test_a_price_below_the_minimum(project: Project) -> None:
    project.write(TASK % ", max_price_per_hour: 0.1")
    ended = project.run("apply", "--auto-approve", code=1)
    assert "the limit price is below the minimum of this instance type" in ended.err
    assert "stack.yaml:3:3" in ended.err and "$0.50" in ended.err and "Raise max_price_per_hour" in ended.err
    assert "To go on: flowplan apply" in ended.out
    assert project.embedded().live_ids() == [] and project.run("state", "list", code=0).out == ""


def test_one_failure_leaves_the_neighbours_alone(project: Project) -> None:
    project.write(
        HELLO.replace("tasks:\n", "tasks:\n  cheap: {instance_type: a100, max_price_per_hour: 0.1, command: hi}\n"
        "  after: {instance_type: a100, max_price_per_hour: 3.0, command: hi, depends_on: [task.cheap]}\n")
    )  # fmt: skip
    ended = project.run("apply", "--auto-approve", code=5)
    assert (
        "task.cheap" in ended.out and "Skipped:" in ended.out and "task.after (needs task.cheap)" in ended.out
    )
    assert project.run("state", "list", code=0).out == "volume.notes\ntask.hello\n"
