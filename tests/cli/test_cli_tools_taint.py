"""Whatever a stack does with a secret, no command shows it in any of its forms."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote, quote_plus

from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.cli.main import run
from flowplan.lang.format_yaml import dump_yaml

SECRETS = st.text("ab1 \"'\\/&%+=:#{}\n\tüß€", max_size=8).map(lambda text: f"s3cr3t!{text}?<x>")
USES = st.sampled_from(
    [
        "{{ var.token }}", "a {{ var.token }} b", "{{ var.token | upper }}", "{{ local.made }}", "{{ local.deep.er[0] }}",
        "{{ var.token ~ volume.data.volume_id }}", "{{ var.token | base64_encode }}", "{{ [var.token] | json_encode }}",
        "{{ var.token | url_encode }}", "{{ {'a': var.token}.a }}", "{% if var.token %}{{ var.token }}{% endif %}",
        "{{ var.token.nothing }}", "{{ var.token + 1 }}", "{{ 1 if var.token == 'x' else var.token[1:] }}",
    ]
)  # fmt: skip
EXPRESSIONS = [
    "var.token",
    "local.made",
    "[local.deep, 1]",
    "var.token + 1",
    "task.t.env",
    "var.token.x",
    "volume.data",
]


@st.composite
def stacks(draw: Any) -> dict[str, Any]:
    """A stack that uses the sensitive variable ``token`` here and there, not always rightly."""
    task: dict[str, Any] = {
        "instance_type": "a100",
        "upload_code": False,
        "env": {"ONE": draw(USES)},
        "command": f"run {draw(USES)}",
    }
    for name in draw(
        st.sets(st.sampled_from(["image", "working_dir", "num_instances", "name", "when", "for_each"]))
    ):
        if draw(st.integers(0, 3)) == 0:
            task[name] = draw(USES)
    token: dict[str, Any] = {"sensitive": True}
    if draw(st.booleans()):
        token["type"] = draw(st.sampled_from(["string", "string", "int", "list", "duration", "timestamp"]))
    if draw(st.booleans()):
        token["validate"] = draw(
            st.sampled_from(["{{ value | length < 3 }}", "{{ value != 'x' }}", "{{ value + 1 }}"])
        )
    return {
        "stack": "s",
        "variables": {"token": token},
        "locals": {
            "made": draw(USES.filter(lambda use: "local" not in use)),
            "deep": {"er": ["{{ var.token }}"]},
        },
        "volumes": {"data": {"size_gb": 1, "interface": "file"}},
        "tasks": {"t": task},
        "outputs": {"o": {"value": draw(USES), "sensitive": draw(st.sampled_from([True, True, False]))}},
    }


def forms(secret: str) -> set[str]:
    """How a secret may be spelled."""
    raw = secret.encode()
    both = [json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
    return {
        secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1], secret.upper(), *both,
        base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(), "s3cr3t!", "S3CR3T!",
    }  # fmt: skip


def typed(arguments: list[str], given_text: str = "") -> str:
    """All that a command prints."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    given_in = io.TextIOWrapper(io.BytesIO(given_text.encode()), encoding="utf-8")
    with patch.object(sys, "stdin", given_in), redirect_stdout(stream), redirect_stderr(stream):
        code = run(arguments)
    stream.seek(0)
    out = stream.read()
    assert code in (0, 1, 2, 3), out
    assert "flowplan itself failed" not in out, out
    return out


@given(stacks(), SECRETS, st.sampled_from(["environment", "option", "file", "default"]))
@settings(max_examples=25, deadline=None)
def test_no_command_shows_a_secret(stack: dict[str, Any], secret: str, way: str) -> None:
    if way == "default":
        stack["variables"]["token"]["default"] = secret
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("FLOWPLAN_", "MITHRIL_"))
    }
    if way == "environment":
        clean["FLOWPLAN_VAR_token"] = secret
    with tempfile.TemporaryDirectory() as folder, chdir(folder), patch.dict(os.environ, clean, clear=True):
        Path(".git").mkdir()
        Path("stack.yaml").write_text(dump_yaml(stack), encoding="utf-8")
        if way == "file":
            Path("flowplan.vars.yaml").write_text(dump_yaml({"token": secret}), encoding="utf-8")
        more = ["--var", f"token={secret}"] if way == "option" else []
        said = [
            typed([*command, *more])
            for command in (
                ["validate"], ["validate", "--json"], ["vars"], ["vars", "--explain", "token"], ["vars", "--json"],
                ["render"], ["render", "--json"], ["plan"], ["plan", "--json"], ["graph"],
                *(["eval", expression] for expression in EXPRESSIONS), ["eval", "--json", "local"],
                ["eval", "--raw", "var.token"],
            )
        ]  # fmt: skip
        said.append(typed(["console", *more], "\n".join([*EXPRESSIONS, ":vars", ""])))
        text = Path("stack.yaml").read_text(encoding="utf-8").replace(": ", ":   ")
        Path("stack.yaml").write_text(text, encoding="utf-8")
        said.append(typed(["fmt", "--check", "--diff"]))
    for out in said:
        for form in forms(secret):
            assert form not in out, out
