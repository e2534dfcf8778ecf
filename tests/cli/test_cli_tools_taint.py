"""The fast share of `benchmarks.soak_secrets`: whatever a stack does with a secret, no command shows it in any form."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if (root := str(Path(__file__).parents[2])) not in sys.path:
    sys.path.insert(0, root)

from benchmarks.soak_secrets import APART, READING, forms, leaks, made
from flowplan.cli.main import _COMMANDS


def test_every_command_that_reads_a_stack_is_watched() -> None:
    assert set(_COMMANDS) == {*READING, *APART}, (
        "say in benchmarks/soak_secrets.py what a new command is given"
    )


@pytest.mark.parametrize("number", range(24))
def test_no_command_shows_a_secret(number: int) -> None:
    case = made(1, number)
    assert leaks(case) == [], case.files


def test_a_case_is_made_from_its_seed_and_number_alone() -> None:
    assert made(2, 5) == made(2, 5)
    assert made(2, 5) != made(2, 6)


def test_a_secret_is_found_however_it_is_spelled() -> None:
    secret = made(1, 3).secret
    assert {secret, secret.upper()} < forms(secret)
    assert len(forms(secret)) > 8
