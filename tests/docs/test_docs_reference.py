"""The generated parts of the documentation are what the code gives, and leave nothing out."""

from __future__ import annotations

import re

import click
import pytest
from fresh_files import ROOT, between, check

from flowplan.cli.reference import commands, render_reference
from flowplan.models import reference as models_reference
from flowplan.models.table import table
from flowplan.report import event_schema
from flowplan.resources import Change, kind_of
from flowplan.resources import reference as changes_reference
from flowplan.values import exit_code
from flowplan.values.address import Kind

DOCS = ROOT / "docs"


@pytest.mark.parametrize(
    ("page", "render"),
    [
        ("cli.md", render_reference),
        ("models.md", models_reference.render_reference),
        ("changes.md", changes_reference.render_reference),
        ("exit-codes.md", exit_code.render_reference),
        ("events.md", event_schema.render_reference),
    ],
)
def test_a_page_is_fresh(page, render) -> None:
    check(DOCS / page, between(DOCS / page, render()))


def test_every_command_and_option_is_in_the_reference() -> None:
    text = render_reference()
    for path, command in commands():
        if isinstance(command, click.Group):
            continue
        assert f"### `{path}" in text
        assert command.help
        for option in command.params:
            assert all(f"`{name}" in text for name in option.opts if name.startswith("-"))


FENCE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
PAGES = [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_speaks_of_an_option_or_command_that_does_not_exist(page) -> None:
    known = {name for _, command in commands() for option in command.params for name in option.opts}
    known |= {"--help", "--version", "--chdir", "--no-color"}
    paths = {path for path, _ in commands()}
    text = page.read_text()
    typed = [
        line
        for sort, block in FENCE.findall(text)
        if sort in ("sh", "console", "")
        for line in block.splitlines()
    ]
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    for line in (*typed, *inline):
        called = re.search(r"(?:^|[ /$])flowplan ([a-z]*).*", line)
        if called:
            assert not called[1] or f"flowplan {called[1]}" in paths, line
        if called or line.startswith("--"):
            # What comes before flowplan on a line (pip, say) has options of its own.
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", called[0] if called else line)) <= known, line


def test_every_field_of_every_model_is_in_the_table() -> None:
    text = models_reference.render_reference()
    for row in table():
        part = text.split(f"### {row.model}\n")[1].split("\n### ")[0]
        assert f"| `{row.field}` |" in part, f"{row.model}.{row.field}"


@pytest.mark.parametrize("kind", [kind_of(kind) for kind in Kind], ids=lambda kind: kind.kind.value)
def test_every_attribute_says_what_changing_it_takes_and_loses(kind) -> None:
    part = changes_reference.render_reference().split(f"### {kind.kind.value}\n")[1].split("\n### ")[0]
    assert kind.loses in part
    for name in kind.configurable:
        attribute = kind.attributes[name]
        [row] = [line for line in part.splitlines() if line.startswith(f"| `{name}` |")]
        says = row.split(" | ")[1]
        assert says in {
            "in place",
            "in place, paused",
            "replace",
            "refused",
            "local only",
            "rename in place",
            "attach or detach",
            changes_reference.DEPENDS,
        }
        if attribute.change in (Change.REPLACE, Change.REFUSED):
            assert attribute.loses == kind.loses, f"{name} does not say what is lost"
        if says == changes_reference.DEPENDS:
            assert attribute.doc, f"{name} does not say on what it depends"
    for name in kind.computed:
        assert f"| `{name}` |" in part


def test_every_configurable_attribute_is_a_field_of_its_model_and_the_other_way_round() -> None:
    models = {Kind.VOLUME: "VolumeSpec", Kind.RESERVATION: "ReservationSpec", Kind.TASK: "TaskConfig"}
    for kind, model in models.items():
        fields = {row.field for row in table() if row.model == model}
        assert fields - {"volume_id"} == set(kind_of(kind).configurable)
