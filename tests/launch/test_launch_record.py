"""Completion records: whatever lies on an instance, or was left with the provider, is read as hostile input."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.launch.record import merge_records, parse_record

WHOLE = {"exit_code": 3, "attempt": 2, "timed_out": True, "started_at": "a", "ended_at": "b"}


@given(st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=4))
def test_records_are_merged_when_all_are_there(codes: list[int | None]) -> None:
    texts = [
        None
        if code is None
        else json.dumps({"exit_code": code, "started_at": str(9 - at), "ended_at": str(at)}).encode()
        for at, code in enumerate(codes)
    ]
    found = merge_records(texts)
    if not codes or None in codes:
        assert found is None
    else:
        assert found is not None
        assert found["exit_code"] == next((code for code in codes if code), 0)
        assert (found["started_at"], found["ended_at"]) == (str(10 - len(codes)), str(len(codes) - 1))
    assert merge_records([b"{", *texts]) is None


def test_a_whole_record_is_kept() -> None:
    assert parse_record(json.dumps({**WHOLE, "more": "x"})) == WHOLE


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_what_is_no_record_is_none(text: Any) -> None:
    assert parse_record(text) is None or "exit_code" in str(text)


@pytest.mark.parametrize(
    "change",
    [
        {"exit_code": True},
        {"exit_code": "0"},
        {"exit_code": 256},
        {"exit_code": -1},
        {"exit_code": None},
        {"attempt": "1"},
        {"more": "x" * 5000},
    ],
)
def test_a_wrong_record_is_none(change: dict[str, Any]) -> None:
    assert parse_record(json.dumps({**WHOLE, **change})) is None


def test_odd_times_are_left_out() -> None:
    found = parse_record(json.dumps({**WHOLE, "started_at": 5, "ended_at": "\x1b[31m" * 20}))
    assert found == {**WHOLE, "started_at": None, "ended_at": None}


def test_depth_is_no_accident() -> None:
    assert parse_record("[" * 4000) is None
