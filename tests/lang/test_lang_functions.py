"""Functions: each does what its example says, as function and filter, with secrets kept and unknowns carried."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import nodes
from jinja2.parser import Parser
from lang_stacks import Files, good, load, shown

from flowplan.lang.functions import REGISTER, TESTS_ALLOWED, Function
from flowplan.lang.functions.reference import render_reference
from flowplan.lang.sandbox import environment
from flowplan.values.address import Address
from flowplan.values.value import Reference, Sensitive, Unknown, reveal

VOLUME = "volumes:\n  data: {size_gb: 10, interface: file, mount_path: /data}\n"
ALL = [pytest.param(one, id=one.name) for one in REGISTER.values()]


def quoted(text: str) -> str:
    return json.dumps(text)


def value(expression: str, more: str = "", reader: Files | None = None, **variables: object) -> object:
    text = f"{more}outputs:\n  o: {{sensitive: true, value: {quoted('{{ ' + expression + ' }}')}}}\n"
    return good(text, reader, **variables).outputs["o"].value


def refused(expression: str, **variables: object) -> str:
    declared = "".join(f"  {name}: {{}}\n" for name in variables)
    text = f"stack: s\nvariables:\n{declared}" if declared else "stack: s\n"
    stack, found = load(f"{text}locals:\n  a: {quoted('{{ ' + expression + ' }}')}\n", **variables)
    assert stack is None
    [one] = found
    return one.summary


def call_of(one: Function) -> tuple[list[object], str]:
    """The values an example's call is made with, and what comes after the call."""
    call = Parser(environment(), one.example.split(" | ")[0], state="variable").parse_expression()
    assert isinstance(call, nodes.Call), one.example
    rest = one.example.partition(" | ")[2]
    call.set_environment(environment())
    return [arg.as_const() for arg in call.args], f" | {rest}" if rest else ""


def literal(data: object) -> str:
    return json.dumps(data) if isinstance(data, str) else json.dumps(data).replace("null", "none")


@pytest.mark.parametrize("one", ALL)
def test_a_function_does_what_its_example_says(one: Function) -> None:
    assert value(one.example) == json.loads(one.gives)
    args, rest = call_of(one)
    rest_of_call = ", ".join(literal(arg) for arg in args[1:])
    assert value(f"{literal(args[0])} | {one.name}({rest_of_call}){rest}") == json.loads(one.gives)
    assert one.summary.endswith(".")


@pytest.mark.parametrize("one", ALL)
def test_what_a_function_makes_of_a_secret_is_a_secret(one: Function) -> None:
    args, rest = call_of(one)
    for place in range(len(args)):
        if one.name in ("default", "d", "coalesce") and args[place] is None:
            continue
        calls = ", ".join("var.secret" if i == place else literal(arg) for i, arg in enumerate(args))
        found = value(
            f"{one.name}({calls}){rest}", "variables: {secret: {sensitive: true}}\n", secret=args[place]
        )
        assert isinstance(found, Sensitive)
        assert reveal(found) == json.loads(one.gives)


@pytest.mark.parametrize("one", ALL)
def test_what_a_function_makes_of_an_unknown_waits_for_the_same(one: Function) -> None:
    args, rest = call_of(one)
    more = ", ".join(literal(arg) for arg in args[1:])
    waited = "volume.data.volume_id"
    found = value(f"{one.name}({waited}{', ' if more else ''}{more}){rest}", VOLUME)
    assert isinstance(found, Unknown)
    assert found.references == (Reference(Address.parse("volume.data"), "volume_id"),)
    assert found.resolve(lambda _: args[0]) == json.loads(one.gives)


@pytest.mark.parametrize("one", ALL)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_no_value_makes_a_function_fail_but_with_a_diagnostic(one: Function, data: st.DataObject) -> None:
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    values = st.recursive(
        scalars,
        lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3),
        max_leaves=6,
    )
    given_values = {f"v{i}": data.draw(values) for i in range(data.draw(st.integers(1, 3)))}
    declared = ", ".join(f"{name}: {{}}" for name in given_values)
    call = f"{one.name}({', '.join('var.' + name for name in given_values)})"
    stack, found = load(
        f"stack: s\nvariables: {{{declared}}}\nlocals:\n  a: {quoted('{{ ' + call + ' }}')}\n", **given_values
    )
    assert (stack is None) == found.has_errors
    for problem in found:
        assert problem.span is not None


def test_the_reference_names_every_function_and_filter() -> None:
    text = render_reference()
    for one in REGISTER.values():
        assert f"`{one.signature}`" in text
    for name in ("map", "select", "reject", "selectattr", "rejectattr", "file", "template_file", "glob"):
        assert f"`{name}" in text


def test_the_reference_names_every_test() -> None:
    table = render_reference().partition("| about |")[2]
    assert set(re.findall(r"`([a-z]+|[=!<>]=|[<>])`", table)) == set(TESTS_ALLOWED)


# -- laws ------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | TEXTS.map(lambda t: re.sub(r"[^\x20-\ud7ff]", "", t)),
    lambda v: (
        st.lists(v, max_size=4)
        | st.dictionaries(TEXTS.map(lambda t: re.sub(r"[^\x20-~]|<<", "", t)), v, max_size=4)
    ),
    max_leaves=12,
)


def through(expression: str, given_value: object) -> object:
    return value(expression, "variables: {v: {}}\n", v=given_value)


@given(PLAIN)
@settings(max_examples=60, deadline=None)
def test_what_is_encoded_comes_back(data: object) -> None:
    for way in (
        "json_decode(json_encode(var.v))",
        "json_decode(tojson(var.v, 2))",
        "yaml_decode(yaml_encode(var.v))",
    ):
        assert reveal(through(way, data)) == data, way


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_texts_come_back_from_base64_and_urls(text: str) -> None:
    assert through("base64_decode(base64_encode(var.v))", text) == text
    assert through("url_decode(url_encode(var.v))", text) == text


@given(st.lists(st.integers(-20, 20), max_size=12), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_lists_are_cut_and_put_together_without_loss(numbers: list[int], size: int) -> None:
    assert through(f"flatten(chunk(var.v, {size}))", numbers) == numbers
    assert through("sort(var.v)", numbers) == sorted(numbers)
    assert through("reverse(reverse(var.v))", numbers) == numbers
    assert through("unique(var.v)", numbers) == list(dict.fromkeys(numbers))
    assert through("length(product(var.v, [1, 2]))", numbers) == 2 * len(numbers)
    assert through("concat(slice(var.v, 0, 3), slice(var.v, 3))", numbers) == numbers
    assert through("from_items(items(zipmap(map(var.v), var.v)))" if False else "sum(var.v)", numbers) == sum(
        numbers
    )


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=2), st.integers(), max_size=5),
    st.text("abc", max_size=2),
)
@settings(max_examples=60, deadline=None)
def test_maps_are_taken_apart_and_put_together_without_loss(data: dict[str, int], key: str) -> None:
    assert through("from_items(items(var.v))", data) == data
    assert through("zipmap(keys(var.v), values(var.v))", data) == data
    assert through(f"merge(pick(var.v, '{key}'), omit(var.v, '{key}'))", data) == data
    assert through(f"lookup(var.v, '{key}', 'none')", data) == data.get(key, "none")


@given(st.integers(0, 10**8), st.integers(-(10**6), 10**6))
@settings(max_examples=60, deadline=None)
def test_times_and_durations_agree(start: int, seconds: int) -> None:
    assert (
        through(f"time_between(from_unix({start}), time_add(from_unix({start}), var.v))", seconds) == seconds
    )
    assert through("duration(duration_text(var.v))", abs(seconds)) == abs(seconds)
    assert through("unix(from_unix(var.v))", seconds) == seconds


@given(st.integers(0, 10**9), st.integers(0, 10**12))
@settings(max_examples=60, deadline=None)
def test_sizes_and_money_come_back(gigabytes: int, cents: int) -> None:
    assert through("size(size_text(var.v))", gigabytes) == gigabytes
    assert through("money(money_text(var.v))", cents / 100) == cents / 100


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("round(0.5)", 1.0), ("round(1.005, 2)", 1.01), ("round(-2.5)", -3.0), ("round(2.7, 0, 'floor')", 2.0), ("round(17, -1)", 20),
        ("[1, 1.0, true] | unique", [1, True]), ("sort(['b', 'A', 'a'])", ["A", "a", "b"]), ("contains([1], true)", False),
        ("contains({'a': 1}, 'a')", True), ("merge({'a': {'x': 1}}, {'a': {'y': 2}}, deep=true)", {"a": {"x": 1, "y": 2}}),
        ("sort([{'n': 2}, {'n': 1}], attribute='n') | map(attribute='n')", [1, 2]), ("size('512MiB', 'KiB')", 524288),
        ("size(1.5, 'MB')", 1500), ("size('1TiB', 'TiB')", 1), ("money('-$3')", -3.0), ("time_add('2026-01-01', '-1h')", "2025-12-31T23:00:00Z"),
        ("{'a': 1}.b | default('x')", "x"), ("none | default('x')", None), ("coalesce(none, 0)", 0), ("int('ff', base=16)", 255), ("int(2.9)", 2),
        ("int('x', 7)", 7), ("format('%5.2f|%-4s|%x|%%', 2.345, 'a', 255)", " 2.35|a   |ff|%"), ("length('abc')", 3), ("min('b', 'a')", "a"),
        ("flatten([1, [2, [3]]], 1)", [1, 2, [3]]), ("yaml_encode('a: b')", "'a: b'\n"), ("trim('xxaxx', 'x')", "a"), ("range(3, 0, -1)", [3, 2, 1]),
        ("dedent('  a\n   b')", "a\n b"), ("slug('--Ä b--')", "b"), ("time_format('2026-02-03T04:05:06Z', '%d.%m.%Y %H:%M:%S')", "03.02.2026 04:05:06"),
    ],
)  # fmt: skip
def test_cases_at_the_edges(expression: str, wanted: object) -> None:
    found = value(expression)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("expression", "summary"),
    [
        ("upper()", "upper() needs a value first"), ("replace('a')", "replace() needs more arguments: 'old' is missing"),
        ("upper('a', 1)", "upper() is given 2 arguments, which is too many"), ("sort([1], by='a')", "sort() has no argument 'by'"),
        ("'a'.split(sep=',')", "split() takes its values without names"), ("upprr('a')", "upprr() is not a function of the language"),
        ("upper(*[1])", "upper() needs a value first"), ("sort([1, 'a'])", "< cannot compare a text with a whole number"),
        ("first([])", "this expression cannot be evaluated: the list is empty, so it has no such item"), ("now()", "now() is not a function of the language"),
        ("format('%s')", "this expression cannot be evaluated: format has more directives than the 0 values it is given"),
        ("format('%n', 1)", "this expression cannot be evaluated: format does not know '%n'"),
        ("lookup({}, 'a')", "this expression cannot be evaluated: the map has no key 'a', and lookup was given no default"),
        ("json_decode('{')", "this expression cannot be evaluated: this is not JSON: Expecting property name enclosed in double quotes"),
        ("yaml_decode('a: [')", "this expression cannot be evaluated: this is not YAML: not valid YAML: did not find expected node content"),
        ("base64_decode('%')", "this expression cannot be evaluated: this is not base64"), ("sum(['a'])", "this expression cannot be evaluated: a number is needed here, and this is a text"),
        ("size('3 apples')", "this expression cannot be evaluated: this is not a size"), ("duration('soon')", "this expression cannot be evaluated: this is not a duration"),
        ("{'a': 1} | map('nope')", "there is no filter 'nope'"), ("coalesce('', none)", "this expression cannot be evaluated: coalesce found only null and empty values"),
    ],
)  # fmt: skip
def test_wrong_calls_are_named(expression: str, summary: str) -> None:
    assert refused(expression) == summary


# -- files -----------------------------------------------------------------------------------------------


def test_files_are_read_and_listed(tmp_path) -> None:
    from flowplan.lang.reader import FolderReader

    for name in ("a.txt", "data/b.csv", "data/deep/c.csv", "data/.hidden.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"<{name}>")
    (tmp_path / "data" / "link.csv").symlink_to("b.csv")
    reader = FolderReader(tmp_path)
    assert value("file('a.txt')", reader=reader) == "<a.txt>"  # type: ignore[arg-type]
    assert value("glob('**/*.csv')", reader=reader) == ["data/b.csv", "data/deep/c.csv"]  # type: ignore[arg-type]
    assert value("glob('data/*.csv')", reader=reader) == ["data/b.csv"]  # type: ignore[arg-type]
    assert value("glob('data/**')", reader=reader) == ["data/b.csv", "data/deep/c.csv"]  # type: ignore[arg-type]
    assert value("glob('*') | map('upper')", reader=reader) == ["A.TXT"]  # type: ignore[arg-type]
    assert value("glob('nothing/*')", reader=reader) == []  # type: ignore[arg-type]


def test_a_template_shows_its_mistakes_and_keeps_its_references() -> None:
    files = Files(
        {
            "t": "{{ var.secret }}",
            "bad": "ok\n{{ nope }}",
            "self": "{{ volume.data.volume_id }}{{ template_file('self') }}",
        }
    )
    text = VOLUME + "variables: {secret: {default: hunter2-xyz, sensitive: true}}\n"
    assert isinstance(value("template_file('t')", text, files), Sensitive)
    found = load(f"stack: s\n{text}locals:\n  a: \"{{{{ template_file('bad') }}}}\"\n", files)[1]
    assert "in bad, line 2: 'nope' is not defined" in shown(found)[0]
    looped = value("template_file('self')", text, files)
    assert isinstance(looped, Unknown)


def test_the_page_of_functions_is_fresh() -> None:
    page = Path(__file__).parents[2] / "docs" / "language" / "functions.md"
    text = page.read_text(encoding="utf-8")
    head, opened, rest = text.partition(" writes it anew -->\n")
    end = "<!-- end of the generated part -->\n"
    assert opened
    assert rest.endswith(end)
    wanted = f"{head}{opened}\n{render_reference()}\n\n{end}"
    if os.environ.get("FLOWPLAN_ACCEPT") == "1":
        page.write_text(wanted, encoding="utf-8")
        text = wanted
    assert text == wanted, (
        "docs/language/functions.md is stale; FLOWPLAN_ACCEPT=1 pytest tests/lang writes it anew"
    )


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("['a'] | map('upper')", ["A"]), ("[{'name': 1}] | map(attribute='name')", [1]), ("[1, 2] | select('odd')", [1]), ("[0, 1] | select", [1]), ("[1, 2] | reject('odd')", [2]),
        ("[{'size': 20}, {'size': 2}] | selectattr('size', 'gt', 10)", [{"size": 20}]), ("[{'size': 20}] | rejectattr('size', 'gt', 10)", []), ("[1, 5] | select('gt', 3)", [5]),
        ("6 is divisibleby(3)", True), ("{}.a is defined", False), ("'abc' is lower", True), ("none is none", True), ("1.5 is float", True), ("{} is mapping", True),
    ],
)  # fmt: skip
def test_filters_and_tests_that_are_no_functions(expression: str, wanted: object) -> None:
    assert value(expression) == wanted
