"""Whatever is valid survives the way to data or to a file and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.models import Invalid, TaskConfig, structure, unstructure
from flowplan.models.catalogue import all_models
from flowplan.models.naming import suffix_disabled
from flowplan.models.strategies import models, task_configs
from flowplan.models.task_file import dump, parse


@pytest.mark.parametrize("name", list(all_models()))
def test_every_model_survives_as_data(name):
    kind = all_models()[name]

    @settings(max_examples=15, deadline=None)
    @given(models(kind))
    def survives(value):
        text = json.dumps(unstructure(value), allow_nan=False)
        with suffix_disabled():
            assert structure(kind, json.loads(text)) == value

    survives()


@settings(max_examples=150, deadline=None)
@given(task_configs())
def test_every_task_survives_as_a_file(config):
    with suffix_disabled():
        assert parse(dump(config)) == config


@settings(max_examples=30, deadline=None)
@given(task_configs())
def test_every_task_has_an_ir(config):
    spec = config.to_spec()
    assert len(spec.mounts) >= len(config.volumes) + len(config.data_mounts)


def test_a_task_survives_a_real_file(tmp_path):
    path = tmp_path / "t.yaml"
    config = TaskConfig(
        instance_type="a100",
        env={"A": "on", "B": "3e-4", "C": "0o17", "D": "a\x85b", "E": "12:30", "F": "~"},
        command="#!/bin/bash\n  echo\n\techo  \n\n",
        data_mounts=[{"source": "s3://b", "target": "/s", "options": {"a": None, "b": [1, {"c": None}]}}],
        volumes=[{"name": "data", "interface": "block"}],
    )
    config.to_yaml(path)
    assert TaskConfig.from_yaml(path) == config
    text = path.read_text()
    assert "!!" not in text
    assert text.startswith("name: flow-task-")
    assert "region" not in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n", "must hold a mapping"),
        ("", "must hold a mapping"),
        ("a: [", "not YAML"),
        ("name: a\nname: b\n", "given twice"),
        ("name: !!python/object:os.system x\n", "not YAML"),
        ("\x00", "not YAML"),
        ("name: a\ninstance_type: x\ncomand: y\n", "Did you mean 'command'"),
        ("{[a]: b}", "not YAML"),
        ("a: 1" + "0" * 5000, "not YAML"),
    ],
)
def test_bad_files_are_explained(text, words):
    with pytest.raises(Invalid, match=words):
        parse(text, "f.yaml")


def test_files_that_are_no_text(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(Invalid, match="UTF-8"):
        TaskConfig.from_yaml(path)
    with pytest.raises(FileNotFoundError):
        TaskConfig.from_yaml(tmp_path / "none.yaml")


@given(st.text(max_size=60))
def test_any_text_is_a_task_or_is_explained(text):
    try:
        parse(text)
    except Invalid as error:
        assert error.problems
