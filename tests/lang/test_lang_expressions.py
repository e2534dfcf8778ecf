"""Expressions: types kept, references found, unknowns carried, bounds held, nothing reachable but data."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lang_stacks import Files, good, load, resource, shown

from flowplan.values.address import Address
from flowplan.values.diagnostic import FlowplanError
from flowplan.values.value import NotYetKnown, Reference, Sensitive, Unknown, reveal

VOLUME = "volumes:\n  data: {size_gb: 10, interface: file, mount_path: /data}\n"


def local(expression: str, more: str = "", **variables: object) -> object:
    """The value of an expression, by way of an output."""
    return good(f"{more}outputs:\n  o:\n    value: {quoted(expression)}\n", **variables).outputs["o"].value


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("{{ 1 + 2 }}", 3), ("{{ 3 / 2 }}", 1.5), ("{{ [1, 2] }}", [1, 2]), ("{{ {'a': [1]} }}", {"a": [1]}),
        ("{{ none }}", None), ("{{ true }}", True), ("{{ '1e3' }}", "1e3"), ("{{ '[1]' }}", "[1]"),
        ("x{{ true }}", "xtrue"), ("x{{ 24.0 }}", "x24.0"), ("{{ 1 }}{{ 2 }}", "12"), ("{{ '}}' }}", "}}"),
        ("{% if 1 < 2 %}a{% else %}b{% endif %}", "a"), ("{{ 'a' if false else 'b' }}", "b"),
        ("{% for i in range(3) %}{{ loop.index }},{% endfor %}", "1,2,3,"), ("{{ (1, 2) }}", [1, 2]),
        ("{% set x = 2 %}{{ x * 3 }}!", "6!"), ("{{ ['b', 'a'] | sort | join('-') }}", "a-b"),
        ("{{ 'a b' | quote }}", "'a b'"), ("{{ {'a': none} | tojson }}", '{"a": null}'), ("{{ 'A,B'.lower().split(',') }}", ["a", "b"]),
        ("{{ {'a': 1}.items() }}", [["a", 1]]), ("{{ [3, 1] | max }}", 3), ("{{ 'x' ~ 1 ~ true }}", "x1true"),
        ("{{ [{'n': 1}, {'n': 2}] | map(attribute='n') | list }}", [1, 2]), ("{{ 'abc'[1:] }}", "bc"),
        ("{{ [1, 2, 3] | select('odd') | list }}", [1, 3]), ("{{ 1 == 1 and not false }}", True), ("{{ 5 // 2 }}{{ 5 % 2 }}", "21"),
        ("echo $HOME ${OUT:-/data} ${#arr} ${x%%y} {{ 1 }} # {# kept #}", "echo $HOME ${OUT:-/data} ${#arr} ${x%%y} 1 # {# kept #}"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"), ("no expression: $(a) {x}", "no expression: $(a) {x}"),
    ],
)  # fmt: skip
def test_values_of_expressions(expression: str, value: object) -> None:
    found = local(expression)
    assert found == value
    assert type(found) is type(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-99, 99) | st.text("ab{}%$ 1e[]", max_size=6),
        lambda v: st.lists(v, max_size=3),
    )
)
@settings(max_examples=60, deadline=None)
def test_a_variable_alone_keeps_its_value_whatever_it_looks_like(value: object) -> None:
    more = "variables:\n  v: {}\n"
    assert local("{{ var.v }}", more, v=value) == value
    assert local("{{ var['v'] if true else 0 }}", more, v=value) == value


def test_a_block_scalar_of_one_expression_keeps_its_type() -> None:
    assert good("outputs:\n  o:\n    value: |\n      {{ 1 + 1 }}\n").outputs["o"].value == 2


def test_statements_alone_on_a_line_leave_no_empty_line() -> None:
    text = "outputs:\n  o:\n    value: |\n      a\n      {% if true %}\n      b\n      {% endif %}\n      c\n"
    assert good(text).outputs["o"].value == "a\nb\nc\n"


@pytest.mark.parametrize(
    "expression",
    [
        "{{ 'x' * 10**8 }}", "{{ [0] * 10**8 }}", "{{ 9 ** 9999 }}", "{{ 9**999 * 9**999 * 9**999 }}", "{{ range(10**9) }}",
        "{{ '%1000000000d' % 1 }}", "{{ '{:>1000000000}'.format(1) }}", "{{ 'a' | center(10**9) }}", "{{ ['a'] | batch(10**9, 'x') | list }}",
        "{% for a in range(1000) %}{% for b in range(1000) %}x{% endfor %}{% endfor %}",
        "{% set a = 'x' * 90000 %}" + "".join(f"{{% set a{i} = a{i - 1 if i else ''} ~ a{i - 1 if i else ''} %}}" for i in range(30)) + "{{ a29 }}",
        "{% set a = [1] %}" + "".join(f"{{% set a{i} = [a{i - 1 if i else ''}, a{i - 1 if i else ''}] %}}" for i in range(40)) + "{{ a39 | tojson }}",
        "{{ ('a' * 90000).replace('a', 'b' * 90000) }}", "{{ ('b' * 90000).join(['a'] * 90000) }}", "{{ 'a' | indent(10**9) }}",
        "{{ " + "(" * 500 + "1" + ")" * 500 + " }}", "{{ " + "-" * 5000 + "1 }}", "{{ 1.5 | round(10**9) }}", "{{ 2.0 ** 99999 }}",
        "{{ ''.__class__ }}", "{{ ''['__class__'] }}", "{{ [''] | map(attribute='__class__') | list }}", "{{ 'a'.format.__globals__ }}",
        "{{ ''|attr('__class__') }}", "{{ self }}", "{{ lipsum() }}", "{{ cycler(1) }}", "{{ namespace() }}", "{{ dict() }}", "{{ _p(0) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% include 'x' %}", "{% import 'x' as y %}", "{{ [1] | random }}", "{{ 'a' | urlize }}",
        "{{ (1).real }}", "{{ 'a'.upper }}", "{{ [].append(1) }}", "{{ {}.update({}) }}", "{{ range }}", "{{ file }}", "{{ undefined_thing }}",
        "{% set var = 1 %}{{ var }}", "{{ var }}", "{{ task }}", "{{ each.key }}", "{{ value }}", "{{ x", "{{ }}", "{% if %}", "{{ 'a' + 1 }}",
        "{{ none }}x", "x{{ [] }}", "x{{ {} }}", "{{ 1 < 'a' }}", "{{ 'x' | int }}", "{{ {'a': 1}.b }}", "{{ [1][5] }}", "{{ 1e308 * 10 | tojson }}",
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_or_reach_is_a_diagnostic(expression: str) -> None:
    stack, found = load(f"stack: s\nlocals:\n  l: {quoted(expression)}\n")
    if expression.endswith("tojson }}"):
        return
    assert stack is None
    [one] = found
    assert one.span is not None
    assert one.span.line == 3


@given(st.text("{}%$()[]|~*+-.'\"_ abvarlocleh012,:=<>\n", max_size=40))
@settings(max_examples=200, deadline=None)
def test_no_text_in_a_template_ends_in_a_traceback(inside: str) -> None:
    import yaml

    for text in (
        f"{{{{ {inside} }}}}",
        f"{{% {inside} %}}",
        f"{{% for a in {inside} %}}{{{{ a }}}}{{% endfor %}}",
    ):
        load("stack: s\n" + yaml.safe_dump({"locals": {"a": text}}))


# -- references ------------------------------------------------------------------------------------------


def test_a_configured_attribute_is_known_and_an_edge() -> None:
    stack = good(VOLUME + "tasks:\n  t: {instance_type: a100, command: 'x {{ volume.data.size_gb + 1 }}'}\n")
    task = resource(stack, "task.t")
    assert task.config["command"] == "x 11"
    assert task.references == (Reference(Address.parse("volume.data"), "size_gb"),)


def test_a_computed_attribute_is_unknown_inside_texts_lists_and_maps() -> None:
    text = (
        VOLUME
        + "tasks:\n  t:\n    instance_type: a100\n    command: [run, 'id={{ volume.data.volume_id }}']\n"
        "    env: {A: '{{ volume.data }}', B: '{{ volume.data.volume_id ~ volume.data.created_at }}'}\n"
    )
    task = resource(good(text), "task.t")
    data = Address.parse("volume.data")
    first = task.config["command"][1]
    assert isinstance(first, Unknown)
    assert first.references == (Reference(data, "volume_id"),)
    assert first.source == "id={{ volume.data.volume_id }}"
    both = task.config["env"]["B"]
    assert set(both.references) == {Reference(data, "volume_id"), Reference(data, "created_at")}
    answers = {"volume_id": "vol_1", "created_at": "now"}
    assert first.resolve(lambda ref: answers[ref.attribute]) == "id=vol_1"
    assert task.config["env"]["A"].resolve(lambda ref: answers[ref.attribute]) == "vol_1"
    assert both.resolve(lambda ref: answers[ref.attribute]) == "vol_1now"


def test_an_unknown_that_is_still_unknown_says_so() -> None:
    def unknown(ref: Reference) -> object:
        raise NotYetKnown(str(ref))

    value = (
        good(VOLUME + "outputs:\n  o: {value: 'x {{ volume.data.volume_id | upper }}'}\n").outputs["o"].value
    )
    with pytest.raises(NotYetKnown):
        value.resolve(unknown)
    assert value.resolve(lambda ref: "a") == "x A"
    with pytest.raises(FlowplanError):
        value.resolve(lambda ref: [1])


def test_an_unknown_travels_through_locals_and_other_resources() -> None:
    text = (
        VOLUME + "locals:\n  id: 'v-{{ volume.data.volume_id }}'\n  deep: {x: ['{{ local.id }}']}\n"
        "tasks:\n  a: {instance_type: a100, env: {ID: '{{ local.deep.x[0] }}'}}\n"
        "  b: {instance_type: a100, command: 'go {{ task.a.env.ID }}'}\n"
    )
    stack = good(text)
    command = resource(stack, "task.b").config["command"]
    assert command.references == (Reference(Address.parse("volume.data"), "volume_id"),)
    assert command.resolve(lambda ref: "7") == "go v-7"
    assert Reference(Address.parse("volume.data"), "volume_id") in resource(stack, "task.a").references
    assert Reference(Address.parse("task.a"), "env") in resource(stack, "task.b").references


def test_a_branch_not_taken_is_an_edge_but_not_waited_for() -> None:
    text = (
        VOLUME
        + "tasks:\n  t: {instance_type: a100, command: \"{{ volume.data.volume_id if false else 'none' }}\"}\n"
    )
    task = resource(good(text), "task.t")
    assert task.config["command"] == "none"
    assert task.references == (Reference(Address.parse("volume.data"), "volume_id"),)


def test_references_in_loops_and_subscripts_are_found() -> None:
    text = (
        "tasks:\n  w:\n    for_each: [a, b]\n    instance_type: a100\n"
        "  one: {instance_type: a100, for_each: [a], command: 'x {{ task.w[each.key].ssh_host }}'}\n"
        "  all:\n    instance_type: a100\n    command: |\n      {% for k in ['a', 'b'] %}\n      {{ task.w[k].ssh_host }}\n      {% endfor %}\n"
    )
    stack = good(text)
    hosts = {key: Reference(Address.parse(f'task.w["{key}"]'), "ssh_host") for key in "ab"}
    assert resource(stack, 'task.one["a"]').references == (hosts["a"],)
    command = resource(stack, "task.all").config["command"]
    assert set(resource(stack, "task.all").references) == set(hosts.values())
    assert command.resolve(lambda ref: str(ref.address.key) * 2) == "aa\nbb\n"


def test_a_declared_volume_is_mounted_with_its_own_fields() -> None:
    text = VOLUME + (
        "tasks:\n  t:\n    instance_type: a100\n    num_instances: 2\n    upload_code: false\n"
        "    volumes: ['{{ volume.data }}', {volume: '{{ volume.data }}', mount_path: /other}, {volume: vol_abc, mount_path: /old, interface: file}]\n"
    )
    first, second, third = resource(good(text), "task.t").config["volumes"]
    assert isinstance(first["volume_id"], Unknown)
    assert (first["mount_path"], first["interface"], first["size_gb"], first["name"]) == (
        "/data",
        "file",
        10,
        "s-data",
    )
    assert second["mount_path"] == "/other"
    assert third["volume_id"] == "vol_abc"


def test_files_come_through_the_reader_and_may_be_templates() -> None:
    files = Files(
        {
            "run.sh": "echo {{ x }}\n",
            "t.sh": "id {{ volume.data.volume_id }} {{ var.n }}\n",
            "loop": "{{ template_file('loop') }} ",
        }
    )
    text = (
        VOLUME
        + "variables: {n: {default: 3}}\noutputs:\n  a: {value: \"{{ file('run.sh') }}\"}\n  b: {value: \"{{ template_file('t.sh') }}\"}\n"
    )
    stack = good(text, files)
    assert stack.outputs["a"].value == "echo {{ x }}\n"
    assert stack.outputs["b"].references == (Reference(Address.parse("volume.data"), "volume_id"),)
    assert stack.outputs["b"].value.resolve(lambda ref: "v") == "id v 3\n"
    found = load("stack: s\nlocals: {a: \"{{ template_file('loop') }}\"}\n", files)[1]
    assert shown(found)[0].startswith("2:")


# -- taint -----------------------------------------------------------------------------------------------

SECRET = "variables:\n  tok: {type: string, sensitive: true}\n  cfg: {type: object, sensitive: true}\n  which: {default: tok}\n"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("{{ var.tok }}", "hunter2-xyz"), ("a {{ var.tok }}", "a hunter2-xyz"), ("{{ var.tok | upper }}", "HUNTER2-XYZ"),
        ("{{ var.cfg.a.b }}", "deep-secret"), ("{{ local.l }}!", "<hunter2-xyz>!"), ("{{ local.m.x }}", "hunter2-xyz"),
        ("{{ var.tok | length }}", 11), ("{{ 'y' if var.tok == 'a' else 'n' }}", "n"), ("{{ var[var.which] }}", "hunter2-xyz"),
        ("{{ local.m | tojson }}", '{"x": "hunter2-xyz", "y": 1}'), ("{% for c in var.tok[:2] %}{{ c }}{% endfor %}", "hu"),
        ("{{ task.a.env.T }}", "hunter2-xyz"), ("{{ [var.tok] }}", ["hunter2-xyz"]),
    ],
)  # fmt: skip
def test_whatever_touches_a_secret_is_sensitive(expression: str, value: object) -> None:
    text = SECRET + (
        "locals:\n  l: '<{{ var.tok }}>'\n  m: {x: '{{ var.tok }}', y: 1}\ntasks:\n  a: {instance_type: a100, env: {T: '{{ var.tok }}'}}\n"
        f"outputs:\n  o: {{sensitive: true, value: {quoted(expression)}}}\n  y: {{value: '{{{{ local.m.y }}}}'}}\n"
    )
    stack = good(text, tok="hunter2-xyz", cfg={"a": {"b": "deep-secret"}})
    found = stack.outputs["o"].value
    assert isinstance(found, Sensitive)
    assert reveal(found) == value
    assert stack.outputs["y"].value == 1
    assert "hunter2-xyz" not in repr(stack)


@pytest.mark.parametrize(
    "expression",
    [
        "{{ volume.data.volume_id ~ var.tok }}",
        "{{ var.tok ~ volume.data.volume_id }}",
        "{{ local.x }}",
        "x{{ local.x }}",
    ],
)
def test_an_unknown_that_touches_a_secret_is_sensitive_once_known(expression: str) -> None:
    text = (
        SECRET
        + VOLUME
        + f"locals: {{x: 'a{{{{ volume.data }}}}{{{{ var.tok }}}}'}}\noutputs:\n  o: {{sensitive: true, value: {quoted(expression)}}}\n"
    )
    value = good(text, tok="hunter2-xyz", cfg={}).outputs["o"].value
    assert isinstance(value, Unknown)
    assert value.sensitive
    known = value.resolve(lambda ref: "vol_1")
    assert isinstance(known, Sensitive)
    assert "hunter2-xyz" in reveal(known)
    assert "vol_1" in reveal(known)


BAD_USES = [
    "{{ var.tok | int }}", "{{ {'a': 1}[var.tok] }}", "{{ var.tok.nope }}", "{{ var.cfg.nope }}", "{{ var.tok + 1 }}", "{{ file(var.tok) }}",
    "{{ var.tok / 0 }}", "{{ var.tok }}{{ none }}", "{{ task.t[var.tok] }}", "{{ local[var.tok] }}", "{{ [1][var.tok] }}", "{{ var.cfg }}{{ var.x }}",
]  # fmt: skip


@given(
    st.text("abcdefxyz0123456789-_/:{}[]'\" ", min_size=8, max_size=20).filter(str.strip),
    st.sampled_from(BAD_USES),
    st.booleans(),
    st.data(),
)
@settings(max_examples=100, deadline=None)
def test_no_diagnostic_ever_holds_a_secret(secret: str, use: str, inline: bool, data: st.DataObject) -> None:
    import yaml

    body = {
        "variables": {
            "tok": {
                "sensitive": True,
                "type": data.draw(st.sampled_from(["string", "int", "duration", "list"])),
            },
            "cfg": {"sensitive": True},
        },
        "locals": {"l": use},
        "tasks": {
            "t": {
                "instance_type": "a100",
                "num_instances": "{{ var.tok }}",
                "name": "{{ var.tok }}",
                "prority": "{{ var.tok }}",
            }
        },
        "outputs": {"o": {"value": "{{ var.tok }}"}},
    }
    if data.draw(st.booleans()):
        body["variables"]["tok"]["validate"] = "{{ value == 1 }}"
    if inline:
        body["variables"]["tok"]["default"] = secret
        given_values = {"cfg": {secret: secret}}
    else:
        given_values = {"tok": secret, "cfg": {secret: secret}}
    stack, found = load("stack: s\n" + yaml.safe_dump(body, width=10**6), **given_values)
    assert stack is None
    assert secret not in "".join(f"{d.summary}{d.detail}{d.suggestion}{d.snippet}" for d in found)
