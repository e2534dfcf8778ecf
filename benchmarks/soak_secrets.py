"""Stacks with secrets through every command that reads one: no output holds a secret, in any way it may be spelled.

``python -m benchmarks.soak_secrets [N] [SEED]`` makes N (2,000) stacks, three in four of them wrong in some way, and
runs every command over each. Stack K of seed S is made from S and K alone; where one leaks, both are printed with what
was said, and ``python -m benchmarks.soak_secrets 1 SEED K`` replays it.
"""

from __future__ import annotations

import base64
import io
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote, quote_plus

from attrs import frozen

from flowplan.cli.main import run
from flowplan.lang.format_yaml import dump_yaml

MARK = "s3cr3t!"
"""What every secret begins with; it alone gives a leak away."""
_ALPHABET = "ab1 \"'\\/&%+=:#{}\n\tüß€"
USES = (
    "{{ var.token }}", "a {{ var.token }} b", "{{ var.token | upper }}", "{{ local.made }}", "{{ local.deep.er[0] }}",
    "{{ var.token ~ volume.data.volume_id }}", "{{ var.token | base64_encode }}", "{{ [var.token] | json_encode }}",
    "{{ var.token | url_encode }}", "{{ {'a': var.token}.a }}", "{% if var.token %}{{ var.token }}{% endif %}",
    "{{ var.token.nothing }}", "{{ var.token + 1 }}", "{{ 1 if var.token == 'x' else var.token[1:] }}",
    "{{ var.token | int }}", "{{ 1 // (var.token | length - var.token | length) }}", "{{ module.m.out }}", "plain",
)  # fmt: skip
EXPRESSIONS = (
    "var.token", "local.made", "[local.deep, 1]", "var.token + 1", "task.t.env", "var.token.x", "volume.data",
    "module.m.out", "var.token | int",
)  # fmt: skip
PLACES = (
    "image",
    "working_dir",
    "num_instances",
    "name",
    "when",
    "for_each",
    "instance_type",
    "depends_on",
    "require",
)
WORDS = (
    "\t", ":", ": ", "- ", "{", "}", "[", "]", '"', "'", "|", "#", " #", "&a ", "*a", "!x ", "{{ ", " }}", "\n", "  ",
    "\n\n", "<<: ", "? ", "%", "@", "stack: y\n", "tasks:\n", "null", "\\", "---\n", ",", "x",
)  # fmt: skip
READING: dict[str, tuple[str, ...]] = {
    "validate": ("", "--json"),
    "fmt": ("--check --diff",),
    "vars": ("", "--json", "--explain token"),
    "eval": (),
    "console": ("",),
    "render": ("", "--json"),
    "modules": ("lock",),
    "plan": ("", "--json", "--out p.fplan"),
    "graph": ("",),
    "explain": ("task.t", "task.t --json", "volume.data"),
    "scan": ("stack.yaml", "stack.yaml --json"),
    "apply": ("--auto-approve",),
    "recover": ("",),
    "show": ("", "--json", "p.fplan", "p.fplan --json"),
    "output": ("", "--json", "o", "o --raw"),
    "state": ("list", "show task.t", "show task.t --json", "history", "pull"),
    "status": ("", "--json"),
    "wait": ("task.t --timeout 1s",),
    "run": (),
    "cancel": ("task.t --yes",),
    "destroy": ("--auto-approve",),
}
"""Each command with a stack, and the ways it is called; in this order, so that later ones see what earlier ones left."""
_WITH_VALUES = (
    "validate",
    "vars",
    "console",
    "render",
    "plan",
    "graph",
    "explain",
    "apply",
    "destroy",
    "scan",
    "eval",
)
_COSTLY = ("apply", "show", "output", "state", "status", "wait", "cancel", "destroy", "scan", "recover")
"""What is run only where something is applied: it starts processes, or there is nothing to see before."""


@frozen
class Case:
    """A project's files, the environment and arguments that give its secret, and whether it is applied."""

    secret: str
    files: dict[str, str]
    environ: dict[str, str]
    arguments: tuple[str, ...]
    applied: bool


def made(seed: int, number: int) -> Case:
    """Case ``number`` of a seed."""
    chance = random.Random(f"{seed}/{number}")
    secret = MARK + "".join(chance.choices(_ALPHABET, k=chance.randrange(9))) + "?<x>"
    way = chance.choice(
        ("environment", "option", "file", "named file", "kept", "default", "default", "default")
    )
    broken = chance.random() < 0.75
    kept = way == "kept"
    stack, module = _stack(chance, broken, secret if way == "default" else None, kept), _module(chance)
    files = {"stack.yaml": dump_yaml(stack), "m/main.yaml": dump_yaml(module)}
    if chance.random() < 0.2:
        files["more.yaml"] = dump_yaml({"locals": {"more": chance.choice(USES)}})
    if way == "file":
        files["flowplan.vars.yaml"] = dump_yaml({"token": secret})
    if way == "named file":
        files["mine.vars.yaml"] = dump_yaml({"token": secret})
    if broken and chance.random() < 0.7:
        name = chance.choice([one for one in files if one not in ("m/main.yaml", "kept/tok")])
        files[name] = _mutated(chance, files[name])
    if kept:
        files["kept/tok"] = f"{secret}\n"
    environ = {"environment": {"FLOWPLAN_VAR_token": secret}, "kept": {"FLOWPLAN_SECRETS": "kept"}}.get(
        way, {}
    )
    arguments = {"option": ("--var", f"token={secret}"), "named file": ("--var-file", "mine.vars.yaml")}.get(
        way, ()
    )
    return Case(secret, files, environ, arguments, chance.random() < (0.1 if broken else 0.4))


def _stack(chance: random.Random, broken: bool, default: str | None, kept: bool) -> dict[str, Any]:
    uses = USES if broken else USES[:11]
    task: dict[str, Any] = {
        "instance_type": "a100",
        "max_price_per_hour": 3.0,
        "upload_code": False,
        "env": {"ONE": chance.choice(uses)},
        "command": f"true {chance.choice(uses)}",
    }
    for name in chance.sample(PLACES, chance.randrange(3)) if broken else ():
        task[name] = chance.choice(USES)
    token: dict[str, Any] = {"sensitive": True, **({"secret": "tok"} if kept else {})}
    if default is not None:
        token["default"] = (
            chance.choice([default, default, default, {"k": default}, [default]]) if broken else default
        )
    if broken and chance.random() < 0.4:
        token["type"] = chance.choice(["string", "int", "list", "duration", "timestamp", "map(int)", "nope"])
    if broken and chance.random() < 0.4:
        rules = [
            "{{ value | length < 3 }}",
            "{{ value != 'x' }}",
            "{{ value + 1 }}",
            "{{ 'x' | int(value) }}",
        ]
        token["validate"] = chance.choice(rules)
    local = [use for use in uses if "local" not in use]
    return {
        "stack": "s",
        "variables": {"token": token},
        "locals": {"made": chance.choice(local), "deep": {"er": ["{{ var.token }}"]}},
        "modules": {"m": {"source": "./m", "with": {"in": chance.choice(local[:4])}}},
        "volumes": {"data": {"size_gb": 1, "interface": "file"}},
        "tasks": {"t": task},
        "checks": [{"assert": "{{ plan.summary.destroy == 0 }}", "message": chance.choice(uses)}]
        if broken
        else [],
        "outputs": {"o": {"value": chance.choice(uses), "sensitive": not broken or chance.random() < 0.7}},
    }


def _module(chance: random.Random) -> dict[str, Any]:
    given: dict[str, Any] = {"sensitive": chance.random() < 0.5}
    if chance.random() < 0.3:
        given["type"] = chance.choice(["int", "string", "size"])
    if chance.random() < 0.3:
        given["validate"] = "{{ value | length < 5 }}"
    return {"variables": {"in": given}, "outputs": {"out": {"value": "{{ var.in }}", "sensitive": True}}}


def _mutated(chance: random.Random, text: str) -> str:
    """A text with one to three slips; the word that makes a value a secret stays."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(text))
        match chance.randrange(5):
            case 0:
                slipped = text[:at] + chance.choice(WORDS) + text[at:]
            case 1:
                slipped = text[:at] + text[at + chance.randint(1, 3) :]
            case 2:
                lines = text.splitlines(keepends=True)
                one = chance.randrange(len(lines))
                slipped = "".join([*lines[: one + 1], *lines[one:]])
            case 3:
                lines = text.splitlines(keepends=True)
                one = chance.randrange(len(lines))
                lines[one] = (" " * chance.randrange(6)) + lines[one].lstrip(" ")
                slipped = "".join(lines)
            case _:
                slipped = text[:at] + chance.choice(WORDS) + text[at + 1 :]
        if slipped.strip() and ("sensitive: true" in slipped or "sensitive" not in text):
            text = slipped
    return text


def forms(secret: str) -> set[str]:
    """How a secret may be spelled."""
    raw = secret.encode()
    found = {
        secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1], secret.upper(),
        json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="), raw.hex(), MARK, MARK.upper(), quote(MARK, safe=""),
    }  # fmt: skip
    for shift in range(3):  # base64 of a longer text that holds it
        found.add(base64.b64encode(b"." * shift + raw)[4:-4].decode())
    return {form for form in found if len(form) >= 7}


def commands(case: Case) -> Iterator[tuple[list[str], str]]:
    """Each command line over a case, and what is typed into it."""
    for name, ways in READING.items():
        if name in _COSTLY and not case.applied:
            continue
        values = list(case.arguments) if name in _WITH_VALUES else []
        for way in ways:
            typed = "\n".join([*EXPRESSIONS, ":vars", ""]) if name == "console" else ""
            yield [name, *way.split(), *values], typed
    for expression in EXPRESSIONS:
        yield ["eval", expression, *case.arguments], ""
    yield ["eval", "--json", "local", *case.arguments], ""
    yield ["eval", "--raw", "var.token", *case.arguments], ""


def said(arguments: list[str], typed: str) -> str:
    """All that a command prints."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    given = io.TextIOWrapper(io.BytesIO(typed.encode()), encoding="utf-8")
    with patch.object(sys, "stdin", given), redirect_stdout(stream), redirect_stderr(stream):
        run(arguments)
    stream.seek(0)
    return stream.read()


def leaks(case: Case) -> list[str]:
    """What the commands should not have said: the command line, and the first lines around a secret."""
    told: list[str] = []
    spelled = forms(case.secret)
    clean = {name: one for name, one in os.environ.items() if not name.startswith(("FLOWPLAN_", "MITHRIL_"))}
    with (
        tempfile.TemporaryDirectory() as root,
        chdir(root),
        patch.dict(os.environ, {**clean, **case.environ, "XDG_DATA_HOME": root}, clear=True),
    ):
        Path(".git").mkdir()
        for folder in ("m", "kept"):
            Path(folder).mkdir()
        for name, text in case.files.items():
            Path(name).write_text(text, encoding="utf-8")
        for arguments, typed in commands(case):
            out = said(arguments, typed)
            shown = [line for line in out.splitlines() if any(form in line for form in spelled)]
            if shown or any(form in out for form in spelled):
                told.append(f"{' '.join(arguments)}: {shown[:3]}")
            if "itself failed" in out or "Traceback" in out:
                told.append(f"{' '.join(arguments)}: {out[:2000]}")
    return told


def main() -> int:
    """Try, print, and exit 1 where anything is told."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    begun, failed = time.process_time(), 0
    for number in range(first, first + count):
        case = made(seed, number)
        found = leaks(case)
        if found:
            failed += 1
            print(f"seed {seed}, number {number}:", *found, *case.files.values(), sep="\n", flush=True)
    print(f"{count:,} stacks of seed {seed} in {time.process_time() - begun:.0f} s: {failed} leaked")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
