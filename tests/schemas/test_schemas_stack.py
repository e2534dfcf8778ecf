"""The schema of stack files takes what the language takes, and flags what an editor can see to be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import lang_stacks
import pytest
import test_lang_expressions
import test_lang_loader
from fresh_files import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.lang.build import parse_document
from flowplan.lang.document import Map, Seq
from flowplan.lang.files import VARIABLES_FILE, is_stack_file
from flowplan.lang.loader import LATER, load_stack
from flowplan.lang.schema import stack_schema
from flowplan.lang.stack import Source
from flowplan.models import ReservationSpec, TaskConfig, VolumeSpec, unstructure
from flowplan.models.naming import suffix_disabled
from flowplan.models.strategies import models
from flowplan.values.address import Kind

VALIDATOR = jsonschema_rs.validator_for(stack_schema())
EXAMPLES = sorted((ROOT / "examples").glob("*/stack.yaml"))


def plain(value: Any) -> Any:
    if isinstance(value, Map):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, Seq) else value


def faults(text: str) -> list[str]:
    document, found = parse_document("s.yaml", text)
    assert not found
    return [
        f"{error.instance_path}: {error.message}" for error in VALIDATOR.iter_errors(plain(document.root))
    ]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_fit(path: Path) -> None:
    assert faults(path.read_text()) == []


def test_every_stack_that_the_tests_of_the_language_load_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the tests of the language with a loader that looks at what it is given."""
    fitting: list[str] = []

    def look(sources: list[Source], *more: Any) -> Any:
        stack, found = load_stack(sources, *more)
        for source in sources if stack is not None else ():
            if is_stack_file(source.path) and source.path != VARIABLES_FILE:
                assert faults(source.text) == [], source.text
                fitting.append(source.text)
        return stack, found

    monkeypatch.setattr(lang_stacks, "load_stack", look)
    monkeypatch.setattr(test_lang_loader, "load_stack", look)
    for module in (test_lang_loader, test_lang_expressions):
        for name, test in vars(module).items():
            if name.startswith("test_") and not test.__code__.co_argcount and not hasattr(test, "hypothesis"):
                test()
    assert len(fitting) > 25


def declaration(kind: Kind, value: Any) -> dict[str, Any]:
    """A model as a stack would declare it."""
    body = {name: item for name, item in unstructure(value).items() if item is not None}
    for name in ("volume_id", "project_id"):
        body.pop(name, None)
    for entry in body.get("volumes", []) if kind is Kind.TASK else []:
        for name in ("iops", "throughput_mb_s"):
            entry.pop(name, None)
        entry["volume_id"] = entry.get("volume_id") or "vol_1"
    return body


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_valid_model_fits_as_a_declaration_and_so_does_an_expression_for_any_value(
    data: st.DataObject,
) -> None:
    kinds = {Kind.VOLUME: VolumeSpec, Kind.RESERVATION: ReservationSpec, Kind.TASK: TaskConfig}
    kind = data.draw(st.sampled_from(list(kinds)))
    with suffix_disabled():
        body = declaration(kind, data.draw(models(kinds[kind])))
    stack = {"stack": "s", kind.section: {"one": body}}
    assert [error.message for error in VALIDATOR.iter_errors(stack)] == []
    name = data.draw(st.sampled_from(sorted(body)))
    body[name] = "{{ var.x }}"
    assert [error.message for error in VALIDATOR.iter_errors(stack)] == []


@pytest.mark.parametrize(
    "text",
    [
        "tasks: {t: {file: t.task.yaml}}", "reservations: {r: {file: r.yaml, quantity: 2}}", "volumes:", "outputs: {o: {value: }}",
        "tasks: {t: {instance_type: a100, image: , retries: , lifecycle: , depends_on: , timeouts: }}",
        "tasks: {t: {min_gpu_memory_gb: '{{ var.gb }}', volumes: ['{{ volume.data }}', {volume: '{{ volume.x }}', mount_path: /x}]}}",
        "tasks: {t: {instance_type: a100, volumes: '{{ local.mounts }}', env: {A: 1, B: x}, retries: {max_retries: '{{ 1 }}'}}}",
        "tasks: {t: {instance_type: a100, when: '{{ var.on }}', for_each: '{{ var.k }}', depends_on: {'task.w[\"{{ each.key }}\"]': '{{ local.c }}'}}}",
        "variables: {a: , b: {type: int, default: null}, c: {type: size, default: 500}, d: {type: list, default: [1]}}",
    ],
)  # fmt: skip
def test_short_ways_and_expressions_fit(text: str) -> None:
    assert faults(f"stack: s\n{text}\n") == []


TYPOS = {
    "a section in the singular": "task: {}",
    "a field of a task": "tasks: {t: {instance_type: a100, num_instance: 4}}",
    "a field of a volume": "volumes: {data: {sizegb: 4}}",
    "a field of a reservation": "reservations: {r: {instance_type: a100, start_time: x, duration_hours: 3}}",
    "a reservation without a start": "reservations: {r: {instance_type: a100, duration_hours: 3}}",
    "a task without hardware": "tasks: {t: {command: x}}",
    "a number that is a word": "tasks: {t: {instance_type: a100, num_instances: four}}",
    "a number out of range": "tasks: {t: {instance_type: a100, num_instances: 101}}",
    "a price of nothing": "tasks: {t: {instance_type: a100, max_price_per_hour: 0}}",
    "an unknown word": "tasks: {t: {instance_type: a100, priority: hgih}}",
    "an environment with true": "tasks: {t: {instance_type: a100, env: {A: true}}}",
    "a name in capitals": "tasks: {Train: {instance_type: a100}}",
    "a task that is nothing": "tasks: {t: }",
    "tasks as a list": "tasks: [t]",
    "a mount without a volume": "tasks: {t: {instance_type: a100, volumes: [{mount_path: /x}]}}",
    "a mount of two volumes": "tasks: {t: {instance_type: a100, volumes: [{volume: a, volume_id: b}]}}",
    "a mount with what only a new volume has": "tasks: {t: {instance_type: a100, volumes: [{volume: a, iops: 300}]}}",
    "a misspelt mount": "tasks: {t: {instance_type: a100, volumes: [{volume: a, mountpath: /x}]}}",
    "a misspelt retry": "tasks: {t: {instance_type: a100, retries: {max_retry: 3}}}",
    "a declared volume with an id": "volumes: {data: {volume_id: vol_1}}",
    "a project on a reservation": "reservations: {r: {instance_type: a100, start_time_utc: 2030-01-01, duration_hours: 3, project_id: p}}",
    "an unknown condition": "tasks: {t: {instance_type: a100, depends_on: {task.a: complete}}}",
    "an address in the plural": "tasks: {t: {instance_type: a100, depends_on: [tasks.a]}}",
    "a name that is no address": "tasks: {t: {instance_type: a100, depends_on: [prepare]}}",
    "a misspelt lifecycle": "tasks: {t: {instance_type: a100, lifecycle: {prevent_destory: true}}}",
    "an unknown choice": "tasks: {t: {instance_type: a100, lifecycle: {rerun: sometimes}}}",
    "a duration without a unit": "tasks: {t: {instance_type: a100, timeouts: {running: 10}}}",
    "keys that are the same": "tasks: {t: {instance_type: a100, for_each: [a, a]}}",
    "an unknown type": "variables: {n: {type: itn}}",
    "a default of another type": "variables: {n: {type: int, default: x}}",
    "a default with an expression": "variables: {n: {default: '{{ 1 }}'}}",
    "a validation without an expression": "variables: {n: {default: 1, validate: value < 3}}",
    "a misspelt variable": "variables: {n: {defualt: 1}}",
    "an output without a value": "outputs: {o: {description: x}}",
    "a misspelt output": "outputs: {o: {value: 1, valu: 2}}",
    "an unknown provider": "provider: {type: mitril}",
    "a misspelt provider": "provider: {typ: mithril}",
    **{f"the later section {section}": f"{section}: {{}}" for section in LATER},
}  # fmt: skip


@pytest.mark.parametrize("what", TYPOS)
def test_a_typo_is_flagged_and_is_one(what: str) -> None:
    text = f"stack: s\n{TYPOS[what]}\n"
    assert faults(text)
    assert lang_stacks.load(text)[1].has_errors
