"""Stacks that use everything, with parts of them changed at random: never a traceback, never a secret."""

from __future__ import annotations

import random
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from lang_folders import load_with

from flowplan.lang.checks import evaluate_checks

SECRET = "hunter2hunter2"
ATOMS: list[Any] = [
    None, True, 1, -3, 2.5, "x", "a..b", "10m", "a100", "created", "./store", "./loop", "./bad", [], {}, "{{",
    "task.t", "volume.v", "module.m", "module.m.volume.v", 'task.t["a"]', "{{ var.n }}", "{{ data.d }}",
    "{{ data.d.outputs.x }}", "{{ module.m.id }}", "{{ module.m }}", "{{ self.name }}", "{{ plan.summary.destroy }}",
    "{{ volume.v }}", "{{ each.key }}", "{{ task.t.name }}", "{{ local.l }}", "{{ nope }}", "{{ var.sec }}",
    "{{ module.m[local.l].id }}", "{{ data[local.l] }}", "{{ plan.changes[local.l].action }}",
    "{{ module.m.id if var.n else data.d }}",
]  # fmt: skip
KEYS = [
    "source",
    "with",
    "for_each",
    "when",
    "depends_on",
    "size",
    "n",
    "assert",
    "message",
    "severity",
    "from",
    "to",
    "id",
    "name",
    "destroy",
    "stack",
    "volume",
    "price",
    "outputs",
    "max_hourly_usd",
    "max_gpus",
    "tasks",
    "volumes",
    "env",
    "lifecycle",
    "timeouts",
    "require",
    "instance_type",
    "size_gb",
    "value",
    "sensitive",
    "type",
    "ignore_changes",
    "replace_triggered_by",
    "create",
    "t",
    "v",
    "m",
    "d",
    "l",
    "a",
    "region",
    "file",
    "command",
]
WHOLE: dict[str, Any] = {
    "variables": {"n": {"default": 1}, "sec": {"default": SECRET, "sensitive": True}},
    "locals": {"l": "a"},
    "volumes": {"v": {"size_gb": 1}},
    "tasks": {
        "t": {
            "instance_type": "a100",
            "depends_on": ["module.m"],
            "require": [{"assert": "{{ self.num_instances < 3 }}"}],
            "lifecycle": {"replace_triggered_by": ["volume.v"], "ignore_changes": ["env.*"]},
        }
    },
    "modules": {"m": {"source": "./store", "with": {"size": 3}}},
    "data": {"d": {"stack": "net"}},
    "defaults": {"tasks": {"env": {"A": "{{ var.n }}"}, "timeouts": {"create": "1m"}}},
    "moved": [{"from": "task.o", "to": "task.t"}],
    "removed": [{"from": "task.p"}],
    "imports": [{"to": "task.t", "id": "x"}],
    "checks": [{"assert": "{{ plan.summary.destroy == 0 }}", "message": "m {{ var.sec }}"}],
    "budget": {"max_hourly_usd": 3},
    "limits": {"max_gpus": 1},
    "outputs": {"o": {"value": "{{ module.m.id }}"}},
}
FOLDERS = {
    "store": "variables: {size: {type: int, default: 10}, n: {default: 1, validate: '{{ value != 3 }}'}}\n"
    "volumes: {v: {size_gb: '{{ var.size }}'}}\noutputs: {id: {value: '{{ volume.v.volume_id }}'}}\n",
    "loop": "modules: {x: {source: ../loop}}\n",
    "bad": "volumes: [\n",
}
VIEW = {"mode": "normal", "summary": {"destroy": 1}, "changes": {}, "hourly_usd": 1, "committed_usd": 0}
NETWORK: dict[str, Any] = {'stack {"name": "net"}': {"outputs": {"x": 1, "y": ["a"]}}}


def anything(chance: random.Random, depth: int) -> Any:
    kind = chance.random()
    if depth <= 0 or kind < 0.55:
        return chance.choice(ATOMS)
    if kind < 0.8:
        return {chance.choice(KEYS): anything(chance, depth - 1) for _ in range(chance.randint(0, 4))}
    return [anything(chance, depth - 1) for _ in range(chance.randint(0, 3))]


def changed(chance: random.Random, node: Any) -> Any:
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if chance.random() > 0.02}
        made = {key: changed(chance, value) for key, value in kept.items()}
        return {**made, chance.choice(KEYS): anything(chance, 3)} if chance.random() < 0.05 else made
    if isinstance(node, list):
        return [changed(chance, item) for item in node]
    return anything(chance, 3) if chance.random() < 0.06 else node


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=400)
def test_a_changed_stack_is_read_or_refused(seed: int, looked_up: bool) -> None:
    chance = random.Random(seed)
    sections = {**changed(chance, WHOLE), "variables": WHOLE["variables"]}
    if chance.random() < 0.2:
        sections[chance.choice([*WHOLE][1:])] = anything(chance, 4)
    sections.pop("stack", None)
    stack, found = load_with(yaml.safe_dump(sections), FOLDERS, NETWORK if looked_up else {})
    assert (stack is None) == found.has_errors
    told = [*found]
    if stack is not None:
        told += evaluate_checks(stack, VIEW)
    for one in told:
        assert SECRET not in f"{one.summary} {one.detail} {one.suggestion} {one.snippet}"
