"""Laws of lifecycle, scope and refactoring over random stacks."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_builders import REGION, make, observe, on_paper, recorded, stack
from plan_cases import with_life
from test_plan_laws import respects_order, stacks

from flowplan.lang.entries import Moved
from flowplan.plan.change import Mode, PlanOptions
from flowplan.plan.ignoring import keep_ignored, parse_path
from flowplan.plan.patterns import compile_pattern
from flowplan.plan.planner import plan
from flowplan.resources import Change, kind_of
from flowplan.values.address import Address, Kind

LIVES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "create_before_destroy": st.booleans(),
        "on_remove": st.sampled_from(["destroy", "retain"]),
        "prevent_destroy": st.booleans(),
        "ignore_changes": st.sampled_from([(), ("command",), ("*",), ("volumes[*].mount_path",)]),
    },
)
NAMES = st.text("abcxyz0-_", min_size=1, max_size=4).map(lambda text: "n" + text)
ADDRESSES = st.builds(
    Address,
    st.sampled_from(Kind),
    NAMES,
    st.none() | st.text("ab.c", min_size=1, max_size=4),
    st.lists(NAMES, max_size=2).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(stacks(), stacks(), st.data())
def test_whatever_the_lifecycle_a_plan_applied_leaves_nothing(
    first: str, second: str, data: st.DataObject
) -> None:
    one, two = stack(first), stack(second)
    lives = {str(a): data.draw(LIVES) for a in two.resources}
    two = with_life(two, lives)
    for address, resource in list(two.resources.items()):
        # What cannot exist twice is refused; here every volume of the second stack has a name of its own.
        if address.kind is Kind.VOLUME:
            config = {**resource.config, "name": f"{resource.config['name']}-2"}
            two = evolve(two, resources={**two.resources, address: evolve(resource, config=config)})
    before = recorded(one, "x")
    made = make(two, before, observe(before))
    respects_order(made, before)
    after = on_paper(made, two, before)
    assert after.verify() == [] and not any(record.deposed for record in after.records.values())
    left = make(two, after, observe(after))
    assert left.is_empty, [(str(c.address), c.action, list(map(str, c.reasons))) for c in left.changes]


@settings(max_examples=40, deadline=None)
@given(stacks(), st.data())
def test_a_scope_is_closed_and_what_it_leaves_out_is_not_touched(text: str, data: st.DataObject) -> None:
    desired = stack(text)
    names = sorted(map(str, desired.resources))
    if not names:
        return
    before = recorded(desired, "x")
    edited = stack(text.replace("3.0", "5.0").replace("echo hi", "echo ho"))
    chosen = tuple(data.draw(st.lists(st.sampled_from(names), unique=True, min_size=1)))
    for key in ("targets", "excludes"):
        for mode in (Mode.NORMAL, Mode.DESTROY):
            made = plan(edited, before, observe(before), (), PlanOptions(mode, REGION, **{key: chosen}))
            touched = {change.address for change in made.changes}
            assert not touched & set(made.skipped)
            inside = set(map(str, before.records)) - set(map(str, made.skipped))
            assert set(chosen) <= inside if key == "targets" else not set(chosen) & inside
            after = on_paper(made, edited, before)
            for address in made.skipped:
                assert after.records[address] == before.records[address]
            respects_order(made, before)
            for address, record in after.records.items():
                assert all(d in after.records for d in record.dependencies), (address, "lost what it needs")


@settings(max_examples=40, deadline=None)
@given(stacks(), st.data())
def test_a_declared_rename_changes_addresses_and_nothing_else(text: str, data: st.DataObject) -> None:
    desired = stack(text)
    if not desired.resources:
        return
    before = recorded(desired)
    old = data.draw(st.sampled_from(sorted(desired.resources)))
    new = evolve(old, name=f"{old.name}-renamed")

    def swap(references: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(evolve(r, address=new) if r.address == old else r for r in references)

    resources = {
        (new if address == old else address): evolve(
            resource,
            address=new if address == old else address,
            references=swap(resource.references),
            depends_on=swap(resource.depends_on),
        )
        for address, resource in recorded_stack(desired, before).items()
    }
    renamed = evolve(
        desired, resources=dict(sorted(resources.items())), moved=(Moved(str(old), str(new)),), outputs={}
    )
    made = make(renamed, evolve(before, outputs={}), observe(before))
    assert not made.changes and [(m.origin, m.to) for m in made.moves] == [(old, new)]
    after = on_paper(made, renamed, evolve(before, outputs={}))
    assert after.verify() == [] and make(renamed, after, observe(after)).is_empty
    assert {r.id for r in after.records.values()} == {r.id for r in before.records.values()}


def recorded_stack(desired: Any, before: Any) -> Any:
    """The stack's resources with every value known, as recorded."""
    return {a: evolve(r, config=before.records[a].config) for a, r in desired.resources.items()}


@given(ADDRESSES)
def test_an_address_is_a_pattern_of_itself_and_of_its_module(address: Address) -> None:
    text = str(address)
    assert compile_pattern(text).fullmatch(text)
    assert compile_pattern("**").fullmatch(text)
    assert compile_pattern(str(address.resource)).fullmatch(text)
    assert not compile_pattern(text + "x").fullmatch(text) if address.key is None else True
    for depth in range(len(address.module)):
        call = ".".join(f"module.{part}" for part in address.module[: depth + 1])
        assert compile_pattern(call).fullmatch(text) and compile_pattern(f"{call}.**").fullmatch(text)


VALUES = st.recursive(
    st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from("abc"), VALUES), st.dictionaries(st.sampled_from("abc"), VALUES))
def test_what_is_ignored_is_as_before_and_the_rest_as_wanted(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert keep_ignored((), before, after) == after
    assert keep_ignored(("*",), before, after) == before
    for path in ("a", "a.*", "a[*].b", "b[0]"):
        once = keep_ignored((path,), before, after)
        assert keep_ignored((path,), before, once) == once, "to ignore twice is to ignore once"
        touched = parse_path(path)[0]
        assert {k: v for k, v in once.items() if k != touched} == {
            k: v for k, v in after.items() if k != touched
        }


@pytest.mark.parametrize("text", ["", "a..b", "[x]", "a[", "a[-1]"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parse_path(text)


@pytest.mark.parametrize("kind", [kind_of(kind) for kind in Kind], ids=lambda kind: kind.kind.value)
def test_every_attribute_has_one_declared_answer(kind: Any) -> None:
    for name, attribute in kind.attributes.items():
        assert attribute.answers, f"{name}: a function of values declares all its answers"
        assert all(isinstance(answer, Change) for answer in attribute.answers)
        if attribute.computed:
            continue
        assert Change.PROVIDER not in attribute.answers, f"{name} is written by users"
        if {Change.REPLACE, Change.REFUSED} & set(attribute.answers):
            assert attribute.losses, f"{name} does not say what is lost"
        if any(answer.sends for answer in attribute.answers):
            assert attribute.request, f"{name} does not say which request changes it"
            assert any(name in sources for sources in kind.feeds.values()), f"{name} is sent by nothing"
    for name in kind.feeds:
        assert name in kind.attributes
