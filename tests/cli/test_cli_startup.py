"""What is not needed is not imported: the commands that people type most start as fast as they can."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest
from flowplan_program import HELLO, Project, Served

pytestmark = pytest.mark.process

HEAVY = {"networkx", "httpx", "jinja2", "yaml", "rich", "asyncio", "starlette", "uvicorn", "sqlite3", "attrs"}


def imported(project: Project, *arguments: str) -> set[str]:
    """The top-level modules that a run imports, told by the interpreter itself."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        cwd=project.root,
        env=project.env,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    names = {
        line.rpartition("|")[2].strip()
        for line in ended.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "encodings" in names
    return {name.partition(".")[0] for name in names} | {n for n in names if n.startswith("flowplan.")}


def test_the_version_imports_next_to_nothing(project: Project) -> None:
    found = imported(project, "-m", "flowplan", "--version")
    assert not found & {*HEAVY, "click", "attr", "json"}
    assert not {name for name in found if name.startswith("flowplan.cli")}


@pytest.mark.parametrize(
    "arguments", [("-c", "import flowplan.cli.main"), ("-m", "flowplan", "--help"), ("-m", "flowplan", "-h")]
)
def test_help_imports_no_library_but_click(project: Project, arguments: tuple[str, ...]) -> None:
    found = imported(project, *arguments)
    assert "click" in found
    assert not found & HEAVY
    assert not {name for name in found if name.startswith("flowplan.cli.commands.")}


def test_validate_imports_no_network_no_graph_library_and_no_database(project: Project) -> None:
    project.write(HELLO)
    found = imported(project, "-m", "flowplan", "validate")
    assert "flowplan.lang.loader" in found
    assert not found & {"httpx", "networkx", "starlette", "uvicorn", "sqlite3", "rich"}


PLAIN = """
stack: plain
volumes:
  data: {size_gb: 1, interface: file}
tasks:
  train:
    command: echo hi
    instance_type: a100
    max_price_per_hour: 3.0
    upload_code: false
    volumes: [{volume: "{{ volume.data }}", mount_path: /data}]
"""


def test_a_plan_of_plain_references_imports_neither_yaml_nor_jinja_nor_a_graph_library(
    project: Project,
) -> None:
    project.write(PLAIN)
    found = imported(project, "-m", "flowplan", "plan", "--refresh=false")
    assert "flowplan.plan.planner" in found
    assert not found & {"yaml", "jinja2", "cattrs", "networkx", "httpx", "rich", "starlette", "uvicorn"}


def test_a_plan_that_asks_the_sandbox_imports_no_terminal_library(project: Project) -> None:
    project.write(PLAIN)
    found = imported(project, "-m", "flowplan", "plan")
    assert "httpx" in found
    assert not found & {"yaml", "jinja2", "networkx", "rich", "pygments"}


_LOADED = """
import sys
from flowplan.cli.main import run
code = run(sys.argv[1:])
print(code, *sys.modules)
"""
SELDOM = {
    "flowplan.cli.saved", "flowplan.cli.lookups",
    "flowplan.plan.links", "flowplan.plan.explain", "flowplan.plan.planfile", "flowplan.plan.adopting",
    "flowplan.models.model", "flowplan.models.draft", "flowplan.models.retries", "flowplan.models.task_config",
    "flowplan.resources.normalise", "flowplan.resources.reservation",
    "flowplan.ports.outcome", "flowplan.ports.surroundings", "flowplan.ports.instances",
    "flowplan.provider.mithril.writing", "flowplan.provider.mithril.outcome", "flowplan.provider.mithril.advice",
    "flowplan.provider.mithril.keys", "flowplan.provider.mithril.launch_keys",
    "flowplan.provider.mithril.wire_account",
    "flowplan.state.history",
    "difflib", "getpass", "shlex",
}  # fmt: skip
"""What a plan with nothing to do has no use for: models, what is written, saved or explained, what is rare."""


WITH_HTTPX = {"asyncio", "email", "httpx", "random", "secrets", "shutil", "ssl", "tempfile"}
"""What the HTTP library brings, and a plan that asks nobody does without."""


def loaded(project: Project, *arguments: str) -> list[str]:
    """The modules that a plan with nothing to do has loaded at its end."""
    ended = subprocess.run(
        [sys.executable, "-c", _LOADED, "plan", *arguments],
        cwd=project.root, env=project.env, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "No changes" in ended.stdout
    code, *found = ended.stdout.splitlines()[-1].split()
    assert code == "0"
    return found


def test_a_plan_with_nothing_to_do_loads_nothing_that_it_does_not_use(served: Served) -> None:
    served.project.write(PLAIN)
    served.project.apply()
    assert sorted((SELDOM | WITH_HTTPX).intersection(loaded(served.project, "--refresh=false"))) == []
    found = loaded(served.project)
    assert "httpx" in found
    assert sorted(SELDOM.intersection(found)) == []
    assert not [
        name for name in found if name.startswith(("flowplan.sandbox", "flowplan.apply", "flowplan.launch"))
    ]
    assert {n for n in found if n.startswith("flowplan.lang.")} == {
        "flowplan.lang.evaluated", "flowplan.lang.files", "flowplan.lang.stack",
    }  # fmt: skip


def test_a_command_leaves_the_collector_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from flowplan.cli.main import run

    assert gc.isenabled()
    assert run(["plan", str(tmp_path / "missing.yaml")]) == 1
    assert gc.isenabled()
    gc.disable()
    try:
        assert run(["plan", str(tmp_path / "missing.yaml")]) == 1
        assert not gc.isenabled()
    finally:
        gc.enable()
    capsys.readouterr()
