"""The pages say what is so: examples load, mistakes are found, links lead somewhere, exit codes exist."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema_rs
import pytest
from fresh_files import ROOT

from flowplan.lang.build import parse_document
from flowplan.lang.functions import FILTERS_ALLOWED
from flowplan.lang.loader import SECTIONS, load_stack
from flowplan.lang.reader import NoFiles
from flowplan.lang.schema import stack_schema
from flowplan.lang.stack import Source
from flowplan.lang.variables import TYPES
from flowplan.lang.words import FUNCTIONS
from flowplan.values.exit_code import ExitCode

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("*/README.md")])
BLOCK = re.compile(r"^```yaml\n(stack:.*?)^```$", re.DOTALL | re.MULTILINE)
EXAMPLES = [
    pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, text in enumerate(BLOCK.findall(page.read_text()), 1)
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_loads_or_fails_as_it_says(text: str) -> None:
    stack, found = load_stack([Source("stack.yaml", text)], [], NoFiles(), "0.1.0")
    wanted = {
        (number, line.split("# error: ")[1])
        for number, line in enumerate(text.splitlines(), 1)
        if "# error: " in line
    }
    assert {(one.span.line if one.span else 0, one.summary) for one in found} == wanted
    assert (stack is None) == bool(wanted)
    if not wanted:
        document, _ = parse_document("stack.yaml", text)
        assert jsonschema_rs.validator_for(stack_schema()).is_valid(document.root)


def test_there_are_examples_of_both_sorts() -> None:
    texts = [str(example.values[0]) for example in EXAMPLES]
    assert len(texts) >= 4
    assert any("# error: " in text for text in texts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not target.startswith(("http:", "https:")):
            path, _, anchor = target.partition("#")
            place = (page.parent / path).resolve() if path else page
            assert place.exists(), target
            heads = re.findall(r"^#+ (.*)$", place.read_text(), re.MULTILINE) if anchor else []
            assert not anchor or anchor in [head.lower().replace(" ", "-") for head in heads], target


def test_every_exit_code_is_one_of_the_table() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "flowplan").rglob("*.py"))
    raised = {int(code) for code in re.findall(r"exit_code=(\d+)\b", source)}
    assert raised <= {code.value for code in ExitCode}


def test_the_page_on_the_language_names_all_it_has() -> None:
    text = (ROOT / "docs" / "language" / "README.md").read_text()
    for word in (*SECTIONS, *TYPES, *FUNCTIONS):
        assert re.search(rf"[`*\n ]{word}[`*:(]", text), word
    assert FILTERS_ALLOWED


def test_decisions_are_short_and_dated() -> None:
    pages = sorted((ROOT / "docs" / "decisions").iterdir())
    assert len(pages) >= 7
    for page in pages:
        lines = page.read_text().splitlines()
        assert len(lines) < 25, page.name
        date = re.match(r"\d{4}-\d\d-\d\d", page.name)
        assert date, page.name
        assert lines[2] == date[0], page.name
