"""The rules of a task across its fields, its names, and what it becomes in the IR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.models import Invalid, TaskConfig, Volume, VolumeSpec, structure
from flowplan.models.instance_types import canonical
from flowplan.models.naming import suffix_disabled, suffix_from, unique_name


def make(**fields: Any) -> TaskConfig:
    return TaskConfig(**{"instance_type": "8xh100", "unique_name": False, **fields})


def refused(**fields: Any) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(Invalid) as caught:
        make(**fields)
    return {p.path: f"{p.message} {p.suggestion}" for p in caught.value.problems}


def test_a_name_gets_a_suffix_once():
    named = TaskConfig(instance_type="a100")
    assert named.name.startswith("flow-task-")
    assert len(named.name) == len("flow-task-") + 6
    assert structure(TaskConfig, {"instance_type": "a100", "name": named.name}).name == named.name
    assert TaskConfig(instance_type="a100", name="x-ABCDEF").name == "x-ABCDEF"
    assert make(name="x").name == "x"
    with suffix_disabled():
        assert TaskConfig(instance_type="a100", name="x").name == "x"
    with suffix_from(lambda: "012345"):
        assert unique_name("x") == "x-012345"
    assert TaskConfig(instance_type="a100", name="x").name != "x"


def test_exactly_one_selector():
    assert make().instance_type == "8xh100"
    assert make(instance_type=None, min_gpu_memory_gb=80).min_gpu_memory_gb == 80
    assert make(instance_type="", min_gpu_memory_gb=80).instance_type is None
    assert "Keep exactly one" in refused(min_gpu_memory_gb=80)[("min_gpu_memory_gb",)]
    assert ("instance_type",) in refused(instance_type=None)


@pytest.mark.parametrize("nothing", [None, "", []])
def test_no_command_means_sleep(nothing):
    assert make(command=nothing).command == "sleep infinity"


@pytest.mark.parametrize("command", ["   ", [""], "#!/bin/bash\necho\n", ["python", "a b.py"]])
def test_a_command_is_kept(command):
    assert make(command=command).command == command


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("8xh100", "8xh100"),
        ("8XH100", "8xh100"),
        ("h100:8", "8xh100"),
        ("H100x8", "8xh100"),
        (" h100 ", "h100"),
        ("H100-80GB.sxm.8x", "h100-80gb.sxm.8x"),
        ("it_5ECSoHQjLBzrp5YM", "it_5ECSoHQjLBzrp5YM"),
    ],
)
def test_instance_types_are_spelled_one_way(given_name, name):
    assert make(instance_type=given_name).instance_type == name
    assert canonical(name) == name


@given(st.text(max_size=20))
def test_the_canonical_spelling_is_stable(name):
    assert canonical(canonical(name)) == canonical(name)


def test_run_times_and_deadline_are_in_order():
    assert make(min_run_time_hours=2, max_run_time_hours=2, deadline_hours=2)
    assert make(min_run_time_hours=2, deadline_hours=1)
    assert make(min_run_time_hours=2, max_run_time_hours=0, deadline_hours=1)
    assert ("min_run_time_hours",) in refused(min_run_time_hours=3, max_run_time_hours=2)
    assert ("deadline_hours",) in refused(deadline_hours=1, max_run_time_hours=2)


def test_reserved_needs_an_id_or_a_window():
    window = {"scheduled_start_time": "2026-12-01T01:00:00+01:00", "reserved_duration_hours": 3}
    assert make(allocation_mode="reserved", reservation_id="r")
    assert make(allocation_mode="reserved", **window).scheduled_start_time == "2026-12-01T00:00:00Z"
    for name in window:
        partial = {key: value for key, value in window.items() if key != name}
        assert name in refused(allocation_mode="reserved", **partial)[("allocation_mode",)]
    assert ("scheduled_start_time",) in refused(scheduled_start_time="soon")
    assert ("scheduled_start_time",) in refused(scheduled_start_time=5)
    assert make(scheduled_start_time="2026-12-01T00:00:00").scheduled_start_time == "2026-12-01T00:00:00Z"


def volumes(*paths: str) -> list[VolumeSpec]:
    return [VolumeSpec(mount_path=path) for path in paths]


@pytest.mark.parametrize(
    "paths", [("/d", "/d"), ("/d", "/d/"), ("/d", "/d/e"), ("/d/e", "/d"), ("/", "/d"), ("/a", "/b", "/a/c")]
)
def test_targets_in_each_others_way(paths):
    assert refused(volumes=volumes(*paths), upload_code=False)


def test_targets_that_only_look_alike_are_fine():
    assert make(volumes=volumes("/d", "/da", "/d-e", "/x/d"))


def test_data_mounts_are_targets_too():
    found = refused(volumes=volumes("/d"), data_mounts=[{"source": "s3://b", "target": "/d/"}])
    assert "volumes[0].mount_path" in found[("data_mounts", 0, "target")]


@pytest.mark.parametrize("path", ["d", "./d", "../d", "/a/../b", "/a//b", "//a", "/a/./b", "/..", "/a\0b"])
def test_targets_are_absolute_and_normalised(path):
    with pytest.raises(Invalid) as caught:
        VolumeSpec(mount_path=path)
    assert caught.value.problems[0].path == ("mount_path",)
    assert ("data_mounts", 0, "target") in refused(data_mounts=[{"source": "s3://b", "target": path}])


def test_the_uploaded_code_has_a_target_only_where_there_is_any():
    inside = volumes("/workspace/data")
    assert "working_dir" in refused(volumes=inside)[("volumes", 0, "mount_path")]
    assert refused(volumes=volumes("/workspace"))
    assert refused(volumes=volumes("/"))
    assert make(volumes=inside, upload_code=False)
    assert make(volumes=inside, upload_strategy="none")
    assert make(volumes=inside, working_dir="/code")
    assert refused(volumes=inside, working_dir="")


@pytest.mark.parametrize(
    "path",
    [
        "/var/lib/docker",
        "/var/lib/docker/",
        "/var/lib/docker/x",
        "/var/lib",
        "/var",
        "/etc/docker/certs",
        "/etc",
        "/var/run/docker.sock",
        "/var/run",
    ],
)
def test_paths_that_docker_needs(path):
    assert refused(volumes=volumes(path))
    allowed = path.rstrip("/") == "/var/lib/docker"
    if allowed:
        assert make(volumes=volumes(path), allow_docker_cache=True)
        assert refused(
            volumes=[VolumeSpec(mount_path=path, interface="file")], allow_docker_cache=True, num_instances=2
        )
    else:
        assert refused(volumes=volumes(path), allow_docker_cache=True)


def test_block_volumes_belong_to_one_instance():
    assert ("volumes", 0, "interface") in refused(volumes=volumes("/d"), num_instances=2)
    assert make(volumes=[VolumeSpec(mount_path="/d", interface="file")], num_instances=2)


def test_ports_are_kept_once_in_their_order():
    assert make(ports=[9000, 8080, 9000]).ports == [9000, 8080]


def test_where_code_is():
    assert make(code_root="").code_root is None
    assert make(code_root="a/").code_root == "a"
    assert make(code_root=Path("a")) == make(code_root="a")
    assert make(code_root="~/x").code_root == str(Path("~/x").expanduser())
    assert ("code_root",) in refused(code_root=3)


def test_volumes_in_their_forms():
    listed = Volume(volume_id="vol_123456", size_gb=0, interface="file", name="data")
    spec = make(volumes=[listed]).volumes[0]
    assert (spec.volume_id, spec.name, spec.size_gb, spec.mount_path) == (
        "vol_123456",
        "data",
        1,
        "/volumes/data",
    )
    assert make(volumes=[Volume(volume_id="vol_123456")]).volumes[0].mount_path == "/volumes/volume-123456"
    assert make(volumes=[Volume(local="/a", remote="/b")]).volumes[0].mount_path == "/b"
    assert make(volumes=[{"target": "/t"}]).volumes[0].mount_path == "/t"
    with pytest.raises(Invalid, match="another name of mount_path"):
        structure(VolumeSpec, {"target": "/t", "mount_path": "/t"})
    assert structure(Volume, {"id": "v"}).id == "v"
    assert VolumeSpec().mount_path == "/volumes/volume"
    assert VolumeSpec(volume_id="ab").mount_path == "/volumes/volume-ab"
    assert VolumeSpec(volume_id="", mount_path="").mount_path == "/volumes/volume"
    for name, value in (("iops", 100), ("throughput_mb_s", 125)):
        with pytest.raises(Invalid):
            VolumeSpec(volume_id="v", **{name: value})
        assert VolumeSpec(volume_id="", **{name: value})


def test_the_ir_says_what_the_task_needs():
    config = make(
        command="a\nb",
        env={"A": 1},
        max_run_time_hours=1.5,
        retries={"max_retries": 2},
        volumes=[{"name": "data"}, {"volume_id": "vol_1", "mount_path": "/v"}],
        data_mounts=[
            {"source": "s3://b/p", "target": "/s"},
            {"source": "volume://v", "target": "/w", "options": {"read_only": False}},
            {"source": "/h", "target": "/l", "options": {"mode": "rw"}},
            {"source": "b", "target": "/m", "mount_type": "s3fs", "options": {"readonly": True}},
        ],
        code_root="src",
    )
    spec = config.to_spec()
    assert (spec.api_version, spec.name, spec.command) == ("flow.ir/v1", "flow-task", ["a\nb"])
    assert (spec.resources.gpus, spec.resources.gpu_type) == (8, "h100")
    assert spec.resources.cpus > 4
    assert [(m.kind, m.source, m.target, m.read_only) for m in spec.mounts] == [
        ("persistent", "volume://data", "/volumes/data", False),
        ("persistent", "volume://vol_1", "/v", False),
        ("s3", "s3://b/p", "/s", True),
        ("persistent", "volume://v", "/w", False),
        ("local", "/h", "/l", False),
        ("s3", "b", "/m", True),
        ("code", "src", "/workspace", True),
    ]
    params = spec.params
    assert (params.env, params.retry, params.preemptible_ok, params.time_limit_s) == (
        {"A": "1"},
        2,
        True,
        5400,
    )


def test_the_ir_of_little():
    spec = make(
        instance_type="x9", upload_strategy="none", image="", working_dir="", allocation_mode="auto"
    ).to_spec()
    assert spec.mounts == []
    assert (spec.resources.gpus, spec.resources.cpus, spec.resources.memory_gb) == (1, 4, 16)
    assert (spec.params.image, spec.params.working_dir, spec.params.preemptible_ok) == (None, None, False)


@pytest.mark.parametrize(
    ("name", "gpus", "gpu_type"),
    [
        ("8xh100", 8, "h100"),
        ("h100", 8, "h100"),
        ("a100", 1, "a100"),
        ("a100:4", 4, "a100"),
        ("a100-80gb.sxm.2x", 2, "a100-80gb"),
        ("it_5ECSoHQjLBzrp5YM", 1, "it_5ECSoHQjLBzrp5YM"),
    ],
)
def test_gpus_are_counted(name, gpus, gpu_type):
    resources = make(instance_type=name).to_spec().resources
    assert (resources.gpus, resources.gpu_type) == (gpus, gpu_type)


def test_ir_values_are_frozen_and_replaced_with_checks():
    spec = make().to_spec()
    with pytest.raises(AttributeError):
        spec.name = "x"
    assert spec.replace(name="x").name == "x"
    assert spec.replace().mounts is not spec.mounts
    with pytest.raises(Invalid):
        spec.resources.replace(gpus=-1)


def test_values_of_one_task_are_not_shared_with_another():
    ports = [8080]
    first, second = make(ports=ports), make(ports=ports)
    first.ports.append(9090)
    assert second.ports == ports == [8080]
    assert make().env is not make().env
