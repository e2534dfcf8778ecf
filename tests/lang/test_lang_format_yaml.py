"""What is written as YAML reads back as the same, and is in the layout that ``fmt`` gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.lang.build import parse_document
from flowplan.lang.format import format_text
from flowplan.lang.format_yaml import dump_yaml

WORDS = st.sampled_from(
    [
        "",
        "yes",
        "12",
        "0o7",
        "1e3",
        "~",
        "null",
        "a b",
        "a: b",
        "- x",
        "a\n",
        "a\nb",
        "a\nb\n\n",
        " a\nb",
        "#",
        "x #y",
        "---",
    ]
)
TEXTS = WORDS | st.text(max_size=12) | st.text("ab \n\t:#-'\"{}[]%\\\u2028\x85", max_size=12)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=3))
@settings(max_examples=200, deadline=None)
def test_data_comes_back(value: dict[str, Any]) -> None:
    text = dump_yaml(value)
    document, found = parse_document("s.yaml", text)
    if "<<" in text:
        return  # a merge key means something else
    assert not found, [one.summary for one in found]
    assert document.root == value
    assert format_text("s.yaml", text)[0] == text
    assert dump_yaml(document.root) == text


def test_what_is_no_data_is_asked_for() -> None:
    text = dump_yaml({"a": [object()], "b": {"c": ()}}, lambda leaf: ("known\nlater\n", "known after apply"))
    assert text == "a:\n  - |  # known after apply\n    known\n    later\nb:\n  c: []\n"
    with pytest.raises(TypeError):
        dump_yaml({"a": object()})
