"""No byte of a sensitive value is in state, journal, plan, log, event or report (law 8), seen from outside."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from flowplan_program import Project, Served

pytestmark = pytest.mark.process

SECRET = 'hunter2 "geheim"/ä+&<%'
OTHER = "another-Secret/0987"
API_KEY_LENGTH = 8

STACK = """\
stack: secret
provider: {region: us-central1-b}
variables:
  token: {type: string, sensitive: true}
tasks:
  user:
    instance_type: a100
    max_price_per_hour: 3.0
    upload_code: false
    env: {TOKEN: "{{ var.token }}", MIXED: "prefix-{{ var.token }}-suffix"}
    command: |
      test -n '{{ var.token | upper }}' && echo used
  other: {instance_type: a100, max_price_per_hour: 3.0, upload_code: false, command: echo harmless}
outputs:
  token: {value: "{{ var.token }}", sensitive: true}
  derived: {value: "is {{ var.token }}", sensitive: true}
"""


def forms(secret: str) -> list[bytes]:
    """The ways a text may be written down."""
    plain = secret.encode()
    found = {
        plain,
        plain.upper(),
        quote(secret).encode(),
        quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
        json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
        repr(secret)[1:-1].encode(),
        plain.hex().encode(),
    }
    for shift in range(3):  # base64 of a longer text that holds it
        found.add(base64.b64encode(b"." * shift + plain)[4 : -4 if len(plain) > 8 else None])
    return sorted(form for form in found if len(form) >= 8)


class Witness:
    """Runs commands, keeps all they print, and looks for secrets in it and in every file but the sandbox's own."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.printed: list[tuple[str, bytes]] = []

    def run(self, *arguments: str, code: int = 0, **env: str) -> str:
        ended = self.project.run(*arguments, code=code, env=env)
        self.printed.append((" ".join(arguments), ended.text.encode()))
        return ended.text

    def swear(self, *secrets: str, but: tuple[str, ...] = ()) -> None:
        texts = dict(self.printed)
        texts |= {name: data for name, data in self.project.contents().items() if name not in but}
        for secret in secrets:
            for form in forms(secret):
                for where, data in texts.items():
                    # What a person typed on the command line is theirs; here only what came back is looked at.
                    assert form not in data, f"{form!r} is in {where}"


def given(project: Project, way: str, secret: str) -> tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]:
    """Arguments, environment, and the files that hold the secret because the user wrote it there."""
    text = f"token: {json.dumps(secret)}\n"
    match way:
        case "environment":
            return (), {"FLOWPLAN_VAR_token": secret}, ()
        case "--var":
            return ("--var", f"token={secret}"), {}, ()
        case "--var-file":
            project.write(text, "values/secret.yaml")
            return ("--var-file", "values/secret.yaml"), {}, ("values/secret.yaml",)
        case _:
            project.write(text, "flowplan.vars.yaml")
            return (), {}, ("flowplan.vars.yaml",)


@pytest.mark.parametrize("way", ["environment", "--var", "--var-file", "flowplan.vars.yaml"])
def test_a_secret_is_written_nowhere(project: Project, way: str) -> None:
    project.write(STACK)
    arguments, env, mine = given(project, way, SECRET)
    witness = Witness(project)
    witness.run("validate", *arguments, **env)
    plan = witness.run("plan", *arguments, **env)
    assert "(sensitive value)" in plan
    witness.run("plan", "--json", *arguments, **env)
    witness.run("plan", "--out", "my.fplan", *arguments, **env)
    witness.run("show", "my.fplan")
    witness.run("show", "my.fplan", "--json")
    assert "Apply complete" in witness.run("apply", "my.fplan", *arguments, **env)
    witness.run("plan", "--detailed-exitcode", *arguments, **env)
    for command in ("show", "show --json", "output", "output --json", "output token", "output derived", "state list",
                    "state show task.user", "state show task.user --json", "logs task.other"):  # fmt: skip
        witness.run(*command.split())
    assert "used" in witness.run("logs", "-f", "task.user")
    arguments, env, mine = given(project, way, OTHER)
    changed = witness.run("plan", "--detailed-exitcode", *arguments, code=2, **env)
    assert "task.user must be replaced" in changed and "(sensitive value)" in changed
    assert "task.other" not in changed
    witness.run("apply", "--auto-approve", *arguments, **env)
    witness.run("plan", "--detailed-exitcode", *arguments, **env)
    witness.run("destroy", "--auto-approve", *arguments, **env)
    witness.swear(SECRET, OTHER, but=mine)


def test_a_saved_plan_takes_only_the_secret_it_was_made_with(project: Project) -> None:
    project.write(STACK)
    witness = Witness(project)
    witness.run("plan", "--out", "my.fplan", FLOWPLAN_VAR_token=SECRET)
    wrong = witness.run("apply", "my.fplan", code=8, FLOWPLAN_VAR_token=OTHER)
    assert "other values of token" in wrong
    missing = witness.run("apply", "my.fplan", code=1)
    assert "token" in missing
    witness.run("apply", "my.fplan", FLOWPLAN_VAR_token=SECRET)
    witness.swear(SECRET, OTHER)


@pytest.mark.parametrize(
    "spoil",
    [
        ("max_price_per_hour: 3.0\n", "max_price_per_hour: 0.1\n"),
        ("env: {", 'instance_typ: "{{ var.token }}"\n    env: {'),
        ("instance_type: a100\n", 'instance_type: "{{ var.token }}"\n'),
        ("max_price_per_hour: 3.0\n", 'max_price_per_hour: "{{ var.token }}"\n'),
        ("command: |", "image: '{{ var.token.nothing }}'\n    command: |"),
        ("{type: string, sensitive: true}", "{type: int, sensitive: true}"),
        ("sensitive: true}\ntasks", "sensitive: true, validate: \"{{ value == 'x' }}\"}\ntasks"),
        ("outputs:", "outputs:\n  {{ var.token }}: 1"),
        ("env: {", 'for_each: "{{ [var.token] }}"\n    env: {'),
    ],
    ids=["price", "field", "type", "number", "attribute", "variable type", "validate", "bare", "key"],
)  # fmt: skip
def test_a_secret_is_in_no_complaint(project: Project, spoil: tuple[str, str]) -> None:
    assert spoil[0] in STACK
    project.write(STACK.replace(*spoil, 1))
    witness = Witness(project)
    ended = project.run("apply", "--auto-approve", "--var", f"token={SECRET}")
    assert ended.code in (1, 4, 5), ended
    witness.printed.append(("apply", ended.text.encode()))
    for arguments in (("validate",), ("validate", "--json"), ("plan",), ("plan", "--json")):
        said = project.run(*arguments, "--var", f"token={SECRET}")
        witness.printed.append((" ".join(arguments), said.text.encode()))
    witness.swear(SECRET)


def test_the_api_key_is_written_nowhere(project: Project, served: Served, tmp_path: Path) -> None:
    project.write(STACK)
    witness = Witness(project)
    for arguments in (("plan",), ("plan", "-out=my.fplan"), ("apply", "-auto-approve"), ("show",), ("show", "--json"),
                      ("plan", "--json"), ("destroy", "-auto-approve")):  # fmt: skip
        witness.run(*arguments, FLOWPLAN_VAR_token=SECRET)
    wrong = "fkey_wrong0123456789"
    witness.run("plan", code=1, FLOWPLAN_VAR_token=SECRET, MITHRIL_API_KEY=wrong)
    witness.run(
        "plan",
        code=1,
        FLOWPLAN_VAR_token=SECRET,
        MITHRIL_API_KEY=wrong,
        FLOWPLAN_SANDBOX_URL="http://127.0.0.1:1",
    )
    witness.swear(served.key, wrong, SECRET)
