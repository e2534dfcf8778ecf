"""The import rules of ARCHITECTURE.md, and the purity of everything below apply."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "flowplan"
PURE = ("ports", "values", "models", "resources", "launch", "lang", "state", "graph", "plan")

# Names may be made unique with random digits: the documented model says so (models.md 1.6, rule 2).
# An instance type is created now unless it says otherwise: a documented default, replaceable in one place.
EXCEPTIONS = {"models/naming.py", "models/moment.py"}

FORBIDDEN_MODULES = {"random", "secrets", "time"}
FORBIDDEN_NAMES = {
    "os.environ",
    "os.environb",
    "os.getenv",
    "os.urandom",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "uuid.uuid1",
    "uuid.uuid4",
}


def test_imports_follow_the_layers() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def pure_files() -> Iterator[Path]:
    for layer in PURE:
        yield from sorted((PACKAGE / layer).rglob("*.py"))


def impurities(source: str) -> list[str]:
    """What in ``source`` reads the environment, a clock or chance, as ``line: name``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            names = (
                [str(node.module)]
                if node.module in FORBIDDEN_MODULES
                else [n for n in full if n in FORBIDDEN_NAMES]
            )
        elif isinstance(node, ast.Attribute):
            dotted = ".".join(ast.unparse(node).split(".")[-2:])
            names = [dotted] if dotted in FORBIDDEN_NAMES else []
        found += [f"{node.lineno}: {name}" for name in names]  # type: ignore[attr-defined]
    return found


def test_below_apply_nothing_reads_the_environment_a_clock_or_chance() -> None:
    broken = [
        f"{path.relative_to(PACKAGE)}:{what}"
        for path in pure_files()
        if path.relative_to(PACKAGE).as_posix() not in EXCEPTIONS
        for what in impurities(path.read_text(encoding="utf-8"))
    ]
    assert broken == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nx = os.environ['A']",
        "from os import environ",
        "import time",
        "from time import monotonic",
        "import datetime\nx = datetime.datetime.now()",
        "from datetime import datetime\ndatetime.now()",
        "import random",
        "from uuid import uuid4",
    ],
)
def test_the_check_sees_what_it_looks_for(source: str) -> None:
    assert impurities(source)
