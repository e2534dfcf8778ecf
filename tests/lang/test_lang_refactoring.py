"""``moved``, ``removed``, ``imports``, ``budget`` and ``limits``: what they carry, and every mistake in them."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lang_folders import good_with, load_with
from lang_stacks import good, shown

from flowplan.lang.stack import Budget, Limits
from flowplan.values.address import Address

TASKS = "tasks:\n  a: {instance_type: a100}\n  k: {for_each: [x, y], instance_type: a100}\n"


def moves(text: str, folders: dict[str, str] | None = None) -> list[tuple[str, str]]:
    return [(one.origin, one.to) for one in good_with(text, folders).moved]


def test_moved_resources() -> None:
    text = TASKS + "moved:\n  - {from: task.old, to: task.a}\n  - {from: task.k, to: 'task.k[\"x\"]'}\n"
    assert moves(text) == [("task.old", "task.a"), ("task.k", 'task.k["x"]')]


def test_for_each_may_come_and_go() -> None:
    text = TASKS + "moved:\n  - {from: 'task.a[\"z\"]', to: task.a}\n  - {from: task.old, to: task.k}\n"
    assert moves(text) == [('task.a["z"]', "task.a"), ("task.old", "task.k")]


def test_a_chain_of_moves_leads_to_its_end() -> None:
    text = (
        TASKS
        + "moved: [{from: task.x, to: task.y}, {from: task.y, to: task.z}, {from: task.z, to: task.a}]\n"
    )
    assert moves(text) == [("task.x", "task.a"), ("task.y", "task.a"), ("task.z", "task.a")]


def test_moves_into_out_of_and_of_modules() -> None:
    inner = "tasks:\n  t: {instance_type: a100}\n  u: {instance_type: a100}\nmoved: [{from: task.s, to: task.t}]\n"
    text = TASKS + (
        "modules:\n  m: {source: ./m}\n  n: {source: ./m, for_each: [a]}\n"
        "moved:\n  - {from: task.t, to: module.m.task.u}\n  - {from: module.m.task.x, to: task.a}\n"
        "  - {from: module.o, to: 'module.n[\"a\"]'}\n"
    )
    assert moves(text, {"m": inner}) == [
        ("task.t", "module.m.task.u"),
        ("module.m.task.x", "task.a"),
        ("module.o", 'module.n["a"]'),
        ("module.m.task.s", "module.m.task.t"),
        ('module.n["a"].task.s', 'module.n["a"].task.t'),
    ]


def test_removed_resources_and_modules() -> None:
    text = (
        TASKS
        + "removed:\n  - {from: task.old}\n  - {from: module.gone, destroy: true}\n  - {from: 'task.k[\"z\"]'}\n"
    )
    assert [(one.origin, one.destroy) for one in good(text).removed] == [
        ("task.old", False),
        ("module.gone", True),
        ('task.k["z"]', False),
    ]


def test_imports_by_id_and_by_name() -> None:
    text = TASKS + (
        "variables: {id: {default: bid_1}}\n"
        "imports:\n  - {to: task.a, id: '{{ var.id }}'}\n  - {to: 'task.k[\"x\"]', name: train-1}\n"
    )
    assert [(one.to, one.id, one.name) for one in good(text).imports] == [
        (Address.parse("task.a"), "bid_1", None),
        (Address.parse('task.k["x"]'), None, "train-1"),
    ]


def test_budget_and_limits_are_carried_and_take_expressions() -> None:
    text = (
        "variables: {n: {default: 4}}\n"
        "budget: {max_hourly_usd: '{{ var.n * 100 }}', max_committed_usd: '$60,000.50'}\n"
        "limits: {max_resources: 10, max_instances: '{{ var.n }}', max_gpus: 32, max_storage_gb: 0, max_destroys: 1}\n"
    )
    stack = good(text)
    assert stack.budget == Budget(Decimal(400), Decimal("60000.5"))
    assert stack.limits == Limits(10, 4, 32, 0, 1)


MISTAKES = [
    ("moved: {from: a}\n", ["5:8 moved must be a list, not a mapping"]),
    ("moved: [task.a]\n", ["5:9 a row of moved is a mapping, not a text"]),
    ("moved: [{from: task.b}]\n", ["5:9 a row of moved needs to"]),
    ("moved: [{from: task.b, to: task.a, too: 1}]\n", ["5:36 a row of moved has no field 'too'"]),
    ("moved: [{from: task b, to: task.a}]\n", ["5:16 'task b' is not an address"]),
    ("moved: [{from: task.b, to: task.c}]\n", ["5:28 there is no task.c in this stack"]),
    ("moved: [{from: task.a, to: task.k}]\n", ["5:16 task.a is still declared, so it cannot be moved"]),
    ("moved: [{from: task.b, to: task.b}]\n", ["5:28 task.b is moved to itself"]),
    ("moved: [{from: volume.b, to: task.a}]\n", ["5:30 volume.b cannot become task.a: they are of different kinds"]),
    ("moved: [{from: module.b, to: task.a}]\n", ["5:30 module.b cannot become task.a: they are of different kinds"]),
    ("moved: [{from: module.b, to: module.c}]\n", ["5:30 there is no module.c in this stack"]),
    (
        "moved: [{from: task.b, to: task.a}, {from: task.b, to: task.k}]\n",
        ["5:44 task.b is moved twice"],
    ),
    (
        "moved: [{from: task.b, to: task.a}, {from: task.c, to: task.a}]\n",
        ["5:56 two things are moved to task.a"],
    ),
    (
        "moved: [{from: task.b, to: task.c}, {from: task.c, to: task.b}]\n",
        ["5:16 these are moved in a circle: task.b → task.c → task.b"],
    ),
    ("moved: [{from: task.b, to: 'task.k[\"z\"]'}]\n", ["5:28 task.k has no instance 'z'"]),
    ("removed: [{from: task.a}]\n", ["5:18 task.a is still declared, so it cannot be removed"]),
    ("removed: [{destroy: true}]\n", ["5:11 a row of removed needs from"]),
    ("removed: [{from: task.b, destroy: maybe}]\n", ["5:35 removed.destroy must be true or false, not 'maybe'"]),
    ("removed: [{from: task.b}, {from: task.b}]\n", ["5:34 task.b is removed twice"]),
    ("imports: [{to: task.b, id: x}]\n", ["5:16 there is no task.b in this stack"]),
    ("imports: [{to: task.a}]\n", ["5:11 the import of task.a has no id"]),
    ("imports: [{to: task.a, id: x, name: y}]\n", ["5:31 an import has an id or a name, not both"]),
    ("imports: [{to: task.a, id: 3}]\n", ["5:28 imports.id must be a text, not 3"]),
    ("imports: [{to: task.a, id: x}, {to: task.a, id: y}]\n", ["5:37 task.a is imported twice"]),
    ("imports: [{to: task.a, id: x}, {to: 'task.k[\"x\"]', id: x}]\n", ["5:56 id 'x' is imported twice"]),
    ("imports: [{to: module.a, id: x}]\n", ["5:16 a whole module cannot be imported"]),
    ("imports: [{to: task.k, id: x}]\n", ["5:16 task.k has for_each, so it is several resources"]),
    ("budget: 400\n", ["5:9 budget must be a mapping, not a whole number"]),
    ("budget: {max_hourly: 400}\n", ["5:10 budget has no field 'max_hourly'"]),
    ("budget: {max_hourly_usd: lots}\n", ["5:26 budget.max_hourly_usd must be an amount of money, not 'lots'"]),
    ("budget: {max_hourly_usd: -1}\n", ["5:26 budget.max_hourly_usd must be an amount of money, not -1"]),
    ("budget: {max_hourly_usd: .inf}\n", ["5:26 budget.max_hourly_usd must be an amount of money, not inf"]),
    ("limits: {max_gpu: 1}\n", ["5:10 limits has no field 'max_gpu'"]),
    ("limits: {max_gpus: '8'}\n", ["5:20 limits.max_gpus must be a whole number, not '8'"]),
    ("limits: {max_gpus: -1}\n", ["5:20 limits.max_gpus must be a whole number from 0, not -1"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_named_where_it_stands_and_once(text: str, wanted: list[str]) -> None:
    stack, found = load_with(TASKS + text)
    assert stack is None
    assert shown(found) == wanted


@given(st.permutations([f"t{index}" for index in range(6)]), st.integers(1, 5))
def test_chains_of_any_order_end_where_they_lead(names: list[str], length: int) -> None:
    path = [*names[:length], "a"]
    rows = [f"{{from: task.{one}, to: task.{two}}}" for one, two in itertools.pairwise(path)]
    for order in (rows, rows[::-1]):
        found = dict(moves(TASKS + f"moved: [{', '.join(order)}]\n"))
        assert found == {f"task.{name}": "task.a" for name in path[:-1]}
