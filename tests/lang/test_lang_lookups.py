"""Lookups: what is asked, what comes of it, and what holds while nothing was asked."""

from __future__ import annotations

from typing import Any

import pytest
from lang_folders import good_with, load_with
from lang_stacks import resource, shown

from flowplan.lang.entries import NoResult, Query
from flowplan.lang.lookups import LOOKUPS
from flowplan.values.value import Fingerprint, Unknown

NET = "data:\n  net: {stack: network}\n"
NETWORK = Query("stack", (("name", "network"),)).key
OUTPUTS: dict[str, Any] = {"x": "vol_1", "sizes": {"a": 1, "b": 2}, "tok": Fingerprint("f00")}


def test_what_is_asked_is_told_with_its_arguments() -> None:
    text = (
        "variables: {n: {default: corpus}}\nlocals: {r: us-central1-a}\n"
        "data:\n  v: {volume: {name: '{{ var.n }}', region: '{{ local.r }}'}}\n  w: {volume: corpus}\n"
        "  same: {volume: {name: corpus}}\n"
    )
    stack = good_with(text)
    assert [(query.kind, query.arguments) for query in stack.lookups] == [
        ("volume", (("name", "corpus"), ("region", "us-central1-a"))),
        ("volume", (("name", "corpus"),)),
    ]
    assert stack.lookups[0].argument("name") == "corpus"
    assert stack.lookups[0].argument("id") is None


def test_without_results_a_lookup_is_unknown_and_its_attributes_are_checked_all_the_same() -> None:
    text = NET + "tasks:\n  t: {instance_type: a100, command: 'x {{ data.net.outputs.x }}'}\n"
    task = resource(good_with(text), "task.t")
    assert isinstance(task.config["command"], Unknown)
    assert task.references == ()
    bad = "data: {v: {volume: corpus}}\nlocals: {a: '{{ data.v.sise }}', b: '{{ data.w.x }}'}\n"
    assert shown(load_with(bad)[1]) == [
        "3:17 a lookup of volume gives no 'sise'",
        "3:41 there is no lookup 'w'",
    ]


def test_with_results_a_lookup_has_values() -> None:
    text = (
        NET + "  v: {volume: corpus}\ntasks:\n  t:\n    for_each: '{{ data.net.outputs.sizes }}'\n"
        "    instance_type: a100\n    command: 'x {{ each.value }} {{ data.net.outputs.x }} {{ data.v }}'\n"
    )
    volume = Query("volume", (("name", "corpus"),)).key
    results = {NETWORK: {"outputs": OUTPUTS}, volume: {"volume_id": "vol_2", "name": "corpus"}}
    stack = good_with(text, results=results)
    assert resource(stack, 'task.t["b"]').config["command"] == "x 2 vol_1 vol_2"


def test_what_a_lookup_decides_is_left_out_with_a_warning_until_it_is_carried_out() -> None:
    text = (
        NET + "tasks:\n  t: {for_each: '{{ data.net.outputs.sizes }}', instance_type: a100}\n"
        "  u: {instance_type: a100, command: '{{ task.t[\"a\"].task_id }}'}\n"
        "  v: {instance_type: a100, depends_on: [task.t]}\n  w: {instance_type: a100}\n"
        "outputs: {o: {value: '{{ task.t[\"a\"].name }}'}}\n"
    )
    stack, found = load_with(text)
    assert stack is not None
    assert [str(address) for address in stack.resources] == ["task.w"]
    assert not stack.outputs
    [one] = found
    assert not one.is_error
    assert shown(found) == [
        "5:17 for_each depends on a lookup that was not carried out, so this was not checked"
    ]


def test_a_lookup_may_use_what_another_one_found() -> None:
    text = (
        NET + "  v: {volume: {id: '{{ data.net.outputs.x }}'}}\noutputs: {o: {value: '{{ data.v.name }}'}}\n"
    )
    first = good_with(text)
    assert [query.key for query in first.lookups] == [NETWORK]
    second = good_with(text, results={NETWORK: {"outputs": OUTPUTS}})
    [volume] = [query for query in second.lookups if query.kind == "volume"]
    assert volume.arguments == (("id", "vol_1"),)


def test_modules_have_lookups_of_their_own() -> None:
    inner = "variables: {n: {}}\ndata: {v: {volume: '{{ var.n }}'}}\noutputs: {id: {value: '{{ data.v }}'}}\n"
    text = "modules: {m: {source: ./m, with: {n: corpus}}}\noutputs: {o: {value: '{{ module.m.id }}'}}\n"
    [query] = good_with(text, {"m": inner}).lookups
    stack = good_with(text, {"m": inner}, {query.key: {"volume_id": "vol_9"}})
    assert stack.outputs["o"].value == "vol_9"


def test_a_sensitive_output_of_another_stack_is_not_to_be_had() -> None:
    results = {NETWORK: {"outputs": OUTPUTS}}
    text = NET + "locals: {a: '{{ data.net.outputs.tok }}', b: '{{ data.net.outputs.y }}'}\n"
    _, found = load_with(text, results=results)
    assert shown(found) == [
        "4:17 the output tok of stack network is sensitive, so its value is not recorded",
        "4:50 stack network has no output 'y'",
    ]
    _, found = load_with(NET + "locals: {a: '{{ data.net.outputs }}'}\n", results=results)
    assert "some outputs of stack network are sensitive" in shown(found)[0]


def test_no_result_is_said_where_the_lookup_stands_and_nowhere_else() -> None:
    results = {NETWORK: NoResult("no stack 'network' is recorded", "Apply it first.")}
    text = NET + "locals: {a: '{{ data.net.outputs.x }}'}\noutputs: {o: {value: '{{ local.a }}'}}\n"
    _, found = load_with(text, results=results)
    assert shown(found) == ["3:16 no stack 'network' is recorded"]
    assert next(iter(found)).suggestion == "Apply it first."


MISTAKES = [
    ("data: [a]\n", ["2:7 data must be a mapping, not a list"]),
    ("data: {a: 1}\n", ["2:11 a lookup is a mapping from its kind to what it asks for, not a whole number"]),
    ("data: {a: {}}\n", ["2:8 the lookup a asks for nothing"]),
    ("data: {a: {volum: x}}\n", ["2:12 there is no kind of lookup 'volum'"]),
    ("data: {a: {volume: x, task: y}}\n", ["2:23 the lookup a has two kinds: volume and task"]),
    ("data: {a: {volume: {nam: x}}}\n", ["2:21 a lookup of volume has no argument 'nam'"]),
    ("data: {a: {volume: {region: x}}}\n", ["2:20 a lookup of volume needs id or name"]),
    ("data: {a: {volume: 3}}\n", ["2:20 volume must be a text, not a whole number"]),
    ("data: {a: {volume: ''}}\n", ["2:20 volume must be a text, not an empty one"]),
    (
        "volumes: {v: {size_gb: 1}}\ndata: {a: {volume: '{{ volume.v.name }}'}}\n",
        ["3:20 a lookup cannot depend on volume.v"],
    ),
    (
        "data: {a: {volume: '{{ data.b.name }}'}, b: {volume: '{{ data.a.name }}'}}\n",
        ["2:24 these refer to each other in a circle: data.b → data.a → data.b"],
    ),
    ("data: {n: {stack: x}}\nlocals: {a: '{{ data.n }}'}\n", ["3:17 data.n alone is no value"]),
    ("data: {n: {stack: x}}\nlocals: {a: '{{ data.n.output.x }}'}\n", ["3:17 a lookup of stack gives no 'output'"]),
    ("provider: {region: '{{ data.n.outputs.r }}'}\ndata: {n: {stack: x}}\n", ["2:20 provider.region cannot depend on a lookup: lookups are carried out with it"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_wrong_lookup_is_named_where_it_stands_and_once(text: str, wanted: list[str]) -> None:
    stack, found = load_with(text)
    assert stack is None
    assert [line for line in shown(found) if "not carried out" not in line] == wanted


@pytest.mark.parametrize("kind", LOOKUPS)
def test_each_kind_has_a_short_form_and_attributes(kind: str) -> None:
    declared = LOOKUPS[kind]
    stack = good_with(f"data: {{a: {{{kind}: x}}}}\n")
    assert [query.arguments for query in stack.lookups] == [((declared.short, "x"),)]
    for attribute in declared.attributes:
        good_with(f"data: {{a: {{{kind}: x}}}}\nlocals: {{l: '{{{{ data.a.{attribute} }}}}'}}\n")
    assert not declared.itself or declared.itself in declared.attributes
