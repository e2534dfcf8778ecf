"""The schema that ``flowplan schema`` prints takes the whole language, and flags what an editor can see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from flowplan.lang.build import parse_document
from flowplan.lang.schema import stack_schema
from flowplan.lang.sections import LATER, SECTIONS

ROOT = Path(__file__).parents[2]
VALIDATOR = jsonschema_rs.validator_for(stack_schema())
EXAMPLES = sorted((ROOT / "examples").rglob("*stack.yaml"))
FIRST = "# yaml-language-server: $schema="

WHOLE = """\
stack: s
requires: ">=0.1"
description: All of it
provider: {type: mithril, project: p, region: us-central1-b, api_url: "{{ var.url }}"}
variables:
  a: {type: "list(map(int))", default: [{x: 1}], description: x, deprecated: Use b instead.}
  b: {type: object, fields: {name: string, inner: {fields: {n: {type: int, default: 1}}}}, default: null}
  c: {type: size, default: 2TB, validate: {assert: "{{ value > 1 }}", message: More.}}
  d:
locals: {x: 1, y: "{{ local.x }}"}
data:
  net: {stack: network}
  disk: {volume: {name: "{{ var.disk }}", region: r}}
  cost: {price: {instance_type: 8xh100}}
modules:
  web: {source: ./web, with: {size: "{{ var.c }}"}, for_each: [a, b], when: true, depends_on: [volume.data]}
  one: {source: ../one}
defaults:
  tasks: {region: r, max_price_per_hour: "{{ var.price }}", lifecycle: {on_lost: keep}, timeouts: {running: 1h}}
  volumes:
moved:
  - {from: task.old, to: 'task.new["a"]'}
  - {from: module.a, to: 'module.b["x"]'}
removed: [{from: 'module.a.volume.x', destroy: true}, {from: task.gone}]
imports:
  - {to: volume.data, id: vol_1}
  - {to: "task.t['k']", name: my-task}
checks:
  - {assert: "{{ plan.summary.destroy == 0 }}", message: Only grow., severity: warn}
budget: {max_hourly_usd: 400.5, max_committed_usd: "$60,000"}
limits: {max_resources: 10, max_instances: "{{ var.n }}", max_gpus: 64, max_storage_gb: 0, max_destroys: 0}
volumes:
  data:
    size_gb: 10
    lifecycle: {prevent_destroy: true, create_before_destroy: "{{ var.x }}", on_remove: retain}
    timeouts: {create: 1m, update: 2m, delete: 90s}
tasks:
  t:
    file: t.task.yaml
    num_instances: 4
    for_each: {k: {n: 1}}
    when: "{{ var.on }}"
    depends_on: {module.web: , 'module.web["a"].task.x': {condition: completed, failed_ok: true}}
    lifecycle: {ignore_changes: [env], replace_triggered_by: [volume.data.size_gb], rerun: never, on_lost: fail}
    timeouts: {running: 1h30m, completed: "{{ local.limit }}"}
    require:
      - {assert: "{{ self.num_instances < 8 }}", message: "{{ 'no' }}"}
  u: {instance_type: a100, require: {assert: "{{ true }}"}}
outputs:
  o: {value: 1, type: "list(string)", description: x, sensitive: false}
x-anchors: {anything: [1]}
"""
WRONG = {
    "a lookup of two kinds": "data: {x: {volume: a, stack: b}}",
    "a lookup of nothing": "data: {x: {}}",
    "an unknown lookup": "data: {x: {volumes: a}}",
    "a lookup without what it needs": "data: {x: {volume: {region: r}}}",
    "a misspelt argument": "data: {x: {volume: {nam: r}}}",
    "a module without a source": "modules: {m: {with: {a: 1}}}",
    "a source that is an expression": "modules: {m: {source: '{{ var.x }}'}}",
    "a misspelt call": "modules: {m: {source: ./x, wiht: {}}}",
    "defaults of something else": "defaults: {task: {}}",
    "a default that each has of its own": "defaults: {tasks: {name: x}}",
    "a misspelt default": "defaults: {tasks: {regoin: x}}",
    "a move to nowhere": "moved: [{from: task.a}]",
    "a move of no address": "moved: [{from: a, to: task.b}]",
    "moved as a mapping": "moved: {from: task.a, to: task.b}",
    "a removal with a typo": "removed: [{from: task.a, destory: true}]",
    "an import without an id": "imports: [{to: task.a}]",
    "an import of two things": "imports: [{to: task.a, id: x, name: y}]",
    "an import of a module": "imports: [{to: module.a, id: x}]",
    "a check that checks nothing": "checks: [{message: x}]",
    "a check without an expression": "checks: [{assert: true}]",
    "an unknown severity": "checks: [{assert: '{{ x }}', severity: error}]",
    "a misspelt budget": "budget: {max_hourly: 3}",
    "a budget of words": "budget: {max_hourly_usd: much}",
    "a budget below nothing": "budget: {max_hourly_usd: -1}",
    "a misspelt limit": "limits: {max_gpu: 3}",
    "half a limit": "limits: {max_gpus: 1.5}",
    "a limit below nothing": "limits: {max_gpus: -1}",
    "a type of nothing": "variables: {a: {type: int(string)}}",
    "a field of no type": "variables: {a: {type: object, fields: {x: strin}}}",
    "a field with a typo": "variables: {a: {fields: {x: {type: int, defalt: 1}}}}",
    "a list that is none": "variables: {a: {type: list(int), default: 3}}",
    "an output of no type": "outputs: {o: {value: 1, type: what}}",
    "a misspelt timeout": "tasks: {t: {instance_type: a100, timeouts: {run: 1h}}}",
    "a timeout without a unit": "tasks: {t: {instance_type: a100, timeouts: {create: 10}}}",
    "an unknown removal": "volumes: {v: {size_gb: 1, lifecycle: {on_remove: keep}}}",
    "triggers as a text": "volumes: {v: {size_gb: 1, lifecycle: {replace_triggered_by: volume.x}}}",
    "a requirement without an expression": "tasks: {t: {instance_type: a100, require: [{assert: 'x > 1'}]}}",
    "a requirement with a typo": "tasks: {t: {instance_type: a100, require: {assert: '{{ x }}', mesage: x}}}",
}  # fmt: skip


def faults(text: str) -> list[str]:
    document, found = parse_document("s.yaml", text)
    assert not found, [one.summary for one in found]
    return [f"{error.instance_path}: {error.message}" for error in VALIDATOR.iter_errors(document.root)]


def test_the_whole_language_fits() -> None:
    assert faults(WHOLE) == []
    document, _ = parse_document("s.yaml", WHOLE)
    assert {*SECTIONS} - {*document.root} == {"reservations"}


def test_every_section_is_known_and_no_later_one() -> None:
    assert set(stack_schema()["properties"]) == set(SECTIONS)
    assert not set(stack_schema()["properties"]) & set(LATER)


@pytest.mark.parametrize("what", WRONG)
def test_a_mistake_is_flagged(what: str) -> None:
    assert faults(f"stack: s\n{WRONG[what]}\n")


def test_an_expression_may_stand_for_every_value_of_a_model() -> None:
    schema = stack_schema()
    for kind in ("task", "volume", "reservation"):
        for name, field in schema["$defs"][kind]["properties"].items():
            assert name in META or takes_expression(field, schema), f"{kind}.{name}"


META = {"for_each", "depends_on", "lifecycle", "timeouts", "require", "file"}


def takes_expression(field: Any, schema: Any) -> bool:
    return jsonschema_rs.validator_for({**field, "$defs": schema["$defs"]}).is_valid("{{ var.x }}")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_names_the_schema_in_its_first_line_and_fits(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert first.startswith(FIRST)
    assert (path.parent / first.removeprefix(FIRST)).resolve() == ROOT / "schemas" / "stack.schema.json"
    assert faults(text) == []
