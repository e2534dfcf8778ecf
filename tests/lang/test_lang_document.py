"""Documents: YAML 1.2 values, positions that point at the right text, and words for everything that is not YAML."""

from __future__ import annotations

import gc
import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.lang.build import parse_document
from flowplan.lang.document import MAX_DEPTH, Map, Seq
from flowplan.lang.files import decode

SAFE_TEXT = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=("Cs", "Cc"),
        exclude_characters="\ufeff\x85\u2028\u2029\ufffe\uffff",
    ),
    max_size=12,
)
SCALARS = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | SAFE_TEXT
KEYS = SAFE_TEXT.filter(lambda key: key != "<<")
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def value_of(text: str) -> object:
    document, found = parse_document("d.yaml", text)
    assert not found, [d.summary for d in found]
    return document.root


def complaints(text: str) -> list[str]:
    _, found = parse_document("d.yaml", text)
    return [f"{d.span.line}:{d.span.column} {d.summary}" for d in found if d.span is not None]


WORDS = st.from_regex(r"[a-z]{3,8}( [a-z]{1,5})?", fullmatch=True).filter(
    lambda word: word not in ("yes", "off", "true", "false", "null")
)
SHARED = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
@settings(max_examples=60, deadline=None)
def test_quoted_and_tagged_values_are_those_of_pyyaml(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True, default_style='"')
    assert value_of(text) == yaml.load(text, Loader=yaml.CSafeLoader) == value


@given(SHARED, st.sampled_from([None, True, False]))
@settings(max_examples=60, deadline=None)
def test_plain_values_are_those_of_pyyaml_where_both_schemas_agree(value: object, flow: bool | None) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow)
    assert value_of(text) == yaml.load(text, Loader=yaml.CSafeLoader) == value


@given(
    st.dictionaries(KEYS.filter(bool), st.lists(SAFE_TEXT, max_size=3) | SAFE_TEXT, min_size=1, max_size=5)
)
@settings(max_examples=60, deadline=None)
def test_positions_point_at_the_text_of_the_value(value: dict[str, object]) -> None:
    text = yaml.safe_dump(value, allow_unicode=True, default_style='"', width=10**6)
    document, _ = parse_document("d.yaml", text)
    lines = text.splitlines()
    for key, item in value.items():
        for path, wanted in (
            [((key,), item)] if isinstance(item, str) else [((key, i), t) for i, t in enumerate(item)]
        ):  # type: ignore[arg-type]
            span, snippet = document.span_of(path)
            assert snippet == lines[span.line - 1]
            if span.line == span.end_line:
                assert yaml.safe_load(snippet[span.column - 1 : span.end_column - 1]) == wanted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"), ("12:30", "12:30"), ("2026-12-01", "2026-12-01"),
        ("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"), ("0o17", 15), ("0x1F", 31), ("017", 17), ("1_000", "1_000"),
        ("3e-4", 3e-4), ("1e3", 1000.0), (".5", 0.5), ("-3", -3), ("+3", 3), (".inf", math.inf), ("-.inf", -math.inf),
        ("~", None), ("", None), ("null", None), ("nil", "nil"), ("True", True), ("tRue", "tRue"), ("0b1", "0b1"),
        ('"4"', "4"), ("'true'", "true"), ("!!str 4", "4"), ("!!int 4", 4), ("!!float 4", 4.0), ("=", "="),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    found = value_of(f"a: {text}\n")["a"]  # type: ignore[index]
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_float() -> None:
    assert math.isnan(value_of(".nan"))  # type: ignore[arg-type]


def test_anchors_aliases_and_merges() -> None:
    text = "x: &d {a: 1, b: 2}\ny: {<<: *d, b: 3}\nz:\n  b: 4\n  <<: [*d, {c: 5, a: 9}]\nw: *d\n"
    assert value_of(text) == {
        "x": {"a": 1, "b": 2},
        "y": {"a": 1, "b": 3},
        "z": {"a": 1, "b": 4, "c": 5},
        "w": {"a": 1, "b": 2},
    }


def test_positions_of_merged_values_are_those_of_their_source() -> None:
    document, _ = parse_document("d.yaml", "x: &d {a: 1}\ny:\n  <<: *d\n  b: 2\n")
    assert document.span_of(("y", "a"))[0].line == 1
    assert document.span_of(("y", "b"))[0].line == 4


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: {{ x }}\n", "1:4 an expression stands outside quotes"),
        ("a: {{ x }} b\n", "1:4 an expression stands outside quotes"),
        ("a: {% if x %}\n", "1:4 an expression stands outside quotes"),
        ("a:\n  - {{ x }}\n", "2:5 an expression stands outside quotes"),
        ("a: 1\nb: 2\na: 3\n", "3:1 the key 'a' stands twice in one mapping"),
        ("a:\n\t- 1\n", "2:1 a tab is used for indentation"),
        ("a: b: c\n", "1:4 a value that holds ': ' needs quotes"),
        ("a: 1\n---\nb: 2\n", "2:1 a file holds one document, and here a second one starts"),
        ("a: *b\n", "1:4 the anchor &b is not defined before this alias"),
        ("a: &a [*a]\n", "1:8 the alias *a stands inside what it names"),
        ("a: \x00\n", "1:4 the character U+0000 cannot stand in YAML"),
        ("a: b\x07\n", "1:5 the character U+0007 cannot stand in YAML"),
        ("a: \ud800\n", "1:4 the character U+D800 cannot stand in YAML"),
        ("a: !x b\n", "1:4 the tag !x is not supported"),
        ("a: !!int b\n", "1:4 this value is not a valid !!int"),
        ("? [a]\n: b\n", "1:3 a key must be plain text, not a mapping or a list"),
        ("<<: 3\n", "1:5 a merge key << takes a mapping or a list of mappings"),
        ("[" * (MAX_DEPTH + 1), f"1:{MAX_DEPTH + 1} nested more than {MAX_DEPTH} levels deep"),
    ],
)
def test_what_is_wrong_is_named_where_it_stands(text: str, complaint: str) -> None:
    assert complaints(text) == [complaint]


def test_both_places_of_a_duplicate_key_are_named() -> None:
    _, found = parse_document("d.yaml", "a: 1\n\nb: {a: 2}\na: 3\n")
    [one] = found
    assert one.span is not None
    assert (one.span.line, one.suggestion) == (4, "Remove one of them; the first is at 1:1.")


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert complaints("\n".join(lines))[0].endswith("aliases make this document too large")


def test_a_merge_bomb_is_refused() -> None:
    wide = ", ".join(f"k{i}: 1" for i in range(1000))
    text = f"a: &a {{{wide}}}\n" + "".join(f"m{i}: {{<<: *a}}\n" for i in range(600))
    assert complaints(text)[0].endswith(
        ("aliases make this document too large", "merge keys make this document too large")
    )


def test_a_byte_order_mark_is_not_part_of_the_text() -> None:
    document, found = parse_document("d.yaml", "\ufeffa: 1\nb: 2\n")
    assert not found
    assert document.root == {"a": 1, "b": 2}
    assert document.span_of(("a",))[0].column == 4


def test_windows_line_ends_do_not_move_positions() -> None:
    document, _ = parse_document("d.yaml", "a: 1\r\nb:\r\n  c: 2\r\n")
    span, snippet = document.span_of(("b", "c"))
    assert (span.line, span.column, snippet) == (3, 6, "  c: 2")


def test_bytes_that_are_not_utf8_are_named() -> None:
    text, found = decode("d.yaml", b"a: 1\nb: \xff\n")
    assert text == ""
    [one] = found
    assert (str(one.span), "0xff" in one.summary) == ("d.yaml:2:4", True)
    assert decode("d.yaml", b"\xef\xbb\xbfa: \xc3\xa9")[0] == "a: é"


def test_secret_documents_are_never_quoted() -> None:
    _, found = parse_document("v.yaml", "token: 'hunter2\nb: hunter2 {", secret=True)
    assert found
    assert "hunter2" not in repr(list(found))


@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda t: t.encode("utf-8", "surrogatepass")))
@settings(max_examples=150, deadline=None)
def test_no_bytes_end_in_a_traceback(raw: bytes) -> None:
    running = gc.isenabled()  # a command that another test ran in this process may have turned it off
    for text in (decode("d", raw)[0], raw.decode("latin-1"), raw.decode("utf-8", "surrogateescape")):
        document, found = parse_document("d", text)
        for one in found:
            assert one.span is not None
            assert one.span.line >= 1
        if isinstance(document.root, (Map, Seq)):
            document.span_of((next(iter(document.root), 0),))
    assert gc.isenabled() == running
