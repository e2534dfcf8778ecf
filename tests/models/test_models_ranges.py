"""Both sides of both ends of every range, of every model, from the declarations and from the document."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowplan.models import (
    GPUSpec,
    InstanceMatch,
    Invalid,
    ListTasksRequest,
    MountSpec,
    ReservationSpec,
    ResourceSpec,
    Retries,
    RunParams,
    TaskConfig,
    VolumeSpec,
    strategies,
    structure,
)
from flowplan.models.catalogue import all_models
from flowplan.models.model import fact_of
from flowplan.models.table import data_fields

BASE: dict[Any, dict[str, Any]] = {
    TaskConfig: {"instance_type": "a100"},
    ReservationSpec: {
        "instance_type": "a100",
        "region": "r",
        "start_time_utc": "2026-01-01T00:00:00Z",
        "duration_hours": 3,
    },
    MountSpec: {"source": "s3://b", "target": "/d"},
    Retries: {},
    VolumeSpec: {},
    RunParams: {},
    ResourceSpec: {},
    ListTasksRequest: {},
    GPUSpec: {"model": "H100", "memory_gb": 80},
}

WHOLE = [
    (Retries, "max_retries", 0, 10),
    (VolumeSpec, "size_gb", 1, 15000),
    (VolumeSpec, "iops", 100, 64000),
    (VolumeSpec, "throughput_mb_s", 125, 1000),
    (TaskConfig, "reserved_duration_hours", 3, 336),
    (TaskConfig, "num_instances", 1, 100),
    (TaskConfig, "upload_timeout", 60, 3600),
    (ReservationSpec, "quantity", 1, 100),
    (ReservationSpec, "duration_hours", 3, 336),
    (ListTasksRequest, "limit", 1, 1000),
    (ListTasksRequest, "offset", 0, None),
    (RunParams, "retry", 0, None),
    (RunParams, "time_limit_s", 1, None),
    (ResourceSpec, "gpus", 0, None),
    (ResourceSpec, "cpus", 1, None),
    (ResourceSpec, "memory_gb", 1, None),
    (GPUSpec, "memory_gb", 1, None),
]


def accepts(kind: Any, **fields: Any) -> bool:
    try:
        structure(kind, {**BASE[kind], **fields})
    except Invalid as error:
        assert {p.path[0] for p in error.problems} <= set(fields)
        return False
    return True


@pytest.mark.parametrize(("kind", "name", "low", "high"), WHOLE)
def test_whole_numbers(kind, name, low, high):
    assert accepts(kind, **{name: low})
    assert not accepts(kind, **{name: low - 1})
    if high is not None:
        assert accepts(kind, **{name: high})
        assert not accepts(kind, **{name: high + 1})


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("backoff_coefficient", 1.0, 10.0), ("initial_delay", 0.1, 300.0), ("max_delay", 1.0, 3600.0)],
)
def test_retries(name, low, high):
    assert accepts(Retries, **{name: low})
    assert accepts(Retries, **{name: high})
    assert not accepts(Retries, **{name: math.nextafter(low, -1)})
    assert not accepts(Retries, **{name: math.nextafter(high, math.inf)})


@pytest.mark.parametrize("name", ["min_run_time_hours", "deadline_hours"])
def test_hours_are_more_than_none_and_at_most_a_week(name):
    assert accepts(TaskConfig, **{name: 168})
    assert accepts(TaskConfig, **{name: 5e-324})
    assert not accepts(TaskConfig, **{name: 0})
    assert not accepts(TaskConfig, **{name: -1})
    assert not accepts(TaskConfig, **{name: math.nextafter(168, 200)})


def test_the_longest_run():
    assert accepts(TaskConfig, max_run_time_hours=168)
    assert accepts(TaskConfig, max_run_time_hours=1 / 3600)
    assert accepts(TaskConfig, max_run_time_hours=0)
    assert not accepts(TaskConfig, max_run_time_hours=math.nextafter(168, 200))
    assert not accepts(TaskConfig, max_run_time_hours=0.0002)
    assert not accepts(TaskConfig, max_run_time_hours=-1)
    assert (
        structure(TaskConfig, {"instance_type": "a100", "max_run_time_hours": 0}).max_run_time_hours is None
    )


def test_price_memory_and_size():
    assert accepts(TaskConfig, max_price_per_hour=0.01)
    assert not accepts(TaskConfig, max_price_per_hour=0)
    for memory, fine in ((0, False), (1, True), (640, True), (641, False)):
        assert accepts(TaskConfig, instance_type=None, min_gpu_memory_gb=memory) == fine
    assert accepts(MountSpec, size_estimate_gb=0)
    assert not accepts(MountSpec, size_estimate_gb=-0.1)


@pytest.mark.parametrize(("port", "fine"), [(1023, False), (1024, True), (65535, True), (65536, False)])
def test_ports(port, fine):
    assert accepts(TaskConfig, ports=[port]) == fine


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        ("ab", False),
        ("abc", True),
        ("a--b", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("-ab", False),
        ("ab-", False),
        ("Abc", False),
        ("abc\n", False),
        ("a_c", False),
    ],
)
def test_volume_names(name, fine):
    assert accepts(VolumeSpec, name=name) == fine


@pytest.mark.parametrize(
    ("name", "fine"),
    [("a", True), ("A.b_c-", True), ("-a", False), ("", False), ("a b", False), ("a\n", False)],
)
def test_task_and_reservation_names(name, fine):
    assert accepts(TaskConfig, name=name) == fine
    assert accepts(ReservationSpec, name=name) == fine


def test_a_match_scores_between_none_and_all():
    facts = {f.name: fact_of(f) for f in data_fields(InstanceMatch)}
    assert (facts["match_score"].minimum, facts["match_score"].maximum) == (0, 1)


def test_declared_ranges_are_on_numbers_only():
    for kind in all_models().values():
        for field in data_fields(kind):
            facts = fact_of(field)
            if facts.minimum is not None or facts.above is not None:
                kinds = {field.type, *getattr(field.type, "__args__", ())}
                assert kinds & {int, float}, field.name


RANGES = [
    (name, field.name)
    for name, kind in all_models().items()
    for field in (data_fields(kind) if hasattr(kind, "__attrs_attrs__") else ())
    if (facts := fact_of(field)).minimum is not None or facts.above is not None or facts.maximum is not None
]
DOCUMENTED = """
ir.ResourceSpec gpus 0.. | cpus 1.. | memory_gb 1..
ir.RunParams retry 0.. | time_limit_s 1..
Retries max_retries 0..10 | backoff_coefficient 1.0..10.0 | initial_delay 0.1..300.0 | max_delay 1.0..3600.0
VolumeSpec size_gb 1..15000 | iops 100..64000 | throughput_mb_s 125..1000
MountSpec size_estimate_gb 0..
TaskConfig min_gpu_memory_gb 1..640 | max_price_per_hour >0.. | min_run_time_hours >0..168 | deadline_hours >0..168
TaskConfig reserved_duration_hours 3..336 | num_instances 1..100 | upload_timeout 60..3600 | max_run_time_hours 0..168
GPUSpec memory_gb >0.. | tflops_fp32 0.. | tflops_fp16 0.. | memory_bandwidth_gb_s 0..
CPUSpec cores >0.. | threads 0.. | base_clock_ghz 0..
MemorySpec size_gb >0.. | speed_mhz >0..
StorageSpec size_gb 0.. | iops 0.. | bandwidth_mb_s 0..
NetworkSpec bandwidth_gbps 0..
InstanceType gpu_count >0.. | version 1..
InstanceMatch availability 0.. | price_per_hour 0.. | match_score 0..1
Reservation quantity 1.. | price_total_usd 0..
ReservationSpec quantity 1..100 | duration_hours 3..336
ListTasksRequest limit 1..1000 | offset 0..
"""
"""Every range of spec/models.md, 1.1 to 1.9."""


def documented() -> dict[tuple[str, str], tuple[bool, float, float | None]]:
    """Model and field -> whether the low end is out, the low end, the high end."""
    found = {}
    for line in DOCUMENTED.strip().splitlines():
        model, _, rest = line.partition(" ")
        for part in rest.split(" | "):
            name, _, span = part.partition(" ")
            low, _, high = span.partition("..")
            found[model.removeprefix("ir."), name] = (
                low.startswith(">"),
                float(low.removeprefix(">")),
                float(high) if high else None,
            )
    return found


@pytest.mark.parametrize(("model", "name"), documented())
@settings(max_examples=5, deadline=None, derandomize=True)
@given(chance=st.data())
def test_every_documented_range_on_both_sides_of_both_ends(
    model: str, name: str, chance: st.DataObject
) -> None:
    kinds = {key.rpartition(".")[2]: kind for key, kind in all_models().items()}
    kind = kinds[model]
    is_whole = int in {(t := attrs.fields_dict(kind)[name].type), *getattr(t, "__args__", ())}
    is_open, low, high = documented()[model, name]
    base = chance.draw(strategies.data(kind))
    # What is ordered with other fields is tried without them.
    for other in ("min_run_time_hours", "max_run_time_hours", "deadline_hours", "max_delay", "volume_id"):
        if other != name:
            base.pop(other, None)
    if (model, name) == ("Retries", "max_delay"):
        base["initial_delay"] = 0.5
    if (model, name) == ("TaskConfig", "min_gpu_memory_gb"):
        base["instance_type"] = None
    if (model, name) == ("TaskConfig", "num_instances"):
        base.pop("volumes", None)
        base.pop("allow_docker_cache", None)
        base.pop("data_mounts", None)
    step = 1.0 if is_whole else 0.0

    def takes(value: float) -> bool:
        given_value = int(value) if is_whole else value
        try:
            structure(kind, {**base, name: given_value})
        except Invalid as error:
            assert all(problem.path[0] == name for problem in error.problems), error.problems
            limits = [f"{bound:g}" for bound in (low, high) if bound is not None]
            assert name in str(error) and any(limit in str(error) for limit in limits), str(error)
            return False
        return True

    assert takes(low) is not is_open
    assert not takes(low - step if step else math.nextafter(low, -math.inf))
    # The shortest run is a whole second, whatever is above 0.
    inside = 1 / 3600 if name == "max_run_time_hours" else math.nextafter(low, math.inf)
    assert takes(low + step if step else inside)
    if high is not None:
        assert takes(high)
        assert takes(high - step if step else math.nextafter(high, 0))
        assert not takes(high + step if step else math.nextafter(high, math.inf))


def test_no_range_is_declared_that_is_not_documented() -> None:
    known = set(documented())
    assert {(model.rpartition(".")[2], name) for model, name in RANGES} <= known
