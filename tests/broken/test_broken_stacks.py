"""The quality of error messages, tested as a product: each broken stack beside what a user is told about it.

A case is a file ``<topic>/<mistake>.yaml``, or a folder ``<topic>/<mistake>/`` of the files of one stack. Beside the
file stands ``<mistake>.expected``, inside the folder ``expected``. An expectation is written as people read it::

    stack.yaml:5:5: error: num_instance is not a field
        |     num_instance: 4
        |     ^^^^^^^^^^^^
        in task.train
        suggestion: Did you mean 'num_instances'?

A first line ``$ flowplan validate …`` stands where the command has more to say than ``flowplan validate stack.yaml``
(or, for a folder, ``flowplan validate .``); what precedes ``flowplan`` there is set in the environment. ``FLOWPLAN_ACCEPT=1
pytest tests/broken`` writes the expectations anew. Review each of them with a user's eye before it is kept: does it
point to the right spot, and would you know what to type?
"""

from __future__ import annotations

import gc
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from flowplan.cli.main import run

HERE = Path(__file__).parent
ACCEPT = os.environ.get("FLOWPLAN_ACCEPT") == "1"
_SHOWN_COMMAND = "$ "


@frozen
class Case:
    """One broken stack: ``files`` are copied into an empty project, where the command is run."""

    name: str
    expected: Path
    folder: bool

    @property
    def command(self) -> str:
        """The command line that the expectation gives, or the usual one."""
        first = self.text.split("\n", 1)[0]
        if first.startswith(_SHOWN_COMMAND):
            return first.removeprefix(_SHOWN_COMMAND)
        return f"flowplan validate {'.' if self.folder else 'stack.yaml'}"

    @property
    def text(self) -> str:
        """What is expected, or "" where that is yet to be written."""
        return self.expected.read_text(encoding="utf-8") if self.expected.exists() else ""

    def copy_to(self, project: Path) -> None:
        """Put its files into an empty project."""
        if not self.folder:
            shutil.copyfile(self.expected.with_suffix(".yaml"), project / "stack.yaml")
            return
        shutil.copytree(
            self.expected.parent, project, dirs_exist_ok=True, ignore=shutil.ignore_patterns("expected")
        )


def _cases() -> Iterator[Case]:
    for topic in sorted(path for path in HERE.iterdir() if path.is_dir() and path.name[0] not in "._"):
        for place in sorted(topic.iterdir()):
            if place.is_dir():
                yield Case(f"{topic.name}/{place.name}", place / "expected", folder=True)
            elif place.suffix == ".yaml":
                yield Case(f"{topic.name}/{place.stem}", place.with_suffix(".expected"), folder=False)


CASES = list(_cases())
SAMPLE = [case for case in CASES if case.name.startswith("several/")][:4]
"""The cases that are run as real processes too: those with the most to say."""


def _arguments(command: str) -> tuple[dict[str, str], list[str]]:
    """The environment and the arguments of ``NAME=value … flowplan argument …``."""
    words = shlex.split(command)
    at = words.index("flowplan")
    return dict(word.split("=", 1) for word in words[:at]), words[at + 1 :]


def _picture(found: dict[str, Any]) -> str:
    """A diagnostic of the JSON document, as an expectation shows it."""
    place, lines = found["range"], []
    where = ""
    if place is not None:
        start, end = place["start"], place["end"]
        where = (
            f"{place['file']}:{start['line']}:{start['column']}: " if start["line"] else f"{place['file']}: "
        )
        if found["snippet"]:
            alone = end["line"] == start["line"] and end["column"] > start["column"]
            carets = "^" * (end["column"] - start["column"]) if alone else "^…"
            lines += [f"|{found['snippet']}", f"|{' ' * (start['column'] - 1)}{carets}"]
    if found["address"]:
        lines.append(f"in {found['address']}")
    lines += found["detail"].splitlines()
    if found["suggestion"]:
        lines.append(f"suggestion: {found['suggestion']}")
    shown = [f"{where}{found['severity']}: {found['summary']}", *(f"    {line}".rstrip() for line in lines)]
    return "\n".join(_visible(line) for line in shown)


def _visible(line: str) -> str:
    """A line with its control characters, which the screen never sees either, written as escapes."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project that is the current folder, in an environment that says nothing."""
    (tmp_path / "state").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("FLOWPLAN_", "MITHRIL_")):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_stack_is_told_exactly_what_is_wrong(
    case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case.copy_to(folder)
    environment, arguments = _arguments(case.command)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    thresholds = gc.get_threshold()
    try:
        code = run([*arguments, "--json"])
    finally:
        gc.set_threshold(*thresholds)
    out, err = capsys.readouterr()
    assert err == ""
    document = json.loads(out)
    head = f"{_SHOWN_COMMAND}{case.command}\n" if case.text.startswith(_SHOWN_COMMAND) else ""
    told = head + "\n".join(_picture(found) for found in document["diagnostics"]) + "\n"
    if ACCEPT and told != case.text:
        case.expected.write_text(told, encoding="utf-8")
    assert told == case.text
    assert code == 1
    _check_form(document["diagnostics"])


def _check_form(found: list[dict[str, Any]]) -> None:
    """What holds for each message, whatever it says."""
    assert any(one["severity"] == "error" for one in found)
    for one in found:
        summary = one["summary"]
        assert summary and not summary.endswith(".") and "\n" not in summary, "a summary is one clause"
        assert not summary[0].isupper() or not summary.split()[0].istitle(), "a summary begins in lower case"
        assert not one["suggestion"] or one["suggestion"][-1] in ".?!", "a suggestion is a sentence"
        assert not re.search(r"Traceback|NoneType|<class|object at 0x", json.dumps(one)), (
            "no words of Python's"
        )
    places = [(one["range"]["file"], *one["range"]["start"].values()) for one in found if one["range"]]
    assert places == sorted(places), "messages come in file order"


def test_there_are_enough_broken_stacks() -> None:
    assert len(CASES) >= 120


def test_each_expectation_has_its_stack() -> None:
    wanted = {case.expected for case in CASES}
    there = {*HERE.glob("*/*.expected"), *HERE.glob("*/*/expected")}
    assert there == wanted


@pytest.mark.process
@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
def test_the_program_says_the_same_in_text_and_in_json(case: Case, folder: Path) -> None:
    case.copy_to(folder)
    environment, arguments = _arguments(case.command)
    command = [sys.executable, "-m", "flowplan", *arguments]
    surroundings = {**os.environ, **environment, "NO_COLOR": "1"}
    as_json = subprocess.run(
        [*command, "--json"], capture_output=True, text=True, env=surroundings, check=False
    )
    as_text = subprocess.run(command, capture_output=True, text=True, env=surroundings, check=False)
    assert as_json.returncode == as_text.returncode == 1
    assert as_json.stderr == as_text.stdout == ""
    found = json.loads(as_json.stdout)["diagnostics"]
    rest = as_text.stderr
    for one in found:
        start = one["range"]["start"]
        for words in (
            f"{one['severity'].capitalize()}: {one['summary']}",
            f"on {one['range']['file']}:{start['line']}:{start['column']}",
            one["snippet"].expandtabs(4),
            one["suggestion"],
        ):
            assert words in rest, f"{words!r} is told, and in this order"
            rest = rest[rest.index(words) + len(words) :]
