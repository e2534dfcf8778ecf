"""Variables: what each type takes and makes of it, typed elements and fields, rules, deprecation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lang_stacks import good, load, shown

from flowplan.lang.loader import load_stack
from flowplan.lang.reader import NoFiles
from flowplan.lang.stack import Source
from flowplan.lang.value_types import TYPES, type_of
from flowplan.lang.variables import VariableSource
from flowplan.values.diagnostic import Severity
from flowplan.values.value import Sensitive, Unknown


def value(declaration: str, given_value: object) -> object:
    return good(f"variables:\n  v: {declaration}\n", v=given_value).variables["v"].value


def refused(declaration: str, given_value: object) -> list[str]:
    stack, found = load(f"stack: s\nvariables:\n  v: {declaration}\n", v=given_value)
    assert stack is None
    return [one.summary for one in found]


@pytest.mark.parametrize(
    ("declaration", "given_value", "wanted"),
    [
        ("{type: string}", "a", "a"), ("{type: int}", 4, 4), ("{type: number}", 4, 4), ("{type: number}", 0.5, 0.5), ("{type: bool}", False, False),
        ("{type: list}", [1, "a"], [1, "a"]), ("{type: map}", {"a": 1}, {"a": 1}), ("{type: object}", {"a": [1]}, {"a": [1]}), ("{type: duration}", " 1h30m ", "1h30m"),
        ("{type: size}", "2TB", 2000), ("{type: size}", 500, 500), ("{type: size}", "1500000 MB", 1500), ("{type: money}", "$1,234.5", 1234.5), ("{type: money}", 3, 3.0),
        ("{type: timestamp}", "2026-12-01T02:00:00+01:00", "2026-12-01T01:00:00Z"), ("{type: list(int)}", [1, 2], [1, 2]), ("{type: 'map(list(string))'}", {"a": ["b"]}, {"a": ["b"]}),
        ("{type: list(size)}", ["1TB", 5], [1000, 5]), ("{type: map(timestamp)}", {"a": "2026-01-01"}, {"a": "2026-01-01T00:00:00Z"}), ("{}", [None], [None]),
        ("{type: object, fields: {a: int, b: {type: size, default: 1TB}, c: {type: string, default: null}}}", {"a": 1}, {"a": 1, "b": 1000, "c": None}),
        ("{fields: {a: {fields: {b: int}}}}", {"a": {"b": 1}}, {"a": {"b": 1}}), ("{type: list(object), fields: {a: int}}", [{"a": 1}], [{"a": 1}]),
        ("{type: map(object), fields: {a: {type: list(money)}}}", {"k": {"a": ["$1"]}}, {"k": {"a": [1.0]}}), ("{type: int, default: null}", None, None),
    ],
)  # fmt: skip
def test_a_type_takes_its_values(declaration: str, given_value: object, wanted: object) -> None:
    found = value(declaration, given_value)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("declaration", "given_value", "summaries"),
    [
        ("{type: list(int)}", [1, "b", True], ["the variable v[1] must be a whole number, not a text", "the variable v[2] must be a whole number, not true"]),
        ("{type: map(int)}", {"a": 1, "b": None}, ["the variable v.b must be a whole number, not null"]),
        ("{type: list(list(int))}", [[1], [[2]]], ["the variable v[1][0] must be a whole number, not a list"]), ("{type: list(int)}", "a", ["the variable v must be a list, not a text"]),
        ("{fields: {a: int, b: string}}", {"a": "x", "bb": 1}, ["the variable v has no field 'bb'", "the variable v.a must be a whole number, not a text", "the variable v lacks the field 'b' (string)"]),
        ("{fields: {a: {fields: {b: int}}}}", {"a": {"c": 1}}, ["the variable v.a has no field 'c'", "the variable v.a lacks the field 'b' (int)"]),
        ("{type: size}", "1.5GB", ["the variable v must be a size such as 500GB or 2TB, or whole gigabytes, not a text"]), ("{type: size}", "9" * 200, ["the variable v must be a size such as 500GB or 2TB, or whole gigabytes, not a text"]),
        ("{type: list(int), sensitive: true}", ["hunter2"], ["a part of the variable v does not fit its type (its value is not shown)"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_by_its_place(
    declaration: str, given_value: object, summaries: list[str]
) -> None:
    found = refused(declaration, given_value)
    assert sorted(found) == sorted(summaries)
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize(
    ("declaration", "wanted"),
    [
        ("{type: set(string)}", ["3:13 there is no type 'set'"]), ("{type: list()}", ["3:13 list() needs the type of its items"]), ("{type: list(itn)}", ["3:13 there is no type 'itn'"]),
        ("{type: int(string)}", ["3:13 int holds nothing, so it takes no type in brackets"]), ("{type: 'object({a = string})'}", ["3:13 the fields of an object stand below it"]),
        ("{type: int, fields: {a: int}}", ["3:26 int has no fields"]), ("{fields: []}", ["3:15 fields must be a mapping of names to types"]), ("{fields: {a: itn}}", ["3:19 there is no type 'itn'"]),
        ("{fields: {a: {default: 1}}}", ["3:19 a field needs a type"]), ("{fields: {a: {type: int, defualt: 1}}}", ["3:31 a field has no field 'defualt'"]),
        ("{fields: {a: {type: int, default: x}}}", ["3:40 the default must be a whole number, not a text"]), ("{deprecated: 3}", ["3:19 deprecated must be a text, not a whole number"]),
        ("{type: " + "list(" * 12 + "int" + ")" * 12 + "}", ["3:13 types are nested more than 10 deep"]), ("{fields: {a: b, c: d}}", ["3:19 there is no type 'b'", "3:25 there is no type 'd'"]),
    ],
)  # fmt: skip
def test_a_type_that_cannot_be_read_is_named_where_it_stands(declaration: str, wanted: list[str]) -> None:
    _, found = load(f"stack: s\nvariables:\n  v: {declaration}\n", v=1)
    assert shown(found) == wanted


def test_a_default_that_does_not_fit_is_named_at_the_part_that_does_not() -> None:
    text = "stack: s\nvariables:\n  v:\n    type: list(object)\n    fields: {a: int}\n    default:\n      - a: 1\n      - a: two\n      - b: 3\n"
    assert shown(load(text)[1]) == [
        "8:12 the variable v[1].a must be a whole number, not a text",
        "9:9 the variable v[2] has no field 'b'",
        "9:9 the variable v[2] lacks the field 'a' (int)",
    ]


def test_texts_from_outside_are_read_by_the_type() -> None:
    from flowplan.lang.loader import load_stack
    from flowplan.lang.reader import NoFiles
    from flowplan.lang.stack import Source

    text = "stack: s\nvariables: {a: {type: list(int)}, b: {type: list(duration)}, c: {fields: {x: size}}, d: {type: string}}\n"
    source = VariableSource(
        "--var", {"a": "[1, 2]", "b": "[1h, 2m]", "c": "{x: 1TB}", "d": "[1]"}, is_text=True
    )
    stack, found = load_stack([Source("s.yaml", text)], [source], NoFiles(), "0.1.0")
    assert stack is not None, shown(found)
    assert {name: one.value for name, one in stack.variables.items()} == {
        "a": [1, 2], "b": ["1h", "2m"], "c": {"x": 1000}, "d": "[1]",
    }  # fmt: skip


def test_a_deprecated_variable_warns_where_it_is_given_and_only_there() -> None:
    text = "variables:\n  old: {default: 1, deprecated: Use new instead.}\n"
    assert not load("stack: s\n" + text)[1]
    stack, found = load("stack: s\n" + text, old=2)
    assert stack is not None
    [one] = found
    assert (one.severity, one.summary, one.suggestion) == (
        Severity.WARNING, "the variable old is deprecated", "Use new instead.",
    )  # fmt: skip
    assert str(one.span) == "--var old"


def test_all_rules_are_asked_and_each_has_its_own_message() -> None:
    rules = "[\"{{ value > 1 }}\", {assert: '{{ value < 9 }}', message: Use less.}, {assert: '{{ value % 2 == 0 }}', message: Use an even number.}]"
    text = f"stack: s\nvariables:\n  v: {{type: int, validate: {rules}}}\n"
    assert load(text, v=4)[0] is not None
    found = [one.suggestion for one in load(text, v=11)[1]]
    assert found == ["Use less.", "Use an even number."]


def test_a_rule_may_look_into_the_value_and_call_functions() -> None:
    text = "variables:\n  v: {type: list(string), validate: \"{{ unique(value) | length == length(value) and regex_match(value[0], '[a-z]+') }}\"}\n"
    assert good(text, v=["a", "b"]).variables["v"].value == ["a", "b"]
    assert load("stack: s\n" + text, v=["a", "a"])[0] is None
    assert load("stack: s\n" + text, v=["A"])[0] is None


def test_a_misspelt_default_of_a_sensitive_variable_is_not_shown() -> None:
    text = "stack: s\nvariables:\n  v: {sensitive: true, defualt: hunter2-hunter2}\n  w:\n    sensitive: true\n    defalt:\n      - hunter2-hunter2\n"
    _, found = load(text)
    assert found
    assert "hunter2" not in repr(list(found))
    _, found = load(text + "  x: [\n")
    assert "hunter2" not in repr(list(found))


def test_locals_are_evaluated_only_when_they_are_asked_for_and_once() -> None:
    text = "locals:\n  a: '{{ local.b + 1 }}'\n  b: '{{ local.c * 2 }}'\n  c: 3\noutputs: {o: {value: '{{ local.a }}'}}\n"
    assert good(text).outputs["o"].value == 7


WORDS = st.sampled_from([*TYPES, "list(int)", "map(string)", "list(map(number))"])
FIELDS = st.recursive(
    WORDS,
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, min_size=1, max_size=3).map(lambda f: {"type": "object", "fields": f}),
    max_leaves=5,
)  # fmt: skip
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.sampled_from(["a", "1h", "2TB", "$3", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(FIELDS, DATA)
@settings(max_examples=200, deadline=None)
def test_what_a_type_makes_of_a_value_fits_it_and_stays(declaration: object, data: object) -> None:
    body = declaration if isinstance(declaration, dict) else {"type": declaration}
    kind, wrong = type_of(body)
    assert kind is not None
    assert not wrong
    made, misfits = kind.take(data)
    if not misfits:
        again, more = kind.take(made)
        assert not more
        assert again == made


def test_sensitive_values_of_typed_variables_stay_sensitive() -> None:
    stack = good("variables: {v: {type: list(string), sensitive: true}}\n", v=["hunter2-hunter2"])
    assert isinstance(stack.variables["v"].value, Sensitive)
    assert "hunter2" not in repr(stack)


def secret(text: str, kept: dict[str, str] | None) -> tuple[Any, list[str]]:
    def read(name: str) -> str:
        if kept is None or name not in kept:
            raise FileNotFoundError(2, "it is not there")
        return kept[name]

    return load_stack(
        [Source("s.yaml", text)], [], NoFiles(), "0.1.0", secrets=None if kept is None else read
    )


def test_a_secret_is_read_where_nothing_else_gives_a_value_and_is_always_sensitive() -> None:
    text = "stack: s\nvariables: {n: {type: int, secret: a, default: 1}}\noutputs: {o: {value: '{{ var.n + 1 }}', sensitive: true}}\n"
    stack, found = secret(text, {"a": "41"})
    assert stack is not None, shown(found)
    assert stack.outputs["o"].value == Sensitive(42)
    assert stack.variables["n"].sensitive and stack.variables["n"].source == "secret a"
    stack, _ = load_stack([Source("s.yaml", text)], [VariableSource("--var", {"n": 5})], NoFiles(), "0.1.0")
    assert stack is not None and stack.outputs["o"].value == Sensitive(6)


def test_where_no_secret_may_be_read_it_is_unknown_and_still_a_secret() -> None:
    text = "stack: s\nvariables: {n: {type: int, secret: a}}\noutputs: {o: {value: '{{ var.n + 1 }}', sensitive: true}}\n"
    stack, _ = secret(text, None)
    assert stack is not None
    assert isinstance(stack.outputs["o"].value, Unknown) and stack.outputs["o"].value.sensitive


def test_a_secret_that_cannot_be_read_or_does_not_fit_is_named_and_never_told() -> None:
    text = "stack: s\nvariables: {n: {type: int, secret: a}, m: {secret: b}}\n"
    stack, found = secret(text, {"a": "hunter2hunter2"})
    assert stack is None
    assert shown(found) == [
        "2:40 the secret b of the variable m cannot be read: it is not there",
        "0:0 the variable n must be a whole number, not a text",
    ]
    assert "hunter2" not in repr(list(found))


def test_of_what_is_declared_twice_no_value_is_told_where_either_is_a_secret() -> None:
    text = (
        "stack: s\nvariables:\n  t:\n  t: {sensitive: true}\ntasks: {a: {instance_type: a100, name: '{{ var.t }}'}}\n"
        "locals: {n: '{{ var.t | int }}'}\n"
    )
    stack, found = load(text, t="hunter2 hunter2")
    assert stack is None
    assert "hunter2" not in repr(list(found))
