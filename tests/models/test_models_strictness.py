"""What the strict converter refuses, and in which words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.models import (
    Invalid,
    ReservationSpec,
    Retries,
    TaskConfig,
    TaskStatus,
    VolumeSpec,
    structure,
    unstructure,
)
from flowplan.models.strategies import json_values
from flowplan.values.convert import NOT_GIVEN


def problems(kind: Any, data: Any) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(Invalid) as caught:
        structure(kind, data)
    return {p.path: f"{p.message} {p.suggestion}".strip() for p in caught.value.problems}


def task(**more: Any) -> dict[str, Any]:
    return {"instance_type": "8xh100", "unique_name": False, **more}


@pytest.mark.parametrize("value", [True, "40", 40.5, 40.0, None, [], {}])
def test_only_an_int_is_an_int(value):
    assert list(problems(VolumeSpec, {"size_gb": value})) == [("size_gb",)]


@pytest.mark.parametrize("value", [True, "2.5", float("nan"), float("inf"), [], 10**400])
def test_only_a_finite_number_is_a_float(value):
    assert list(problems(Retries, {"initial_delay": value})) == [("initial_delay",)]


def test_an_int_is_a_fine_float():
    delay = structure(Retries, {"initial_delay": 2}).initial_delay
    assert delay == 2.0
    assert type(delay) is float


@pytest.mark.parametrize("value", ["yes", 1, 0, None, "true"])
def test_only_true_and_false_are_bools(value):
    assert list(problems(TaskConfig, task(upload_code=value))) == [("upload_code",)]


@pytest.mark.parametrize("value", [1, 1.5, True, None, ["a"]])
def test_only_text_is_text(value):
    assert list(problems(TaskConfig, task(image=value))) == [("image",)]


def test_advice_says_what_to_write():
    assert problems(VolumeSpec, {"size_gb": "40"})[("size_gb",)].endswith("Write 40 without quotes.")
    assert problems(VolumeSpec, {"size_gb": 40.0})[("size_gb",)].endswith("Write 40 without a decimal point.")
    assert problems(TaskConfig, task(image=1.5))[("image",)].endswith("Put it in quotes.")


def test_enum_and_literal_values_are_exact_and_a_wrong_case_gets_a_suggestion():
    assert "Did you mean 'high'?" in problems(TaskConfig, task(priority="High"))[("priority",)]
    assert "Did you mean 'file'?" in problems(VolumeSpec, {"interface": "FILE"})[("interface",)]
    assert "'pending', 'running'" in problems(TaskStatus, 3)[()]
    assert structure(TaskStatus, "paused") is TaskStatus.PAUSED


def test_unknown_keys_get_a_suggestion_and_retired_ones_their_replacement():
    found = problems(
        TaskConfig, task(comand="x", gpu=1, gpu_memory_gb=1, environment={}, timeout=1, mounts=[])
    )
    assert "Did you mean 'command'?" in found[("comand",)]
    assert "instance_type" in found[("gpu",)]
    assert "min_gpu_memory_gb" in found[("gpu_memory_gb",)]
    assert "env." in found[("environment",)]
    assert "max_run_time_hours" in found[("timeout",)]
    assert "data_mounts" in found[("mounts",)]


def test_keys_that_are_no_text_are_named():
    assert ("1",) in problems(TaskConfig, {**task(), 1: 2})


def test_all_problems_of_a_value_come_in_one_go_with_their_places():
    found = problems(
        TaskConfig,
        task(
            num_instances=1000,
            ports=[80, True, 8080],
            volumes=[{"size_gb": "1", "iops": 1}, 3, {"interfce": "x"}],
            retries={"max_retries": 11, "initial_delay": "x"},
            min_run_time_hours=2,
            max_run_time_hours=1,
        ),
    )
    assert set(found) == {
        ("num_instances",),
        ("ports", 0),
        ("ports", 1),
        ("volumes", 0, "size_gb"),
        ("volumes", 0, "iops"),
        ("volumes", 1),
        ("volumes", 2, "interfce"),
        ("retries", "max_retries"),
        ("retries", "initial_delay"),
        ("min_run_time_hours",),
    }
    assert found[("volumes", 0, "iops")].startswith("volumes[0].iops must be between 100 and 64000")


def test_construction_and_evolution_report_everything_too():
    with pytest.raises(Invalid) as caught:
        TaskConfig(num_instances=0, upload_timeout=1)
    assert [p.path[0] for p in caught.value.problems] == ["num_instances", "upload_timeout", "instance_type"]
    config = TaskConfig(instance_type="a100")
    with pytest.raises(Invalid):
        attrs.evolve(config, num_instances=0)
    assert attrs.evolve(config, num_instances=2).name == config.name


def test_an_assignment_is_checked_when_asked():
    config = TaskConfig(instance_type="a100")
    assert config.validate_config() is config
    config.num_instances = 1000
    with pytest.raises(Invalid, match="num_instances must be between 1 and 100, not 1000"):
        config.validate_config()


def test_missing_fields_are_named_once_each():
    found = problems(ReservationSpec, {"quantity": 0})
    assert set(found) == {
        ("instance_type",),
        ("region",),
        ("start_time_utc",),
        ("duration_hours",),
        ("quantity",),
    }
    assert found[("region",)] == "region is required"


@pytest.mark.parametrize("value", [None, 3, "x", [], True])
def test_what_is_no_mapping_is_refused(value):
    assert "must be a mapping (TaskConfig)" in problems(TaskConfig, value)[()]


@pytest.mark.parametrize("value", [None, 3, {}, "x"])
def test_what_is_no_list_is_refused(value):
    assert ("volumes",) in problems(TaskConfig, task(volumes=value))


def test_env_takes_numbers_and_never_repeats_a_value():
    made = structure(TaskConfig, task(env={"A": 3, "B": 0.5, "C": "text"}))
    assert made.env == {"A": "3", "B": "0.5", "C": "text"}
    secrets = {"T": ["hunter2"], "U": {"hunter2": 1}, "V": True, "W": None, "X": b"hunter2"}
    with pytest.raises(Invalid) as caught:
        structure(TaskConfig, task(env=secrets))
    assert {p.path for p in caught.value.problems} == {("env", key) for key in secrets}
    assert "hunter2" not in str(caught.value)
    assert all(p.given is NOT_GIVEN for p in caught.value.problems)
    assert "quotes" in str(caught.value)
    with pytest.raises(Invalid) as caught:
        structure(TaskConfig, task(env="hunter2"))
    assert "hunter2" not in str(caught.value)
    assert (
        "text"
        not in repr(made.env and structure(TaskConfig, task(env={"A": "hunter2"}))).split("env=")[1][:12]
    )
    assert "hunter2" not in repr(structure(TaskConfig, task(env={"A": "hunter2"})))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-01T00:00:00Z", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T02:00:00+02:00", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T00:00:00", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_become_instants_in_utc(text, moment):
    assert structure(datetime, text) == moment
    assert structure(datetime, text).utcoffset().total_seconds() == 0


@pytest.mark.parametrize("value", ["tomorrow", True, None, [], 1e300, "0001-01-01T00:00:00+23:00"])
def test_what_is_no_time_is_refused(value):
    assert () in problems(datetime, value)


def test_other_types():
    assert structure(Path, "a/b") == Path("a/b")
    assert structure(UUID, "64f48464-46c0-5a5e-a7de-6e70e8b3e712").version == 5
    assert structure(tuple[int, int], [1, 2]) == (1, 2)
    assert structure(set[str], ["a", "a"]) == {"a"}
    assert structure(Literal[1, "a"], 1) == 1
    assert () in problems(Literal[1, "a"], True)
    assert () in problems(UUID, "x")
    assert () in problems(tuple[int, int], [1])
    assert (1,) in problems(tuple[int, int], [1, "x"])
    assert () in problems(str | list[str], 3)
    assert ("a",) in problems(dict[str, int], {"a": "x"})
    assert ("1",) in problems(dict[str, int], {1: 1})


@attrs.frozen
class Inner:
    number: int
    words: list[str] = attrs.field(factory=list)


@attrs.frozen
class Outer:
    inner: Inner
    many: dict[str, Inner] = attrs.field(factory=dict)
    status: TaskStatus | None = None


def test_plain_attrs_classes_are_as_strict():
    assert structure(Outer, {"inner": {"number": 1}, "status": "failed"}) == Outer(
        Inner(1), status=TaskStatus.FAILED
    )
    found = problems(
        Outer, {"inner": {"number": True, "wrds": 1}, "many": {"a": {"words": [1]}}, "status": "x", "innr": 1}
    )
    assert set(found) == {
        ("inner", "number"),
        ("inner", "wrds"),
        ("many", "a", "number"),
        ("many", "a", "words", 0),
        ("status",),
        ("innr",),
    }
    assert found[("many", "a", "number")] == "many.a.number is required"
    assert "Did you mean 'words'?" in found[("inner", "wrds")]
    assert unstructure(Outer(Inner(1))) == {"inner": {"number": 1, "words": []}, "many": {}, "status": None}


@given(st.sampled_from([TaskConfig, VolumeSpec, Retries, ReservationSpec, Outer]), json_values())
def test_any_json_is_either_taken_or_refused_with_problems(kind, value):
    try:
        structure(kind, value)
    except Invalid as error:
        assert error.problems
        assert all(p.message for p in error.problems)


@given(
    st.dictionaries(st.sampled_from([f.name for f in attrs.fields(TaskConfig)]), json_values(), max_size=6)
)
def test_any_values_for_the_fields_of_a_task_are_taken_or_refused_where_they_stand(mapping):
    try:
        structure(TaskConfig, mapping)
    except Invalid as error:
        known = {f.name for f in attrs.fields(TaskConfig)}
        assert all(p.path[0] in known for p in error.problems)


def test_what_has_no_form_as_data_is_a_fault_of_the_program():
    with pytest.raises(TypeError):
        unstructure(object())
