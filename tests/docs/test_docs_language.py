"""Every page of docs/language is run, and those of the sandbox and of tasks: their files are made, its commands typed, and what they print compared.

A heading of level 2 starts an empty project. In it a fenced block whose first line is ``# file: NAME`` makes that
file (without that line), and a ``console`` block holds commands after ``$ ``, each followed by what it prints, both
streams together, as a terminal would show it. A line ``…`` stands for any number of lines, ``…`` inside a line for
any text. ``# exit: N`` after the output is a command's exit code, where it is not 0.

With FLOWPLAN_ACCEPT=1 what is printed now is written into the pages where it differs.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from attrs import define, field, frozen
from fresh_files import ROOT

from flowplan.cli.main import run

PAGES = [
    *sorted((ROOT / "docs" / "language").glob("*.md")),
    *(ROOT / "docs" / f"{name}.md" for name in ("plan", "sandbox", "tasks")),
]
ACCEPT = os.environ.get("FLOWPLAN_ACCEPT") == "1"
_FENCE = re.compile(r"^( *)(`{3,}|~{3,})(\S*)[^\n]*\n(.*?)^\1\2 *$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# file: (\S+)\n")
_EXIT = re.compile(r"# exit: (\d+)")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


@frozen
class Command:
    """A typed command and what the page says of it; lines ``first`` to ``last`` (exclusive) of the page are its output."""

    line: str
    expected: tuple[str, ...]
    exit: int
    first: int
    last: int


@frozen
class File:
    """A file that the page makes."""

    name: str
    text: str


@define
class Section:
    """A heading of level 2 and what is below it."""

    title: str
    steps: list[Command | File] = field(factory=list)


def sections(text: str) -> list[Section]:
    """The sections of a page in which anything is made or run."""
    found = [Section("the page's head")]
    position = 0
    for fence in [*_FENCE.finditer(text), None]:
        between = text[position : fence.start()] if fence else text[position:]
        found += [Section(title) for title in re.findall(r"^## +(.*)$", between, re.MULTILINE)]
        if fence is None:
            break
        position = fence.end()
        indent, body = len(fence[1]), fence[4]
        if indent:
            body = "".join(line[indent:] or "\n" for line in body.splitlines(keepends=True))
        if named := _FILE.match(body):
            found[-1].steps.append(File(named[1], body[named.end() :]))
        elif fence[3] == "console":
            found[-1].steps += commands(body, text.count("\n", 0, fence.start(4)))
    return [section for section in found if section.steps]


def commands(body: str, start: int) -> Iterator[Command]:
    """The commands of a console block whose first line is number ``start`` (from 0) of its page."""
    lines = body.split("\n")[:-1]
    assert not lines or lines[0].startswith("$ "), f"line {start + 1}: a console block starts with a command"
    at = 0
    while at < len(lines):
        typed = lines[at][2:]
        at += 1
        while typed.endswith("\\"):
            typed = f"{typed[:-1]}{lines[at].removeprefix('> ')}"
            at += 1
        first = at
        while at < len(lines) and not lines[at].startswith("$ "):
            at += 1
        output, code = lines[first:at], 0
        while output and not output[-1].strip():
            output.pop()
        if output and (ended := _EXIT.fullmatch(output[-1].strip())):
            output.pop()
            code = int(ended[1])
        yield Command(typed, tuple(trimmed(output)), code, start + first, start + first + len(output))


def trimmed(lines: list[str]) -> list[str]:
    """Lines without the blanks at their ends, and without empty lines at the end."""
    kept = [line.rstrip() for line in lines]
    while kept and not kept[-1]:
        kept.pop()
    return kept


def fits(expected: tuple[str, ...], printed: list[str]) -> bool:
    """Whether what is printed is what the page says."""
    reachable = {0}
    for line in expected:
        if line == "…":
            reachable = set(range(min(reachable), len(printed) + 1)) if reachable else set()
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.split("…")))
        reachable = {at + 1 for at in reachable if at < len(printed) and pattern.fullmatch(printed[at])}
    return len(printed) in reachable


class Shell:
    """A terminal in an empty project."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.monkeypatch = root, monkeypatch
        (root / ".git").mkdir(parents=True)
        monkeypatch.chdir(root)
        for name in [*os.environ]:
            if name.startswith(("FLOWPLAN_", "MITHRIL_", "FLOW_", "NO_COLOR", "FORCE_COLOR")) or name == "CI":
                monkeypatch.delenv(name)
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setenv("HOME", str(root.parent / "home"))

    def make(self, file: File) -> None:
        path = (self.root / file.name).resolve()
        assert path.is_relative_to(self.root.resolve()), file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, encoding="utf-8")

    def type(self, line: str) -> tuple[int, str]:
        """Exit code and output of a command line."""
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>;&()")
        lexer.whitespace_split = True
        words = list(lexer)
        environ = {}
        while words and (assigned := _ASSIGNMENT.fullmatch(words[0])):
            environ[assigned[1]] = assigned[2]
            words.pop(0)
        plain = words[:1] == ["flowplan"] and not re.search(r"[$`*?~]", "".join(words))
        if plain and not any(set(word) <= set("|<>;&()") and word for word in words):
            return self._here(words[1:], environ)
        return self._apart(line)

    def _here(self, arguments: list[str], environ: dict[str, str]) -> tuple[int, str]:
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
        with ExitStack() as stack, self.monkeypatch.context() as patched:
            for name, value in environ.items():
                patched.setenv(name, value)
            patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
            stack.enter_context(redirect_stdout(stream))
            stack.enter_context(redirect_stderr(stream))
            code = run(arguments)
        stream.flush()
        return code, raw.getvalue().decode()

    def _apart(self, line: str) -> tuple[int, str]:
        """In a real shell, where ``flowplan`` is this program."""
        shim = self.root.parent / "bin" / "flowplan"
        if not shim.exists():
            shim.parent.mkdir(exist_ok=True)
            shim.write_text(
                f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {sys.executable} -m flowplan "$@"\n'
            )
            shim.chmod(0o755)
        ended = subprocess.run(
            ["bash", "-c", line],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": f"{shim.parent}:{os.environ['PATH']}"},
            check=False,
            timeout=60,
        )
        return ended.returncode, ended.stdout.decode()

    def close(self) -> None:
        """End what the sandbox runs."""
        if (self.root / "state" / "sandbox").exists():
            self._here(["sandbox", "reset"], {})
        if (self.root / "state" / "sandbox" / "served.json").exists():
            self._here(["sandbox", "stop"], {})


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    opened = Shell(tmp_path / "project", monkeypatch)
    yield opened
    opened.close()


ALL = [
    pytest.param(page, number, id=f"{page.stem}-{section.title.lower().replace(' ', '-')}")
    for page in PAGES
    for number, section in enumerate(sections(page.read_text()))
]


@pytest.mark.parametrize(("page", "number"), ALL)
def test_a_section_does_what_it_says(page: Path, number: int, shell: Shell) -> None:
    section = sections(page.read_text())[number]
    told: list[tuple[Command, int, list[str]]] = []
    for step in section.steps:
        if isinstance(step, File):
            shell.make(step)
            continue
        code, output = shell.type(step.line)
        printed = trimmed(output.splitlines())
        assert "Traceback" not in output, output
        assert "flowplan itself failed" not in output, output
        told.append((step, code, printed))
    wrong = [each for each in told if each[0].exit != each[1] or not fits(each[0].expected, each[2])]
    if wrong and ACCEPT:
        accept(page, wrong)
        wrong = []
    for command, code, printed in wrong:
        where = f"{page.relative_to(ROOT)}:{command.first}: $ {command.line}"
        expected = "\n".join([*command.expected, *([f"# exit: {command.exit}"] if command.exit else [])])
        found = "\n".join([*printed, *([f"# exit: {code}"] if code else [])])
        pytest.fail(
            f"{where}\n--- the page says\n{expected}\n--- it prints\n{found}\n"
            "(FLOWPLAN_ACCEPT=1 writes what it prints into the page)",
            pytrace=False,
        )


def accept(page: Path, wrong: list[tuple[Command, int, list[str]]]) -> None:
    """Write what was printed into the page."""
    lines = page.read_text(encoding="utf-8").split("\n")
    for command, code, printed in reversed(wrong):
        last = command.last
        while last < len(lines) and not lines[last].strip():
            last += 1
        if not _EXIT.fullmatch(lines[last].strip()):
            last = command.last - 1
        indent = " " * (len(lines[command.first - 1]) - len(lines[command.first - 1].lstrip()))
        new = [*printed, *([f"# exit: {code}"] if code else [])]
        lines[command.first : last + 1] = [f"{indent}{line}".rstrip() for line in new]
    page.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_something_and_what_it_names_is_run(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    steps = [step for section in sections(text) for step in section.steps]
    assert any(isinstance(step, Command) for step in steps), f"{page.name} has no command that is run"
    # Why: a block that is fenced in another way than the parser knows would be passed over in silence.
    assert len([step for step in steps if isinstance(step, File)]) == len(
        re.findall(r"^ *# file: ", text, re.MULTILINE)
    )
    assert len([step for step in steps if isinstance(step, Command)]) == len(
        re.findall(r"^ *\$ ", text, re.MULTILINE)
    )


def test_what_pages_say_is_compared_exactly() -> None:
    assert fits(("a", "…", "c…d"), ["a", "b", "b", "c d"])
    assert fits(("…",), [])
    assert fits(("a", "…", "b", "…"), ["a", "b", "b"])
    assert not fits(("a",), ["a", "b"])
    assert not fits(("a", "b"), ["a"])
    assert not fits(("a.c",), ["abc"])
    text = "# T\n\n## One\n\n```yaml\n# file: s.yaml\na: 1\n```\n\n```console\n$ flowplan x\nout\n\n# exit: 1\n$ flowplan y \\\n>  z\n```\n\n## Two\n\n```console\n$ flowplan z\n```\n"
    one, two = sections(text)
    assert one.steps == [
        File("s.yaml", "a: 1\n"),
        Command("flowplan x", ("out",), 1, 11, 13),
        Command("flowplan y  z", (), 0, 16, 16),
    ]
    assert [step.line for step in two.steps if isinstance(step, Command)] == ["flowplan z"]
