"""The evaluated form of a stack: what comes back is what evaluation gave, or there is no such form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lang_stacks import good, load, shown

from flowplan.lang.evaluated import dump_evaluated, load_evaluated
from flowplan.lang.stack import Stack
from flowplan.values.address import Address
from flowplan.values.value import is_known

HEAD = "provider: {region: us-central1-b}\n"
TASK = "instance_type: a100, max_price_per_hour: 3.0, upload_code: false"
RICH = f"""\
description: a stack with a bit of everything that can be kept
provider: {{region: us-central1-b, project: research}}
variables:
  nodes: {{type: int, default: 2}}
  tags: {{type: map, default: {{a: [1, 2.5, null, true]}}}}
  size: {{type: size, default: 10GB}}
locals: {{runs: [x, y]}}
budget: {{max_hourly_usd: 100.25, max_committed_usd: 5}}
limits: {{max_resources: 50, max_gpus: 400}}
volumes:
  data: {{size_gb: 10, interface: block, name: the-data}}
  shared: {{for_each: "{{{{ local.runs }}}}", size_gb: 5, interface: file, lifecycle: {{prevent_destroy: true, on_remove: retain}}}}
reservations:
  room: {{instance_type: a100, quantity: 2, start_time_utc: "2027-01-01T00:00:00Z", duration_hours: 24}}
tasks:
  first: {{{TASK}, command: "echo $FLOW_NODE_RANK ü 🦔", num_instances: "{{{{ var.nodes }}}}", timeouts: {{completed: 90m}}}}
  second:
    {{{TASK.replace(", ", ", ")}, command: [python, -c, "print(1)"], env: {{A: '1', B: "$x"}},
     volumes: [{{volume: "{{{{ volume.data }}}}", mount_path: /data}}],
     depends_on: {{task.first: {{condition: completed, failed_ok: true}}, "volume.shared[\\"x\\"]": {{}}}},
     lifecycle: {{ignore_changes: [env.A, "*"], replace_triggered_by: [volume.data], rerun: never, on_lost: fail}}}}
moved: [{{from: volume.old, to: volume.data}}]
removed: [{{from: task.old, destroy: true}}]
imports: [{{to: volume.data, name: the-data}}]
outputs:
  where: {{value: "{{{{ volume.data.volume_id }}}}", description: its id}}
  nodes: {{value: "{{{{ var.nodes }}}}", type: int}}
  both: {{value: ["{{{{ task.first.task_id }}}}", {{deep: "{{{{ task.second.task_id }}}}"}}]}}
"""


def never() -> Stack:
    raise AssertionError("nothing asked for more than the form holds")


def back(stack: Stack) -> Stack:
    text = dump_evaluated(stack)
    assert text is not None
    return load_evaluated(text, stack.sources, never)


def types_of(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, types_of(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [types_of(item) for item in value]
    return type(value)


def the_same(one: Stack, other: Stack) -> None:
    assert one == other
    assert list(one.resources) == list(other.resources)
    for address, resource in one.resources.items():
        twin = other.resources[address]
        # Equality takes 1 for 1.0 and True, and minds no order; the text of a plan does.
        assert types_of(resource.config) == types_of(twin.config)
        assert list(twin.unknown or ()) == [n for n, v in twin.config.items() if not is_known(v)]
        assert (resource.span, resource.snippet) == (twin.span, twin.snippet)
        assert [one.span for one in resource.depends_on] == [one.span for one in twin.depends_on]
    assert [one.span for one in one.outputs.values()] == [one.span for one in other.outputs.values()]
    for name in ("moved", "removed", "imports"):
        assert [each.span for each in getattr(one, name)] == [each.span for each in getattr(other, name)]
    for name in ("provider", "budget", "limits"):
        assert getattr(one, name).span == getattr(other, name).span


def test_what_comes_back_is_what_was_evaluated() -> None:
    stack = good(RICH)
    assert len(stack.resources) == 6
    the_same(stack, back(stack))


names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
)
nested = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)


@given(
    volumes=st.dictionaries(names, st.integers(1, 50), max_size=4),
    tasks=st.dictionaries(
        names, st.tuples(texts, st.dictionaries(names, texts, max_size=3), st.data()), max_size=4
    ),
    values=st.dictionaries(names, nested, max_size=3),
)
def test_random_stacks_come_back(volumes: Any, tasks: Any, values: Any) -> None:
    def literal(value: Any) -> str:
        # What looks like an expression is none here.
        return (
            json.dumps(value)
            .replace("{{", "{ {")
            .replace("{%", "{ %")
            .replace("{#", "{ #")
            .replace("}}", "} }")
        )

    lines = [HEAD, "volumes:" if volumes else ""]
    lines += [f"  {name}: {{size_gb: {size}, interface: file}}" for name, size in volumes.items()]
    lines.append("tasks:" if tasks else "")
    for name, (command, env, data) in tasks.items():
        held = data.draw(st.lists(st.sampled_from(sorted(volumes)), unique=True) if volumes else st.just([]))
        mounts = [f"{{volume: '{{{{ volume.{one} }}}}', mount_path: /m/{one}}}" for one in held]
        fields = f"command: {literal('echo ' + command)}, env: {literal(env)}, volumes: [{', '.join(mounts)}]"
        lines.append(f"  {name}: {{{TASK}, {fields}}}")
    lines.append("outputs:" if values else "")
    lines += [f"  {name}: {{value: {literal(value)}}}" for name, value in values.items()]
    stack, found = load("stack: s\n" + "\n".join(lines) + "\n")
    if stack is not None:
        the_same(stack, back(stack))
    else:
        assert shown(found)


def test_where_values_come_from_is_still_told_by_the_text() -> None:
    stack, asked = good(RICH), []

    def evaluate() -> Stack:
        asked.append(1)
        return stack

    text = dump_evaluated(stack)
    assert text is not None
    kept = load_evaluated(text, stack.sources, evaluate)
    assert asked == []
    for address, resource in stack.resources.items():
        for name in resource.config:
            assert kept.resources[address].span_of((name,)) == resource.span_of((name,))
            assert kept.resources[address].origins_of((name,)) == resource.origins_of((name,))
    gone = Address.parse('volume.shared["z"]')
    assert kept.absence_of(gone) == stack.absence_of(gone)
    assert asked == [1], "once is enough"


@pytest.mark.parametrize(
    "text",
    [
        'variables: {token: {type: string, sensitive: true, default: hunter2}}\n',
        'variables: {token: {type: string, sensitive: true, default: hunter2}}\n'
        f'tasks: {{a: {{{TASK}, command: x, env: {{T: "{{{{ var.token }}}}"}}}}}}\n',
        'volumes: {v: {size_gb: 1, interface: file}}\noutputs: {o: {value: "x-{{ volume.v.volume_id }}"}}\n',
        'volumes: {v: {size_gb: 1, interface: file}}\noutputs: {o: {value: "{{ volume.v.volume_id }}", sensitive: true}}\n',
        f'volumes: {{v: {{size_gb: 1, interface: file}}}}\n'
        f'tasks: {{a: {{{TASK}, command: "ls {{{{ volume.v.volume_id }}}}"}}}}\n',
        'checks: [{assert: "{{ plan.hourly_usd <= 50 }}"}]\n',
        f'volumes: {{v: {{size_gb: 1, interface: file}}}}\ntasks: {{a: {{{TASK}, command: x, require: [{{assert: "{{{{ volume.v.volume_id != \'\' }}}}"}}]}}}}\n',
    ],
)  # fmt: skip
def test_what_only_evaluation_can_tell_has_no_such_form(text: str) -> None:
    assert dump_evaluated(good(HEAD + text)) is None


@given(st.data())
def test_a_broken_form_is_told_as_such(data: st.DataObject) -> None:
    text = dump_evaluated(good(RICH))
    assert text is not None
    form = json.loads(text)
    at: Any = form
    for _ in range(data.draw(st.integers(1, 5))):
        keys = sorted(at) if isinstance(at, dict) else list(range(len(at))) if isinstance(at, list) else []
        if not keys:
            break
        holder, key = at, data.draw(st.sampled_from(keys))
        at = at[key]
    if data.draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = data.draw(nested)
    sources = good(RICH).sources
    try:
        load_evaluated(json.dumps(form), sources, never)
    except ValueError:
        return


def test_half_a_form_is_none() -> None:
    text = dump_evaluated(good(RICH))
    assert text is not None
    for end in range(0, len(text), 97):
        with pytest.raises(ValueError, match="no evaluated stack"):
            load_evaluated(text[:end], good(RICH).sources, never)
