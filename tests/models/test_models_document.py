"""The models against the document they come from: names, order, defaults, enum values, methods."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import attrs
import pytest

from flowplan.models.catalogue import all_enums, all_models
from flowplan.models.table import data_fields, default_of

DOCUMENT = Path(__file__).parents[2] / "../shared/spec/flow.sdk.models.txt"

needs_document = pytest.mark.skipif(not DOCUMENT.exists(), reason="the document is not here")

_FIELD = re.compile(r"  • (?P<name>\w+) \((?P<type>.*?)\)(?:: |$)")
_DEFAULT = re.compile(r"\(default: ([^()]*(?:\(0, 0\))?)\)\s*$")
_VALUE = re.compile(r'  • (?P<name>[A-Z]+) = "(?P<value>\w+)"')
_METHOD = re.compile(r"^(?P<model>[A-Z]\w+)\.(?P<method>\w+)$")


def parse() -> tuple[
    dict[str, list[tuple[str, str, str | None]]], dict[str, dict[str, str]], list[tuple[str, str]]
]:
    """Fields (name, type, default) by model, values by enum, and methods."""
    fields: dict[str, list[tuple[str, str, str | None]]] = {}
    enums: dict[str, dict[str, str]] = {}
    methods: list[tuple[str, str]] = []
    heading, previous = "", ""
    for line in DOCUMENT.read_text().splitlines():
        if re.fullmatch(r"[A-Z]\w+", line):
            previous = line
        elif _METHOD.match(line):
            methods.append((_METHOD.match(line)["model"], _METHOD.match(line)["method"]))
        elif line == "Fields:":
            heading = (
                "ir.MountSpec"
                if previous == "MountSpec" and "MountSpec" not in fields and "TaskConfig" not in fields
                else previous
            )
            fields[heading] = []
        elif line == "Values:":
            heading = previous
            enums[heading] = {}
        elif found := _VALUE.match(line):
            enums[heading][found["name"]] = found["value"]
        elif found := _FIELD.match(line):
            default = _DEFAULT.search(line)
            fields[heading].append((found["name"], found["type"], default[1] if default else None))
        elif heading and re.match(r"    • none:", line) and (default := _DEFAULT.search(line)):
            name, kind, _ = fields[heading][-1]
            fields[heading][-1] = (name, kind, default[1])
    return fields, enums, methods


@needs_document
def test_every_model_has_the_documented_fields_in_their_order():
    fields, _, _ = parse()
    assert len(fields) == 29
    for name, documented in fields.items():
        assert [f.name for f in data_fields(all_models()[name])] == [field for field, _, _ in documented], (
            name
        )
    assert list(all_models()) == list(fields)


@needs_document
def test_every_documented_default_is_the_default():
    fields, _, _ = parse()
    compared = 0
    for name, documented in fields.items():
        own = {f.name: f for f in data_fields(all_models()[name])}
        for field, _, text in documented:
            if text is None or (name, field) == ("VolumeSpec", "mount_path"):
                continue
            default = default_of(own[field])
            shown = {"``": ""}.get(text, text)
            if shown.startswith("StorageInterface."):
                shown = shown.split(".")[1].lower()
            assert str(default) == shown, (name, field)
            compared += 1
    assert compared > 40


@needs_document
def test_nullability_and_plain_types_are_the_documented_ones():
    fields, _, _ = parse()
    for name, documented in fields.items():
        own = {f.name: f for f in data_fields(all_models()[name])}
        for field, kind, _ in documented:
            nullable = "None" in kind or kind in ("Optional", "Any | None")
            assert (type(None) in getattr(own[field].type, "__args__", ())) == nullable, (name, field)
            plain = {"str": str, "int": int, "float": float, "bool": bool}
            if kind in plain:
                assert own[field].type is plain[kind], (name, field)


@needs_document
def test_every_enum_has_the_documented_values():
    _, enums, _ = parse()
    assert {name: {m.name: m.value for m in kind} for name, kind in all_enums().items()} == enums


@needs_document
def test_every_documented_method_is_there():
    _, _, methods = parse()
    assert methods
    for model, method in methods:
        assert callable(getattr(all_models()[model], method)), (model, method)


@needs_document
def test_signatures_of_the_handle_are_the_documented_ones():
    task = all_models()["Task"]
    assert list(inspect.signature(task.logs).parameters) == [
        "self",
        "follow",
        "tail",
        "stderr",
        "source",
        "stream",
    ]
    assert inspect.signature(task.logs).parameters["tail"].default == 100
    assert list(inspect.signature(task.shell).parameters) == [
        "self",
        "command",
        "node",
        "progress_context",
        "record",
    ]


def test_every_model_is_described_and_slotted():
    for name, kind in all_models().items():
        assert kind.__doc__, name
        assert "__slots__" in vars(kind), name
        for field in attrs.fields(kind):
            assert not field.init or field.metadata, (name, field.name)
