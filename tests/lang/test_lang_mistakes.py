"""Broken stacks: each mistake is named at its exact line and column, once, and with what would be right."""

from __future__ import annotations

import pytest
from lang_stacks import load, shown

BROKEN = [
    ("a: 1\n", ["1:1 there is no section 'a'", "1:1 the stack has no name"]),
    ("", ["1:1 the stack has no name"]),
    ("- a\n", ["1:1 a stack file is a mapping of sections, not a list"]),
    ("stack: s\ntask: {}\n", ["2:1 there is no section 'task'"]),
    ("stack: s\nbackend: {}\n", ["2:1 backend is not supported by this version yet"]),
    ("stack: s\nstack: t\n", ["2:1 the key 'stack' stands twice in one mapping"]),
    ("stack: Bad Name\n", ["1:8 'Bad Name' cannot be the name of a stack"]),
    ("stack: [a]\n", ["1:8 stack must be a text, not a list"]),
    ("stack: s\nrequires: '>=9'\n", ["2:11 this stack requires flowplan >=9, and this is 0.1.0"]),
    ("stack: s\nrequires: x y\n", ["2:11 'x y' is not a version constraint"]),
    ("stack: s\nprovider: {type: mitril}\n", ["2:18 there is no provider 'mitril'"]),
    ("stack: s\nprovider: {typ: mithril}\n", ["2:12 provider has no field 'typ'"]),
    ("stack: s\nvariables:\n  n: {type: itn}\n", ["3:13 there is no type 'itn'"]),
    ("stack: s\nvariables:\n  n: {type: int}\n", ["3:3 the variable n (int) has no value"]),
    (
        "stack: s\nvariables:\n  n: {type: int, default: x}\n",
        ["3:27 the variable n must be a whole number, not a text"],
    ),
    (
        "stack: s\nvariables:\n  n: {type: int, default: 4}\nlocals:\n  a: '{{ var.m }}'\n",
        ["5:10 there is no variable 'm'"],
    ),
    (
        "stack: s\nvariables:\n  n: {type: int, default: 4}\nlocals:\n  a: '{{ var.n + \"x\" }}'\n",
        ["5:10 this expression cannot be evaluated: + does not work on a whole number and a text"],
    ),
    (
        "stack: s\nvariables:\n  n: {type: int, default: 4}\nlocals:\n  a: '{{ local.b }}'\n  b: '{{ local.a }}'\n",
        ["5:10 these refer to each other in a circle: local.b → local.a → local.b"],
    ),
    (
        "stack: s\nvariables:\n  n: {type: int, default: 4}\nlocals:\n  a: '{{ nn }}'\n",
        ["5:10 'nn' is not defined"],
    ),
    (
        "stack: s\nvariables:\n  n: {type: int, default: 4}\nlocals:\n  a: '{{ var.n | uper }}'\n",
        ["5:18 there is no filter 'uper'"],
    ),
    (
        "stack: s\nvariables:\n  n: {type: int, default: 4}\nlocals:\n  a: 'x {{ [1] }}'\n",
        ["5:12 a list cannot stand inside a text"],
    ),
    (
        "stack: s\nvariables:\n  n: {type: int, default: 4}\nlocals:\n  a: '{{ var.n '\n",
        ["5:7 this expression is never closed"],
    ),
    (
        "stack: s\nvariables:\n  n: {type: int, default: 4}\nlocals:\n  a: '{{ 1 / 0 }}'\n",
        ["5:10 the expression divides by zero"],
    ),
    (
        "stack: s\nvariables:\n  n: {default: 99, validate: '{{ value <= 64 }}'}\n",
        ["3:30 the value 99 of the variable n is not valid"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    num_instance: 4\n",
        ["5:5 num_instance is not a field"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    num_instances: four\n",
        ["5:20 num_instances must be a whole number, not 'four'"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    depends_on: [task.prep]\n",
        ["5:18 there is no task.prep in this stack"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    depends_on: [task.train]\n",
        ["5:18 task.train depends on itself"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    depends_on: [trian]\n",
        ["5:18 'trian' is not an address"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    depends_on: {task.train: complete}\n",
        ["5:30 there is no condition 'complete'"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    lifecycle: {prevent_destory: true}\n",
        ["5:17 lifecycle has no field 'prevent_destory'"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    lifecycle: {rerun: sometimes}\n",
        ["5:24 lifecycle.rerun has no choice 'sometimes'"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    timeouts: {running: 10}\n",
        ["5:25 '10' is not a duration"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    lifecycle: {ignore_changes: [imagee]}\n",
        ["5:34 a task has no configurable attribute 'imagee' to ignore"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    command: '{{ volume.data }}'\n",
        ["5:18 there is no volume 'data'"],
    ),
    (
        "stack: s\nvolumes:\n  data: {size_gb: 10, interface: file}\ntasks:\n  train:\n    instance_type: a100\n    command: '{{ volume.date }}'\n",
        ["7:18 there is no volume 'date'"],
    ),
    (
        "stack: s\nvolumes:\n  data: {size_gb: 10, interface: file}\ntasks:\n  train:\n    instance_type: a100\n    command: '{{ volume.data.sizegb }}'\n",
        ["7:18 volume.data has no attribute 'sizegb'"],
    ),
    (
        "stack: s\nvolumes:\n  data: {size_gb: 10, interface: file}\ntasks:\n  train:\n    for_each: ['{{ volume.data.volume_id }}']\n    instance_type: a100\n",
        ["6:16 a key of for_each must be known when the plan is made, and this is known only after apply"],
    ),
    (
        "stack: s\nvolumes:\n  data: {size_gb: 10, interface: file}\ntasks:\n  train:\n    when: '{{ volume.data.volume_id }}'\n    instance_type: a100\n",
        ["6:11 when must be known when the plan is made, and this is known only after apply"],
    ),
    (
        "stack: s\nvolumes:\n  data: {size_gb: 10, interface: file}\ntasks:\n  train:\n    env: {'{{ volume.data.volume_id }}': x}\n    instance_type: a100\n",
        ["6:11 a key must be known when the plan is made, and this is known only after apply"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    for_each: [a, b]\n    instance_type: a100\n  use:\n    instance_type: a100\n    command: '{{ task.train.ssh_host }}'\n",
        ["8:18 task.train has for_each, so it is several resources"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    for_each: [a, b]\n    instance_type: a100\n  use:\n    instance_type: a100\n    command: '{{ task.train[\"c\"].ssh_host }}'\n",
        ["8:18 task.train has no instance 'c'"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    for_each: [a, a]\n    instance_type: a100\n",
        ["4:19 for_each has 'a' twice"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    command: '{{ each.key }}'\n",
        ["5:18 each is known only in a resource with for_each"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    command: '{{ task.train.name }}'\n",
        ["5:18 task.train refers to itself"],
    ),
    (
        "stack: s\ntasks:\n  one: {instance_type: a100, command: '{{ task.two.name }}'}\n  two: {instance_type: a100, command: '{{ task.one.name }}'}\n",
        ["3:43 these refer to each other in a circle: task.two → task.one → task.two"],
    ),
    (
        "stack: s\nvariables:\n  tok: {default: hunter2hunter2, sensitive: true}\noutputs:\n  o: {value: '{{ var.tok }}'}\n",
        ["5:14 the output o is computed from a sensitive value"],
    ),
    (
        "stack: s\nvariables:\n  tok: {default: hunter2hunter2, sensitive: true}\ntasks:\n  train:\n    for_each: ['{{ var.tok }}']\n    instance_type: a100\n",
        ["6:16 a key of for_each would show a sensitive value"],
    ),
    ("stack: s\ntasks:\n  Train: {instance_type: a100}\n", ["3:3 'Train' cannot be the name of a task"]),
    ("stack: s\ntasks:\n  train:\n", ["3:3 a task is declared by a mapping of its fields, not null"]),
    ("stack: s\ntasks: [train]\n", ["2:8 tasks must be a mapping, not a list"]),
    ("stack: s\noutputs:\n  o: 3\n", ["3:6 the output o must be a mapping, not a whole number"]),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    command: '{{ file(\"../x\") }}'\n",
        ["5:24 '../x' lies outside the stack's folder"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    command: |\n      #!/bin/bash\n      echo {{ var.x }}\n",
        ["7:15 there is no variable 'x'"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    volumes: ['{{ volume.nope }}']\n",
        ["5:19 there is no volume 'nope'"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    volumes: [{volume: a, volume_id: b}]\n",
        ["5:38 volume and volume_id say the same thing"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    command: '{{ \"x\".__class__ }}'\n",
        ["5:14 '__class__' is not allowed: names that start with _ are not data"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    command: '{% import \"x\" as y %}'\n",
        ["5:15 {% import %} is not part of the language"],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    command: '{{ \"x\" * 9999999 }}'\n",
        [
            "5:18 this expression cannot be evaluated: a repetition may make 100,000 characters or items at most"
        ],
    ),
    (
        "stack: s\ntasks:\n  train:\n    instance_type: a100\n    env: {1: x}\n",
        ["5:11 the key 1 is not a text"],
    ),
    ("stack: s\noutputs:\n  o: {value: 1, valu: 2}\n", ["3:17 an output has no field 'valu'"]),
]


@pytest.mark.parametrize(("text", "wanted"), BROKEN, ids=range(len(BROKEN)))
def test_a_mistake_is_named_where_it_stands(text: str, wanted: list[str]) -> None:
    stack, found = load(text)
    assert stack is None
    assert shown(found) == wanted


@pytest.mark.parametrize(("text", "wanted"), BROKEN, ids=range(len(BROKEN)))
def test_the_line_it_stands_on_comes_with_it(text: str, wanted: list[str]) -> None:
    lines = [*text.split("\n"), ""]
    for one in load(text)[1]:
        assert one.span is not None
        assert one.snippet in (lines[one.span.line - 1], "")
        assert one.suggestion or one.detail or len(one.summary) > 20


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("tasks:\n  train: {instance_type: a100, num_instance: 2}\n", "Did you mean 'num_instances'?"),
        ("task: {}\n", "Did you mean 'tasks'?"),
        ("variables:\n  nodes: {default: 1}\nlocals:\n  a: '{{ var.node }}'\n", "Did you mean 'nodes'?"),
        ("locals:\n  a: '{{ vra.x }}'\n", "Did you mean 'var'?"),
        ("locals:\n  m: {alpha: 1}\n  a: '{{ local.m.alfa }}'\n", "Did you mean 'alpha'?"),
        ("provider: {type: mitril}\n", "Did you mean 'mithril'?"),
    ],
)
def test_near_names_are_suggested(text: str, suggestion: str) -> None:
    [one] = load("stack: s\n" + text)[1]
    assert one.suggestion == suggestion
    if not suggestion:
        assert "Did you mean 'alpha'?" in one.summary


def test_all_mistakes_come_at_once_in_file_order() -> None:
    text = (
        "stack: s\nrequires: '>=9'\nvariables:\n  n: {type: itn}\nlocals:\n  a: '{{ var.m }}'\n"
        "tasks:\n  t: {instance_type: a100, command: '{{ local.b }}', imag: x}\noutputs:\n  o: {valu: 1}\n"
    )
    assert [line.split()[0] for line in shown(load(text)[1])] == [
        "2:11",
        "4:13",
        "6:10",
        "8:41",
        "8:54",
        "10:7",
    ]


def test_what_depends_on_something_broken_is_silent() -> None:
    text = (
        "stack: s\nvariables:\n  n: {type: int, default: x}\nlocals:\n  a: '{{ var.n + 1 }}'\n  b: '{{ local.a }}'\n"
        "volumes:\n  data: {size_gb: '{{ local.b }}'}\n"
        "tasks:\n  train:\n    instance_type: a100\n    volumes: ['{{ volume.data }}']\n    num_instances: '{{ var.n }}'\n"
        "outputs:\n  o: {value: '{{ task.train.num_instances }} {{ local.a }}'}\n"
    )
    assert shown(load(text)[1]) == ["3:27 the variable n must be a whole number, not a text"]


def test_one_mistake_in_a_repeated_resource_is_reported_once() -> None:
    text = "stack: s\ntasks:\n  t:\n    for_each: [a, b, c]\n    instance_type: a100\n    command: '{{ var.x }}'\n"
    assert shown(load(text)[1]) == ["6:18 there is no variable 'x'"]


def test_each_mistake_in_one_expression_is_reported() -> None:
    text = "stack: s\nlocals:\n  a: '{{ var.x }} {{ var.y }}'\n"
    assert shown(load(text)[1]) == ["3:10 there is no variable 'x'", "3:22 there is no variable 'y'"]
