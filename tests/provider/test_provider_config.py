"""Where the settings come from, and what a newcomer is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.provider.config import DEFAULT_REGION, PRODUCTION, ApiSettings, read_config
from flowplan.values.diagnostic import Diagnostics

HOME = Path("/home/ada")
FILE = HOME / ".flow" / "config.yaml"
SECRET = "fkey_abcdefghij0123456789"


def read(environ: dict[str, str], files: dict[Path, str] | None = None) -> tuple[ApiSettings, Diagnostics]:
    settings, found = read_config(environ, (files or {}).get, HOME)
    assert SECRET not in repr(settings) + repr(found.in_order())
    for problem in found:
        assert problem.suggestion or problem.span
    return settings, found


def texts(found: Diagnostics) -> str:
    return " ".join(f"{one.summary} {one.detail} {one.suggestion}" for one in found)


def test_a_key_is_all_it_takes() -> None:
    settings, found = read({"MITHRIL_API_KEY": SECRET})
    assert not found
    assert settings.api_key is not None and settings.api_key.reveal() == SECRET
    assert (settings.api_url, settings.project, settings.region) == (PRODUCTION, None, DEFAULT_REGION)
    assert settings.sources["api_key"] == "MITHRIL_API_KEY" and settings.sources["region"] == "default"


def test_without_a_key_a_newcomer_learns_how_to_get_going() -> None:
    _, found = read({})
    assert found.has_errors and "export MITHRIL_API_KEY=" in texts(found) and "sandbox" in texts(found)


def test_the_environment_wins_over_the_file() -> None:
    text = f"api_key: {SECRET}\nmithril:\n  project: lab\n  region: file-region\n  api_url: https://x.example/v2/\n"
    settings, found = read({"MITHRIL_REGION": "env-region"}, {FILE: text})
    assert not found
    assert (settings.api_url, settings.project, settings.region) == ("https://x.example", "lab", "env-region")
    assert settings.sources["project"] == str(FILE) and settings.sources["region"] == "MITHRIL_REGION"


def test_which_file() -> None:
    text = f"api_key: {SECRET}\n"
    assert not read({"FLOW_CONFIG_PATH": "~/other.yaml"}, {HOME / "other.yaml": text})[1]
    assert not read({"FLOW_DIR": "/etc/flow"}, {Path("/etc/flow/config.yaml"): text})[1]
    staging = {HOME / ".flow/current-environment": "staging\n", HOME / ".flow/config-staging.yaml": text}
    assert not read({}, staging)[1]
    assert "does not exist" in texts(read({"FLOW_CONFIG_PATH": "/nope.yaml"})[1])


@pytest.mark.parametrize(
    "variable", ["MITHRIL_API_KEY", "MITHRIL_API_URL", "MITHRIL_PROJECT", "MITHRIL_REGION"]
)
@pytest.mark.parametrize("blank", ["", "  "])
def test_set_but_empty_is_refused(variable: str, blank: str) -> None:
    _, found = read({"MITHRIL_API_KEY": SECRET, variable: blank}, {FILE: f"api_key: {SECRET}"})
    (problem,) = found
    assert problem.is_error and variable in problem.summary and "unset" in problem.suggestion


def test_the_retired_variable_is_refused() -> None:
    _, found = read({"MITHRIL_API_KEY": SECRET, "MITHRIL_PROJECT_ID": "proj_1"})
    assert found.has_errors and "MITHRIL_PROJECT" in texts(found)


@pytest.mark.parametrize(
    "url",
    [
        "api.mithril.ai",
        "ftp://x",
        "https://",
        f"https://u:{SECRET}@x",
        "https://x?y=1",
        "http://x:nope",
        "http://[::1",
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    _, found = read({"MITHRIL_API_KEY": SECRET, "MITHRIL_API_URL": url})
    assert found.has_errors and "MITHRIL_API_URL" in texts(found)


def test_plain_http_is_for_this_machine() -> None:
    assert not read({"MITHRIL_API_KEY": SECRET, "MITHRIL_API_URL": "http://127.0.0.1:8080/v2"})[1]
    _, found = read({"MITHRIL_API_KEY": SECRET, "MITHRIL_API_URL": "http://10.0.0.1"})
    assert not found.has_errors and "unencrypted" in texts(found)


@pytest.mark.parametrize("key", ["fkey_ab cd", "fkey_\tx", "fkey_é", "fkey_a\nb"])
def test_a_key_no_header_could_hold(key: str) -> None:
    _, found = read({"MITHRIL_API_KEY": key})
    assert found.has_errors and key not in texts(found)


@pytest.mark.parametrize(
    "text",
    [
        f"api_key: {SECRET}: x",
        f"api_key: [{SECRET}",
        "- a\n- b",
        "api_key: 12345",
        "api_key: ''",
        "mithril: x",
        "\x00",
    ],
)
def test_a_file_with_faults(text: str) -> None:
    _, found = read({}, {FILE: text})
    assert found.has_errors and str(FILE) in texts(found)


def test_a_file_that_cannot_be_read() -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied")

    _, found = read_config({}, refuse, HOME)
    assert "Permission denied" in texts(found)


@given(st.text(max_size=200))
def test_any_file_is_settings_or_diagnostics(text: str) -> None:
    settings, found = read({"MITHRIL_API_KEY": SECRET}, {FILE: text})
    assert settings.api_url and (found.has_errors or settings.region)


@pytest.mark.parametrize("host", ["127.evil.example", "localhost.example", "10.0.0.1"])
def test_what_only_looks_like_this_machine(host: str) -> None:
    _, found = read({"MITHRIL_API_KEY": SECRET, "MITHRIL_API_URL": f"http://{host}"})
    assert "unencrypted" in texts(found)
