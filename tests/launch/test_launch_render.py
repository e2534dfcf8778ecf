"""Rendering as a function: what it refuses, what it hides, and that equal inputs give equal bytes."""

from __future__ import annotations

import random
import re
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.launch import EMBED_LIMIT_BYTES, SCRIPT_LIMIT, Ending, LaunchFacts, needs_code, render
from flowplan.launch.command import delays
from flowplan.values.value import Sensitive, Unknown

FACTS = LaunchFacts("train-0a1b2c")


def problems_of(config: dict[str, Any], facts: LaunchFacts = FACTS) -> dict[Any, str]:
    script, problems = render(config, facts)
    assert script is None
    return {problem.path: f"{problem.message} {problem.suggestion}" for problem in problems}


@settings(deadline=None)
@given(
    command=st.text(max_size=30), env=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
)
def test_any_text_gives_a_script_or_a_reason(command: str, env: dict[str, str]) -> None:
    script, problems = render({"command": command, "env": env}, FACTS)
    assert (script is None) == bool(problems)
    assert render({"command": command, "env": env}, FACTS) == (script, problems)


@given(st.integers(1, 400_000))
def test_no_script_is_longer_than_the_provider_takes(size: int) -> None:
    script, problems = render({"command": "echo 'ab\ncd'\n" * (size // 13 + 1)}, FACTS)
    assert script is None or script.length <= SCRIPT_LIMIT
    assert (script is None) == bool(problems)


def test_an_incompressible_command_is_refused_with_advice() -> None:
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))
    message = problems_of({"command": noise})[("command",)]
    assert "10,000" in message
    assert "shorter command" in message
    facts = LaunchFacts("t", code_archive=b"x", can_upload=True)
    assert "shorter command" in problems_of({"command": noise}, facts)[("command",)]


def test_everything_wrong_is_told_at_once() -> None:
    found = problems_of(
        {
            "env": {"MY-KEY": "x", "1ST": "x", "UID": "0", "OK": "a\0b", "": "x"},
            "volumes": [{"name": "a", "mount_path": "data"}],
            "data_mounts": [{"source": "relative/path", "target": "/x"}],
            "working_dir": "/a\0",
        }
    )
    assert set(found) == {
        ("env", "MY-KEY"),
        ("env", "1ST"),
        ("env", "UID"),
        ("env", "OK"),
        ("env", ""),
        ("volumes", 0, "mount_path"),
        ("data_mounts", 0, "source"),
        ("working_dir",),
    }
    assert "MY_KEY" in found[("env", "MY-KEY")]
    assert "_1ST" in found[("env", "1ST")]
    assert "'/data'" in found[("volumes", 0, "mount_path")]


def test_a_value_that_is_not_known_is_named() -> None:
    assert set(problems_of({"env": {"A": Unknown((), "x")}})) == {("env", "A")}


def test_secrets_wrap_the_whole_script() -> None:
    script, _ = render({"env": {"TOKEN": Sensitive("hush")}}, FACTS)
    assert script is not None
    assert isinstance(script.text, Sensitive)
    assert "hush" not in repr(script)
    assert "hush" in script.text.reveal()
    plain, _ = render({"env": {"TOKEN": "hush"}}, FACTS)
    assert plain is not None
    assert plain.text == script.text.reveal()


def test_a_problem_does_not_tell_a_secret() -> None:
    assert "hush" not in str(problems_of({"env": {"TOKEN": Sensitive("hush\0")}}))


@pytest.mark.parametrize(
    ("config", "needed"),
    [
        ({}, True),
        ({"upload_code": False}, False),
        ({"upload_strategy": "none"}, False),
        ({"upload_strategy": "embedded"}, True),
    ],
)
def test_which_tasks_need_code(config: dict[str, Any], needed: bool) -> None:
    assert needs_code(config) is needed


NOISE = random.Random(1).randbytes(2 * EMBED_LIMIT_BYTES)


@pytest.mark.parametrize(
    ("strategy", "size", "can_upload", "outcome"),
    [
        ("auto", 100, False, "embedded"),
        ("auto", 100, True, "embedded"),
        ("auto", EMBED_LIMIT_BYTES, True, "uploaded"),  # may be embedded, and does not fit beside the script
        ("auto", EMBED_LIMIT_BYTES + 1, True, "uploaded"),
        ("auto", EMBED_LIMIT_BYTES + 1, False, "flowplan[ssh]"),
        ("embedded", 100, False, "embedded"),
        ("embedded", EMBED_LIMIT_BYTES + 1, True, "upload_strategy: auto or scp"),
        ("scp", 100, True, "uploaded"),
        ("scp", 2 * EMBED_LIMIT_BYTES, True, "uploaded"),
        ("scp", 100, False, "flowplan[ssh]"),
        ("none", 0, False, "neither"),
    ],
)
def test_how_code_travels(strategy: str, size: int, can_upload: bool, outcome: str) -> None:
    config = {"command": "python train.py", "upload_strategy": strategy, "upload_timeout": 77}
    script, problems = render(config, LaunchFacts("t", code_archive=NOISE[:size], can_upload=can_upload))
    if script is None:
        (problem,) = problems
        assert outcome in problem.suggestion and f"{size:,} bytes" in problem.message
        return
    assert problems == []
    text = str(script.text)
    assert script.awaits_code == ("77" in text) == (outcome == "uploaded")
    assert script.packed or ("FLOW_CODE" in text) == (outcome == "embedded")


def test_code_that_does_not_fit_beside_a_long_command_is_uploaded() -> None:
    letters = "".join(random.Random(2).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=5_000))
    for size, awaits in ((500, False), (5_000, True)):
        facts = LaunchFacts("t", code_archive=NOISE[:size], can_upload=True)
        script, problems = render({"command": letters}, facts)
        assert problems == [] and script is not None and script.awaits_code is awaits


def test_the_key_that_ends_a_task_is_kept_secret() -> None:
    ending = Ending("https://api", "proj_1", Sensitive("fkey_hush"), "apikey_1")
    facts = LaunchFacts("t", ending=ending)
    for config in ({"terminate_on_exit": True}, {"max_run_time_hours": 1.0}):
        script, _ = render({**config, "upload_code": False}, facts)
        assert script is not None and isinstance(script.text, Sensitive)
        assert "hush" not in repr(script) and "hush" not in repr(facts)
        assert "fkey_hush" in script.text.reveal()
    plain, _ = render({"upload_code": False}, facts)
    assert plain is not None and "fkey_hush" not in str(plain.text), "only a task that ends itself gets one"


def test_pauses_follow_the_documented_formula() -> None:
    policy = {"max_retries": 4, "initial_delay": 1.0, "backoff_coefficient": 2.5, "max_delay": 10.0}
    assert delays(policy) == ["1", "2.5", "6.25", "10"]
    assert delays(None) == delays({**policy, "max_retries": 0}) == []


def test_every_expression_of_every_template_is_quoted() -> None:
    templates = [
        entry
        for entry in files("flowplan.launch").joinpath("templates").iterdir()
        if entry.name.endswith(".j2")
    ]
    assert len(templates) >= 8
    for template in templates:
        for expression in re.findall(r"\{\{(.*?)\}\}", template.read_text(encoding="utf-8"), re.DOTALL):
            assert expression.endswith(" | sh "), f"{template.name}: {expression}"
