"""The core and the client do not know the simulator: they would act on the real market as they do on it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "flowplan"
APART = ("values", "models", "resources", "launch", "lang", "state", "graph", "plan", "apply", "provider")
TRANSPORT = PACKAGE / "provider" / "embedded.py"

_IMPORT_ALL = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
print(*[name for name in sys.modules if name.startswith("flowplan.sandbox")])
"""


def files() -> list[Path]:
    return [
        PACKAGE / "ports.py",
        *(path for layer in APART for path in sorted((PACKAGE / layer).rglob("*.py"))),
    ]


def module(path: Path) -> str:
    words = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(words[:-1] if words[-1] == "__init__" else words)


def test_nothing_of_the_core_or_the_client_loads_the_simulator() -> None:
    command = [sys.executable, "-c", _IMPORT_ALL, *map(module, files())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PACKAGE.parent)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def special_cases(source: str) -> Iterator[str]:
    """Where code, and not only its words for people, speaks of the sandbox: imports, names, comparisons."""
    for node in ast.walk(ast.parse(source)):
        found: list[str] = []
        if isinstance(node, ast.Import | ast.ImportFrom):
            found = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Name):
            found = [node.id]
        elif isinstance(node, ast.Attribute):
            found = [node.attr]
        elif isinstance(node, ast.arg | ast.keyword):
            found = [node.arg or ""]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found = [node.name]
        elif isinstance(node, ast.Compare | ast.MatchValue | ast.Subscript):
            found = [str(one.value) for one in ast.walk(node) if isinstance(one, ast.Constant)]
        yield from (f"{node.lineno}: {text}" for text in found if "sandbox" in text.lower())  # type: ignore[attr-defined]


@pytest.mark.parametrize("layer", ["plan", "apply", "provider"])
def test_no_code_of_them_makes_a_difference_for_it(layer: str) -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{what}"
        for path in sorted((PACKAGE / layer).rglob("*.py"))
        if path != TRANSPORT
        for what in special_cases(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import flowplan.sandbox",
        "from flowplan import sandbox",
        "if kind == 'sandbox': pass",
        "x.is_sandbox",
        "def f(sandbox): pass",
        "match kind:\n    case 'sandbox': pass",
        "x = settings['sandbox_url']",
    ],
)
def test_the_check_sees_what_it_looks_for(source: str) -> None:
    assert list(special_cases(source))
