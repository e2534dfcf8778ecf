"""A rendered stack reads back as the same stack, and rendering that gives the same text."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.lang.build import parse_document
from flowplan.lang.evaluate_document import build_rendered, render_yaml
from flowplan.lang.format import format_text
from flowplan.lang.format_yaml import dump_yaml
from flowplan.lang.loader import load_stack
from flowplan.lang.reader import NoFiles
from flowplan.lang.stack import Resource, Source, Stack
from flowplan.models import ReservationSpec, TaskConfig, VolumeSpec, unstructure
from flowplan.models.naming import suffix_disabled
from flowplan.models.strategies import models
from flowplan.values.address import Kind

KINDS = {Kind.VOLUME: VolumeSpec, Kind.RESERVATION: ReservationSpec, Kind.TASK: TaskConfig}
WORDS = st.text("ab{}%- \n'\"\\#:", max_size=12)


def declaration(kind: Kind, value: Any) -> dict[str, Any]:
    """A model as a stack would declare it."""
    body = {name: item for name, item in unstructure(value).items() if item is not None}
    for name in ("volume_id", "project_id"):
        body.pop(name, None)
    for entry in body.get("volumes", []) if kind is Kind.TASK else []:
        for name in ("iops", "throughput_mb_s"):
            entry.pop(name, None)
        entry["volume_id"] = entry.get("volume_id") or "vol_1"
    return body


@st.composite
def stacks(draw: Any) -> str:
    """The text of a stack of plain resources."""
    with suffix_disabled():
        sections: dict[str, Any] = {"stack": "s"}
        for kind, model in KINDS.items():
            bodies = draw(st.lists(models(model), max_size=2))
            sections[kind.section] = {
                f"{kind.value[0]}{n}": declaration(kind, b) for n, b in enumerate(bodies)
            }
    sections["outputs"] = {
        f"o{n}": {"value": value} for n, value in enumerate(draw(st.lists(WORDS, max_size=3)))
    }
    return dump_yaml(sections)


def load(text: str) -> Stack | None:
    stack, _ = load_stack([Source("s.yaml", text)], [], NoFiles(), "0.1.0")
    return stack


def plain(resource: Resource) -> tuple[Any, ...]:
    return resource.address, resource.config, resource.depends_on, resource.lifecycle, resource.timeouts


def rendered(stack: Stack) -> str:
    text = render_yaml(build_rendered(stack))
    document, found = parse_document("r.yaml", text)
    assert not found, [one.summary for one in found]
    assert dump_yaml(document.root) == "".join(
        line.replace("  # known after apply", "") for line in text.splitlines(keepends=True)
    )
    assert format_text("r.yaml", text)[0] == text
    return text


@given(stacks())
@settings(max_examples=60, deadline=None)
def test_a_stack_that_is_all_known_comes_back(text: str) -> None:
    first = load(text)
    if first is None:
        return  # texts with braces are expressions, and few of them are good ones
    once = rendered(first)
    second = load(once)
    assert second is not None, once
    assert [plain(each) for each in second.resources.values()] == [plain(e) for e in first.resources.values()]
    assert {name: output.value for name, output in second.outputs.items()} == {
        name: output.value for name, output in first.outputs.items()
    }
    assert rendered(second) == once


def test_what_is_not_known_yet_stays_an_expression() -> None:
    first = load(
        "stack: s\nvolumes: {d: {size_gb: 1, interface: file}}\n"
        "tasks: {t: {instance_type: a100, env: {V: 'x {{ volume.d.volume_id }}', W: '{% raw %}{{{% endraw %}'},"
        " volumes: ['{{ volume.d }}'], depends_on: [volume.d], lifecycle: {prevent_destroy: true},"
        " timeouts: {running: 90s}}}\n"
    )
    assert first is not None
    text = rendered(first)
    assert '    env:\n      V: "x {{ volume.d.volume_id }}"  # known after apply\n' in text
    assert '      W: "{{ \\"{{\\" }}"\n' in text
    second = load(text)
    assert second is not None
    assert {str(a): r.depends_on for a, r in second.resources.items()} == {
        str(a): r.depends_on for a, r in first.resources.items()
    }
    assert rendered(second) == text
