"""Patterns find what Python's engine finds, and take a bounded time whatever they are."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.lang.functions.bounds import Meter, TooLarge
from flowplan.lang.functions.matching import search
from flowplan.lang.functions.patterns import BadPattern, compiled
from flowplan.lang.functions.regexes import regex_find, regex_find_all, regex_match, regex_replace

ATOMS = st.sampled_from(
    ["a", "b", "c", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", r"\s", "é", r"\.", "^", "$", r"\b", r"\B", "1", "-", "[]a]", r"[\d-]"]
)  # fmt: skip
CHARACTERS = ["a", "b", "[ab]", ".", r"\w", "[^b]", "1"]
REPEATED = st.tuples(
    st.sampled_from(CHARACTERS),
    st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{2,}", "{,2}", "{1,2}?"]),
).map("".join)
PATTERNS = st.recursive(
    ATOMS | REPEATED,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4).map("".join)
        | st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})")
        | inner.map(lambda one: f"({one})")
        | st.tuples(st.sampled_from(CHARACTERS), inner).map(lambda pair: f"(?:{pair[0]}{pair[1]})+")
        | inner.map(lambda one: f"(?:{one})?")
    ),
    max_leaves=8,
)
TEXTS = st.text("abc1-. é\n", max_size=14)


@given(PATTERNS, TEXTS, st.sampled_from(["", "(?i)", "(?m)", "(?s)", "(?im)"]))
@settings(max_examples=400, deadline=None)
def test_what_is_found_is_what_pythons_engine_finds(pattern: str, text: str, flags: str) -> None:
    pattern = flags + pattern
    if not text and "\\B" in pattern:
        return  # Python before 3.14 finds no \B in an empty text
    wanted = re.compile(pattern)
    program = compiled(pattern)
    first = wanted.search(text)
    found = search(program, text, Meter())
    assert (None if found is None else (found.start, found.end)) == (None if first is None else first.span())
    assert regex_match(text, pattern, meter=Meter()) == (wanted.fullmatch(text) is not None)
    assert regex_replace(text, pattern, "<\\0>", meter=Meter()) == wanted.sub(r"<\g<0>>", text)


@given(PATTERNS, TEXTS)
@settings(max_examples=200, deadline=None)
def test_groups_hold_what_pythons_groups_hold(pattern: str, text: str) -> None:
    if (not text and "\\B" in pattern) or re.search(r"\([^?][^()]*\)[*+{?]|\)\+|\)\?", pattern):
        return  # what the last round of a loop leaves in a group is told differently by different engines
    first = re.compile(pattern).search(text)
    found = search(compiled(pattern), text, Meter())
    if first is not None:
        assert found is not None
        assert tuple(found.group(i + 1) for i in range(len(first.groups()))) == first.groups()


@given(st.text("ab()[]{}|*+?\\^$.-,:P<>123dwsnx", max_size=20), st.text("ab1 \n", max_size=10))
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_pattern_or_refused(pattern: str, text: str) -> None:
    try:
        found = regex_find_all(text, pattern, meter=Meter())
    except (BadPattern, TooLarge):
        return
    assert isinstance(found, list)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*)*x", "a*a*a*a*a*a*b", "(?:a?){50}a{50}", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$"]
)  # fmt: skip
def test_patterns_that_would_run_for_ever_elsewhere_do_not(pattern: str) -> None:
    before = time.process_time()
    assert regex_match("a" * 2000 + "!", pattern, meter=Meter()) is False
    with contextlib.suppress(TooLarge):
        regex_find_all("a" * 20_000 + "!", pattern, meter=Meter())
    assert time.process_time() - before < 20


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(a)\1", "back-references are not supported"), ("(?=a)", "(?= is not supported"), ("(?<=a)", "(?< is not supported"), ("(?!a)", "(?! is not"),
        ("(", "a ( is never closed"), (")", "a ) closes nothing"), ("[a", "the pattern ends too early"), ("*", "there is nothing to repeat"), ("a**", "a repetition cannot"),
        ("a{3,1}", "the wrong way round"), ("[z-a]", "runs backwards"), ("\\", "ends too early"), ("a" * 1001, "1,000 characters"), ("(?:" * 60 + ")" * 60, "deep"),
        ("(?:(?:a{100}){100}){100}", "more than 2,000 steps"), ("(?:(?:(?:){2000}){2000}){2000}", "more than 2,000 steps"), ("()" * 30, "20 groups"), (r"\q", "not supported"),
        ("a{99999}", "too long"), ("(?P<1>a)", "name"), ("(?P<a>a)(?P<a>b)", "name"), (r"\xzz", "hexadecimal"),
    ],
)  # fmt: skip
def test_what_there_is_not_is_refused_by_name(pattern: str, reason: str) -> None:
    with pytest.raises(BadPattern) as caught:
        compiled(pattern)
    assert reason in str(caught.value)


def test_named_groups_are_a_map_and_may_be_put_in() -> None:
    pattern = r"(?P<kind>[a-z]+)-(?P<number>\d+)"
    assert regex_find("see run-42", pattern, meter=Meter()) == {"kind": "run", "number": "42"}
    assert regex_replace("run-42", pattern, r"\g<number>_\g<kind>\\", meter=Meter()) == "42_run\\"
    assert regex_find("x", "(a)?x", meter=Meter()) == [None]
    with pytest.raises(ValueError, match="no group"):
        regex_replace("a", "a", r"\3", meter=Meter())
