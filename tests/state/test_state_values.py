"""The journal's one transition function, and the invariants a snapshot names when they are broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.state.journal import IllegalTransition, Status, advance
from flowplan.state.snapshot import Record, Snapshot
from flowplan.values.address import Address

A, B = Address.parse("task.a"), Address.parse("task.b")


@given(st.sampled_from(Status), st.sampled_from(Status))
def test_an_entry_ends_once_and_never_moves_again(status: Status, to: Status) -> None:
    if status is Status.BEGUN and to is not Status.BEGUN:
        assert advance(status, to) is to
    else:
        with pytest.raises(IllegalTransition, match=f"{status.value} cannot become {to.value}"):
            advance(status, to)


def test_a_sound_snapshot_has_nothing_to_say() -> None:
    records = {A: Record(A, "1", "a", {}, dependencies=(B,)), B: Record(B, "2", "b", {})}
    assert Snapshot("s", records=records).verify() == []
    volume = Address.parse("volume.a")
    shared = {A: Record(A, "1", "a", {}), volume: Record(volume, "1", "a", {})}
    assert Snapshot("s", records=shared).verify() == [], "ids are unique within a kind only"


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ({A: Record(B, "1", "b", {})}, ["task.a holds the record of task.b"]),
        ({A: Record(A, "", "a", {})}, ["task.a has no provider id"]),
        ({A: Record(A, "1", "a", {}), B: Record(B, "1", "b", {})}, ["task.a and task.b both claim 1"]),
        ({A: Record(A, "1", "a", {}, dependencies=(A,))}, ["task.a depends on itself"]),
        (
            {A: Record(A, "", "a", {}, dependencies=(A,)), B: Record(A, "", "b", {})},
            [
                "task.a has no provider id",
                "task.a depends on itself",
                "task.b holds the record of task.a",
                "task.b has no provider id",
                "task.b depends on itself",
            ][:4],
        ),
    ],
)
def test_every_broken_invariant_is_named(records: dict[Address, Record], said: list[str]) -> None:
    assert Snapshot("s", records=records).verify() == said


def test_the_key_of_a_snapshot_is_not_shown() -> None:
    assert "secret" not in repr(Snapshot("s", key=b"secret"))
