from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowplan.values.convert import Invalid, Mismatch, Problem
from flowplan.values.diagnostic import Diagnostic, Diagnostics, FlowplanError, Severity, Span, did_you_mean

spans = st.none() | st.builds(
    Span, st.sampled_from(["a.yaml", "b.yaml"]), st.integers(1, 3), st.integers(1, 3)
)
diagnostics = st.lists(
    st.builds(Diagnostic, st.sampled_from(Severity), st.sampled_from(["x", "y"]), span=spans), max_size=8
)


@given(diagnostics)
def test_each_is_shown_once_in_the_order_of_the_text_those_without_a_place_last(found):
    collector = Diagnostics()
    collector.extend(found)
    shown = collector.in_order()
    assert set(shown) == set(found)
    assert len(shown) == len(set(found))
    places = [(d.span is None, d.span and (d.span.source, d.span.line, d.span.column)) for d in shown]
    placed = [place for missing, place in places if not missing]
    assert placed == sorted(placed)
    assert [missing for missing, _ in places] == sorted(missing for missing, _ in places)
    assert len(collector) == len(found)
    assert bool(collector) == bool(found)
    assert collector.has_errors == any(d.severity is Severity.ERROR for d in found)


@given(diagnostics)
def test_among_equals_the_order_found_is_kept(found):
    collector = Diagnostics()
    collector.extend(found)
    unplaced = [d for d in dict.fromkeys(found) if d.span is None]
    assert [d for d in collector.in_order() if d.span is None] == unplaced


def test_collecting():
    collector = Diagnostics()
    collector.warning("careful", "more", suggestion="look")
    assert not collector.has_errors
    collector.error("wrong")
    assert collector.has_errors
    assert [d.is_error for d in collector] == [False, True]
    placed = Diagnostic.error("wrong").at(Span("a.yaml", 3, 4), "text")
    assert (str(placed.span), placed.snippet) == ("a.yaml:3:4", "text")
    assert str(Span("--var nodes")) == "--var nodes"
    assert str(FlowplanError(Diagnostic.error("a"), Diagnostic.error("b"))) == "a; b"


def test_did_you_mean():
    assert did_you_mean("comand", ["command", "env"]) == "Did you mean 'command'?"
    assert did_you_mean("A", ["a"]) == "Did you mean 'a'?"
    assert did_you_mean("zzz", ["command"]) == ""
    assert did_you_mean("x", []) == ""


names = st.text("abc", min_size=1, max_size=3)
paths = st.lists(names | st.integers(0, 9), max_size=3).map(tuple)


@given(paths, paths)
def test_a_problem_names_its_place_in_the_larger_value(prefix, path):
    problem = Mismatch("must be text, not 3", "Put it in quotes.", 3).at(path)
    moved = problem.under(prefix)
    assert moved.path == prefix + path
    if path:
        assert moved == Mismatch("must be text, not 3", "Put it in quotes.").at(prefix + path)
    assert moved.given == 3


def test_invalid_reads_as_all_its_problems():
    error = Invalid([Problem(("a",), "a is required"), Problem(("b",), "b is bad", "Use c.")])
    assert str(error) == "a is required; b is bad Use c."
    assert "3" not in repr(Problem((), "m", given=3))
