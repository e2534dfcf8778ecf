"""A small share of the soak: random bytes and mutated stacks give diagnostics, whatever they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if (root := str(Path(__file__).parents[2])) not in sys.path:
    sys.path.insert(0, root)

from benchmarks.soak_language import FILES, VALUES, WHOLE, Files, made, seeds, tried
from flowplan.lang.loader import load_stack
from flowplan.lang.stack import Source

STARTS = seeds()


def test_the_stack_that_is_mutated_is_valid() -> None:
    sources = [Source("s.yaml", WHOLE), Source("flowplan.vars.yaml", VALUES)]
    stack, found = load_stack(sources, [], Files(FILES), "0.1.0")
    assert stack is not None, [one.summary for one in found]


@pytest.mark.parametrize("block", range(10))
def test_no_input_ends_in_a_traceback(block: int) -> None:
    for number in range(block * 40, block * 40 + 40):
        raw, values = made(1, number, STARTS)
        assert tried(raw, values) == "", (number, raw, values)


def test_an_input_is_made_from_its_seed_and_number_alone() -> None:
    assert made(3, 7, STARTS) == made(3, 7, STARTS)
    assert made(3, 7, STARTS) != made(3, 8, STARTS)
