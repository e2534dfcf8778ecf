"""Random bytes and mutated stacks through the language: whatever comes in, diagnostics come out and never a traceback.

``python -m benchmarks.soak_language [N] [SEED]`` tries N (20,000) inputs. Input K of seed S is made from S and K alone;
where one fails, both are printed with the input itself, and ``python -m benchmarks.soak_language 1 SEED K`` replays it.
"""

from __future__ import annotations

import random
import re
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import yaml

from flowplan.lang.build import parse_document
from flowplan.lang.files import decode
from flowplan.lang.functions import FILTERS_ALLOWED, REGISTER
from flowplan.lang.loader import load_stack
from flowplan.lang.stack import Source
from flowplan.lang.variables import TYPES, VariableSource
from flowplan.report.diagnostics import render_diagnostics
from flowplan.report.paint import Paint

ROOT = Path(__file__).parents[1]
SLOWEST = 30.0
"""The processor seconds that one input may take, on a slow machine."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)

WHOLE = """\
stack: whole
requires: ">=0.0"
description: Everything at once
provider: {type: sandbox, project: p, region: us-central1-b}
x-common: &common {instance_type: a100, upload_code: false}
variables:
  nodes: {type: int, default: 4, description: Nodes, validate: "{{ 1 <= value <= 64 }}"}
  names: {type: list(string), default: [a, b], deprecated: Use nodes.}
  shape: {type: object, fields: {gpus: int, kind: {type: string, default: h100}}, default: {gpus: 8}}
  wait: {type: duration, default: 1h30m}
  disk: {type: size, default: 2TB}
  price: {type: money, default: "$12.50"}
  from: {type: timestamp, default: "2026-12-01T00:00:00Z"}
  token: {type: string, default: hunter2-hunter2, sensitive: true}
locals:
  image: "nvcr.io/nvidia/pytorch:{{ var.nodes }}"
  deep: {x: ["{{ local.image }}", {y: "{{ volume.data.volume_id }}"}]}
  pairs: "{{ zip(var.names, range(2)) }}"
  both: "{{ merge({'a': 1}, {'b': local.pairs}) | tojson }}"
  text: |
    {% for name in var.names %}
    {{ loop.index }} {{ name | upper }} {{ regex_replace(name, '[a-z]', '<\\0>') }}
    {% endfor %}
volumes:
  data: {size_gb: "{{ var.disk }}", interface: file, mount_path: /data, lifecycle: {prevent_destroy: true}}
reservations:
  december: {instance_type: 8xh100, quantity: 4, start_time_utc: 2026-12-01T00:00:00Z, duration_hours: 72}
tasks:
  prepare:
    <<: *common
    command: python prepare.py --out /data
    volumes: [{volume: "{{ volume.data }}"}]
  train:
    for_each: "{{ var.names }}"
    <<: *common
    when: "{{ var.nodes > 1 }}"
    command: |
      #!/bin/bash
      run {{ each.key }} ${OUT:-/data} {{ template_file('run.sh') }}
    env: {TOKEN: "{{ var.token }}", HOST: "{{ task.prepare.ssh_host }}"}
    depends_on: {task.prepare: completed}
    timeouts: {running: 2h}
    lifecycle: {on_lost: keep, ignore_changes: [env]}
moved: [{from: task.old, to: task.prepare}]
removed: [{from: task.gone, destroy: false}]
imports: [{to: reservation.december, id: res_abc123}]
defaults: {tasks: {max_price_per_hour: 3.0}}
budget: {max_hourly_usd: 400, max_committed_usd: 60000}
limits: {max_instances: 64}
checks:
  - assert: "{{ plan.summary.destroy == 0 }}"
    message: This stack may only grow.
outputs:
  id: {value: "{{ volume.data.volume_id }}-{{ local.deep.x[1].y }}"}
  secret: {value: "{{ var.token | sha256 }}", sensitive: true}
"""
VALUES = "nodes: 5\nnames: [x, y]\nshape: {gpus: 4}\ntoken: hunter3-hunter3\n"
FILES = {
    "run.sh": "echo {{ var.nodes }} {{ volume.data.volume_id }}\n",
    "loop": "{{ template_file('loop') }}{{ volume.data }}",
    "bad": "{{ nope ",
    "train.task.yaml": "command: x\ninstance_type: a100\n",
}
WORDS = [
    "{{ ", " }}", "{% if ", "{% for a in ", " %}", "{% endif %}", "{% endfor %}", "{% set a = ", "{% raw %}", "{#", "|", "[", "]", "{", "}", "(", ")", ",", ": ", "- ",
    "&a ", "*a", "<<: *a", "!!int ", "!x ", "|\n", ">-\n", "---\n", "...\n", "? ", "'", '"', "\\", "\t", "\r\n", "\x00", "\x1b[31m", "\ufeff", "\u2028", "é", "\U0001f600", "\ud800",
    "null", "~", "true", "yes", ".inf", ".nan", "-0", "1e999", "0x" + "f" * 60, "9" * 400, "''", '""', "var.", "local.", "each.key", "each.value", "value", "task.train['a']",
    "task.train", "volume.data", "reservation.december.status", "var.nodes", "var.token", "local.deep", "local.text", "none", "not ", " if 1 else ", " ** ", " // ", " ~ ", " in ", " is defined",
    "file('run.sh')", "file('../x')", "template_file('loop')", "template_file('bad')", "glob('**')", "range(99999)", "for_each: ", "when: ", "depends_on: ", "lifecycle: ", "timeouts: ",
    "file: train.task.yaml\n", "stack: x\n", "tasks:\n", "volumes:\n", "variables:\n", "locals:\n", "outputs:\n", "moved:\n", "removed:\n", "imports:\n", "data:\n", "checks:\n", "modules:\n",
    "budget:\n", "limits:\n", "defaults:\n", "backend:\n", "provider:\n", "type: ", "fields: ", "default: ", "sensitive: true", "validate: ", "deprecated: ", "list(map(", "object",
    "{{ value > 1 }}", "2026-12-01T00:00:00Z", "10m", "5GB", "$3", "task.train: completed", "plan.summary.destroy", "\n", "\n  ", "\n    ", " #", *TYPES, *REGISTER, *FILTERS_ALLOWED,
]  # fmt: skip


class Files(dict[str, str]):
    """Files that are not on disk."""

    def read_text(self, path: str) -> str:
        try:
            return self[path]
        except KeyError:
            raise FileNotFoundError(f"there is no file {path!r}") from None

    def list_files(self, pattern: str) -> list[str]:
        return sorted(self)


def seeds() -> list[bytes]:
    """Stacks to start from: one with everything, the examples, and those in the documentation."""
    found = [WHOLE] * 20
    found += [path.read_text() for path in sorted((ROOT / "examples").rglob("*.yaml"))]
    for page in sorted((ROOT / "docs").rglob("*.md")):
        found += _BLOCK.findall(page.read_text())
    return [text.encode() for text in found]


def mutated(rng: random.Random, raw: bytes, others: list[bytes]) -> bytes:
    """``raw`` with a few changes of the kind that people, editors and attackers make."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 12))):
        start = rng.randrange(len(raw) + 1)
        end = min(len(raw), start + rng.choice((0, 1, 1, 2, 5, 20, 100)))
        word = rng.choice(WORDS).encode("utf-8", "surrogatepass")
        kind = rng.randrange(9)
        if kind == 0:
            raw = raw[:start] + raw[end:]
        elif kind == 1:
            raw = raw[:start] + word + raw[end:]
        elif kind == 2:
            raw = raw[:start] + word + raw[start:]
        elif kind == 3:
            raw = raw[:start] + raw[start:end] * rng.choice((2, 3, 50)) + raw[end:]
        elif kind == 4 and raw:
            place = rng.randrange(len(raw))
            raw = raw[:place] + bytes([rng.randrange(256)]) + raw[place + 1 :]
        elif kind == 5:
            lines = raw.split(b"\n")
            one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[one], lines[two] = lines[two], lines[one]
            raw = b"\n".join(lines)
        elif kind == 6:
            lines = raw.split(b"\n")
            one = rng.randrange(len(lines))
            lines[one] = b" " * rng.randrange(8) + lines[one].lstrip()
            raw = b"\n".join(lines)
        elif kind == 7:
            other = rng.choice(others)
            place = rng.randrange(len(other) + 1)
            raw = raw[:start] + other[place : place + rng.randrange(200)] + raw[end:]
        else:
            inside = [match.span() for match in re.finditer(rb"\{\{.*?\}\}|: [^\n{]+", raw)]
            if inside:
                first, last = rng.choice(inside)
                raw = raw[: first + 2] + b' "{{ ' + word + b' }}"' + raw[last:]
    return raw


SCALARS: list[Any] = [
    None, True, False, 0, -1, 4, 1.5, float("nan"), float("inf"), 10**30, "", "a", "4", "x" * 3000, "{{ ", "}}", "a b", "A-B", "é", "\x1b[31m", "2026-12-01T00:00:00Z",
    "10m", "task.train", 'task.train["a"]', "task.nope", "volume.data", "created", "{{ none }}", "{{ [] }}", "{{ {} }}", "{{ 1 / 0 }}", "{{ var.token }}", "{{ var.names }}",
    "{{ volume.data.volume_id }}", "{{ volume.data }}", "{{ task.train['a'].ssh_host }}", "{{ task.train }}", "{{ task[var.names[0]] }}", "{{ task.train[each.key].status }}", "{{ each.key }}",
    "{{ local.deep }}", "{{ local.deep.x[0] }}", "{{ local[var.names[0]] }}", "{{ file('run.sh') }}", "{{ template_file('loop') }}", "{{ template_file('bad') }}", "{{ glob('*') }}", "{{ value }}",
    "x {{ volume.data.created_at }} {{ var.token }}", "{{ reservation.december.status | upper }}", "{{ var.names | map('upper') }}", "{{ {volume.data.volume_id: 1} }}",
    "{% for a in local.deep.x %}{{ a }}{% endfor %}", "{% set a = var.token %}{{ a }}", "{{ plan.summary.destroy == 0 }}", "{{ data.x.outputs.y }}", "{{ module.m.o }}",
    [], {}, ["a", "a"], [None], [[]], {"": 1}, {"a": None}, {1: 2}, {"{{ volume.data.volume_id }}": 1}, {"{{ var.token }}": 1}, ["{{ var.token }}"], {"a": {"b": "{{ local.text }}"}},
]  # fmt: skip
KEYS = [
    "for_each", "when", "depends_on", "lifecycle", "timeouts", "file", "require", "type", "fields", "default", "validate", "sensitive", "deprecated", "description", "value", "assert", "message",
    "from", "to", "id", "name", "source", "with", "version", "prevent_destroy", "ignore_changes", "on_lost", "rerun", "create_before_destroy", "replace_triggered_by", "on_remove", "size_gb",
    "command", "instance_type", "num_instances", "volumes", "env", "mount_path", "volume", "tasks", "locals", "outputs", "moved", "removed", "imports", "data", "checks", "modules", "budget",
    "limits", "defaults", "stack", "provider", "requires", "backend", "x-y", "train", "prepare", "nodes", "token", "December", "a.b", "{{ var.nodes }}", "", "1", "<<", "tasks ", "max_hourly_usd",
]  # fmt: skip


def plain(node: Any) -> Any:
    """A value of a document without positions."""
    if isinstance(node, dict):
        return {key: plain(item) for key, item in node.items()}
    return [plain(item) for item in node] if isinstance(node, list) else node


def replanted(rng: random.Random, raw: bytes, others: list[bytes]) -> bytes:
    """``raw`` with parts of its tree exchanged, taken out, doubled, renamed, or taken from another stack."""
    root = plain(parse_document("s.yaml", raw.decode())[0].root)
    foreign = plain(parse_document("s.yaml", rng.choice(others).decode())[0].root)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        holders = _holders(root)
        if not holders:
            break
        holder = rng.choice(holders)
        new = rng.choice(SCALARS) if rng.random() < 0.7 else rng.choice(_holders(foreign) or [None])
        place = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        kind = rng.randrange(4)
        if kind == 0:
            del holder[place]
        elif kind == 1 and isinstance(holder, dict):
            key = rng.choice(KEYS)
            holder[key] = holder.pop(place) if rng.random() < 0.5 else plain(new)
        elif kind == 2 and isinstance(holder, list):
            holder.append(plain(new))
        else:
            holder[place] = plain(new)
    return yaml.safe_dump(root, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")


def _holders(root: Any) -> list[Any]:
    found, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (dict, list)) and node:
            found.append(node)
            waiting += node.values() if isinstance(node, dict) else node
    return found


def made(seed: int, number: int, starts: list[bytes]) -> tuple[bytes, bytes]:
    """Input ``number`` of a seed: the bytes of a stack, and of a file of values."""
    rng = random.Random(f"{seed}:{number}")
    start = rng.choice(starts)
    chance = rng.random()
    if chance < 0.05:
        raw = rng.randbytes(rng.randrange(200))
    elif chance < 0.55:
        raw = replanted(rng, start, starts)
    elif chance < 0.6:
        raw = "".join(rng.choice(WORDS) for _ in range(rng.randrange(60))).encode("utf-8", "surrogatepass")
    else:
        raw = mutated(rng, start, starts)
    values = VALUES.encode() if start.startswith(b"stack: whole") else b""
    values = mutated(rng, VALUES.encode(), starts) if rng.random() < 0.2 else values
    return raw, values


def tried(raw: bytes, values: bytes) -> str:
    """What went wrong with an input, or ""."""
    try:
        began = time.process_time()
        text, _ = decode("s.yaml", raw)
        for one in (text, raw.decode("latin-1"), raw.decode("utf-8", "surrogateescape"))[: 1 if text else 3]:
            given, _ = decode("flowplan.vars.yaml", values)
            sources = [Source("s.yaml", one), Source("flowplan.vars.yaml", given)]
            inputs = [VariableSource("FLOWPLAN_VAR_*", {"nodes": "3"}, is_text=True, lenient=True)]
            stack, found = load_stack(sources, inputs, Files(FILES), "0.1.0")
            if (stack is None) != found.has_errors:
                return "no stack and no error, or both"
            told = render_diagnostics(found, Paint())
            if _CONTROL.search(told.replace("\t", "")):
                return "a control character is shown"
            if "hunter2-hunter2" in told and _is_secret(one):
                return "a secret is shown"
        took = time.process_time() - began
        return f"it takes {took:.1f} s" if took > SLOWEST else ""
    except Exception:
        return traceback.format_exc()


def _is_secret(text: str) -> bool:
    """Whether the text still declares its secret as one, and holds it nowhere else."""
    root = parse_document("s.yaml", text)[0].root
    declared = root.get("variables") if isinstance(root, dict) else None
    token = declared.get("token") if isinstance(declared, dict) else None
    if not isinstance(token, dict) or token.get("sensitive") is not True:
        return False
    shown = ("type", "description", "validate", "deprecated")
    held = any(value == "hunter2-hunter2" for key, value in token.items() if key not in shown)
    return held and text.count("hunter2-hunter2") == 1


def main(arguments: list[str]) -> int:
    """Run it; 1 where an input failed."""
    count = int(arguments[0]) if arguments else 20_000
    seed = int(arguments[1]) if len(arguments) > 1 else int(time.time())
    first = int(arguments[2]) if len(arguments) > 2 else 0
    starts, failed, began = seeds(), 0, time.monotonic()
    for number in range(first, first + count):
        raw, values = made(seed, number, starts)
        wrong = tried(raw, values)
        if wrong:
            failed += 1
            print(
                f"seed {seed}, input {number}:\n{wrong}\n  stack:  {raw!r}\n  values: {values!r}\n",
                flush=True,
            )
            if failed >= 20:
                break
    print(f"{count:,} inputs of seed {seed} in {time.monotonic() - began:.0f} s: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
