"""The fast share of `benchmarks.soak_secrets`: whatever a stack does with a secret, no command shows it in any form."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

if (root := str(Path(__file__).parents[2])) not in sys.path:
    sys.path.insert(0, root)

from benchmarks.soak_secrets import READING, forms, leaks, made
from flowplan.cli.main import cli


def test_every_command_that_takes_values_of_variables_is_watched() -> None:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        takes_values = any(one.name == "var_files" for one in command.params)
        assert not takes_values or name in READING, "say in benchmarks/soak_secrets.py how it is called"


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
