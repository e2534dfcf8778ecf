"""JSON is read as the standard library reads it, whatever is installed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flowplan.values.parsing import parse_json

NUMBERS = st.one_of(st.integers(), st.integers(-(2**66), 2**66), st.floats(allow_nan=False))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(st.characters())),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


def outcome(read: Any, text: str) -> tuple[str, str]:
    try:
        value = read(text)
    except ValueError as error:
        return "refused", type(error).__name__
    return "read", repr(value)


@given(VALUES, st.booleans())
def test_what_was_written_is_read(value: Any, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    assert outcome(parse_json, text) == outcome(json.loads, text)


@given(st.one_of(st.text(st.sampled_from('{}[]",:0123456789.eE+- \\u d8NaInfity\n\ud800é')), st.text()))
def test_any_text_is_read_or_refused_alike(text: str) -> None:
    assert outcome(parse_json, text) == outcome(json.loads, text)
