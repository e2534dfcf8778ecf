"""States as documents, compared and edited: laws over random states."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from flowplan.state.compare import compare
from flowplan.state.document import parse_state, state_document
from flowplan.state.edits import moves_of_module, moves_of_resource, readdressed, with_kept, without
from flowplan.state.rows import record_body, records_of
from flowplan.state.schema import state_schema
from flowplan.state.snapshot import Deposed, Record, Snapshot
from flowplan.values.address import Address, Kind
from flowplan.values.value import Fingerprint

KEYS = st.none() | st.sampled_from(["k", 'q"t', "x.y"])
MODULES = st.lists(st.sampled_from(["net", 'net["a"]', 'net["b"]', "sub"]), max_size=2).map(tuple)
ADDRESSES = st.builds(Address, st.sampled_from(Kind), st.sampled_from(["a", "b", "c-1"]), KEYS, MODULES)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=4)
    | st.builds(Fingerprint, st.just("f0"))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3) | st.just("$x"), inner, max_size=2)
    ),
    max_leaves=4,
)
MAPS = st.dictionaries(st.sampled_from(["env", "n", "$odd", "list"]), VALUES, max_size=3)


@st.composite
def states(draw: st.DrawFn, stack: str = "s") -> Snapshot:
    addresses = draw(st.lists(ADDRESSES, max_size=6, unique=True))
    records = {}
    for number, address in enumerate(sorted(addresses, key=lambda a: a.sort_key)):
        others = [other for other in addresses if other != address]
        dependencies = (
            tuple(draw(st.lists(st.sampled_from(others), max_size=2, unique=True))) if others else ()
        )
        records[address] = Record(
            address,
            f"id_{draw(st.integers(0, 1))}_{number}",
            draw(st.text(max_size=3)),
            draw(MAPS),
            draw(MAPS),
            dependencies,
            draw(st.booleans()),
            draw(st.none() | st.just(datetime(2026, 1, 2, 3, 4, 5, 678, UTC))),
            draw(st.booleans()),
            draw(st.just(()) | st.just((Deposed(f"old_{number}", "o", dependencies),))),
            draw(st.just({}) | st.just({"task.a.env": Fingerprint("f")})),
        )
    return Snapshot(
        stack, "lineage", draw(st.integers(1, 9)), records, draw(MAPS), project="p", source="s.yaml"
    )


@given(states())
def test_a_document_holds_all_but_the_key(state: Snapshot) -> None:
    document = json.loads(json.dumps(state_document(evolve(state, key=b"k" * 32))))
    jsonschema_rs.validator_for(state_schema()).validate(document)
    assert parse_state(document) == (state, [])


@given(states())
def test_rows_give_back_what_was_put_in(state: Snapshot) -> None:
    rows = [(str(a), r.id, record_body(r)) for a, r in state.records.items()]
    assert records_of(rows) == list(state.records.values())


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("task.a"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(states(), st.data())
def test_a_document_that_is_not_one_is_told_of_and_never_an_accident(
    state: Snapshot, data: st.DataObject
) -> None:
    document: Any = json.loads(json.dumps(state_document(state)))
    for _ in range(data.draw(st.integers(1, 3))):
        place = document
        while isinstance(place, (dict, list)) and place and data.draw(st.booleans()):
            key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[key], (dict, list)) or data.draw(st.booleans()):
                place[key] = data.draw(ODD)
                break
            place = place[key]
    found, problems = parse_state(document)
    assert (found is None) == bool(problems)
    if found is not None:
        assert found.verify() == [] and state_document(found)["serial"] == found.serial


@given(states(), states())
def test_a_difference_is_empty_exactly_between_equals(one: Snapshot, other: Snapshot) -> None:
    assert compare(one, one).is_empty
    same = (one.records, one.outputs) == (other.records, other.outputs)
    assert compare(one, other).is_empty == same
    lost = {(kind, id) for _, kind, id in compare(one, other).lost()}
    assert lost == set(one.ids()) - set(other.ids())


@given(states(), st.data())
def test_what_moves_keeps_all_but_its_address_and_moves_back(state: Snapshot, data: st.DataObject) -> None:
    if not state.records:
        return
    old = data.draw(st.sampled_from(list(state.records)))
    new = Address(old.kind, "moved", old.key, old.module)
    moved = readdressed(state, {old: new})
    assert moved.verify() == [] and moved.records[new].id == state.records[old].id
    assert old not in moved.records and len(moved.records) == len(state.records)
    for record in moved.records.values():
        assert old not in record.dependencies
    assert readdressed(moved, {new: old}) == state


@given(states(), st.data())
def test_two_records_change_places(state: Snapshot, data: st.DataObject) -> None:
    tasks = [a for a in state.records if a.kind is Kind.TASK]
    if len(tasks) < 2:
        return
    one, other = data.draw(st.permutations(tasks))[:2]
    moved = readdressed(state, {one: other, other: one})
    assert moved.records[one].id == state.records[other].id
    assert readdressed(moved, {one: other, other: one}) == state


def test_a_module_moves_with_all_that_is_in_it() -> None:
    a = Address.parse
    there = [
        a('module.net["x"].task.t'),
        a("module.net.module.sub.task.t"),
        a("module.other.task.t"),
        a("task.net"),
    ]
    moves = moves_of_module(there, ("net",), ("lan",))
    assert {str(k): str(v) for k, v in moves.items()} == {
        'module.net["x"].task.t': 'module.lan["x"].task.t',
        "module.net.module.sub.task.t": "module.lan.module.sub.task.t",
    }
    one = moves_of_module(there, ('net["x"]',), ("lan",))
    assert {str(k): str(v) for k, v in one.items()} == {'module.net["x"].task.t': "module.lan.task.t"}
    keyed = moves_of_resource([a('task.t["k"]'), a("task.t")], a("task.t"), a("task.u"))
    assert {str(k): str(v) for k, v in keyed.items()} == {'task.t["k"]': 'task.u["k"]', "task.t": "task.u"}


@pytest.mark.parametrize(
    ("moves", "word"),
    [
        ({"task.a": "task.b"}, "taken"),
        ({"task.a": "task.c", "task.b": "task.c"}, "taken"),
        ({"task.a": "volume.a"}, "kind"),
    ],
)
def test_a_place_that_is_taken_stays_so(moves: dict[str, str], word: str) -> None:
    a = Address.parse
    state = Snapshot("s", records={a(n): Record(a(n), n, n, {}) for n in ("task.a", "task.b")})
    with pytest.raises(ValueError, match=word):
        readdressed(state, {a(old): a(new) for old, new in moves.items()})


@given(states(), st.data())
def test_what_is_dropped_can_be_kept(state: Snapshot, data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from(list(state.records)))) if state.records else set()
    left = without(state, gone)
    assert set(left.records) == set(state.records) - gone
    assert with_kept(left, state, gone) == state
    if gone:
        with pytest.raises(ValueError, match="taken"):
            with_kept(state, state, gone)
