from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import attrs
import pytest

from flowplan.models import (
    CPUSpec,
    FlowConfig,
    GPUSpec,
    InstanceMatch,
    InstanceType,
    Invalid,
    MemorySpec,
    NetworkSpec,
    StorageSpec,
)
from flowplan.models.moment import clock_from

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def h100(**more):
    return InstanceType(
        **{
            "gpu": GPUSpec(model="H100", memory_gb=80),
            "gpu_count": 8,
            "cpu": CPUSpec(cores=104),
            "memory": MemorySpec(size_gb=960),
            "storage": StorageSpec(size_gb=0),
            "network": NetworkSpec(intranode="SXM5", internode="InfiniBand"),
            **more,
        }
    )


def test_the_documented_id_and_aliases():
    kind = h100()
    assert kind.id == UUID("64f48464-46c0-5a5e-a7de-6e70e8b3e712")
    assert kind.aliases == {"gpu.nvidia.h100", "h100-80gb", "8xh100"}
    assert kind.canonical_name == "gpu.nvidia.h100"
    assert kind.gpu.canonical_name == "nvidia-h100-80gb"
    assert kind.compute_id_and_aliases() is kind


def test_what_enters_the_id():
    same = [
        h100(gpu=GPUSpec(model="H100", memory_gb=80, memory_type="HBM3", tflops_fp32=60)),
        h100(cpu=CPUSpec(cores=104, threads=208, model="EPYC")),
        h100(storage=StorageSpec(size_gb=9)),
        h100(version=2, aliases={"x"}),
    ]
    assert {kind.id for kind in same} == {h100().id}
    other = [
        h100(gpu=GPUSpec(model="h100", memory_gb=80)),
        h100(gpu_count=4),
        h100(memory=MemorySpec(size_gb=961)),
        h100(network=NetworkSpec(intranode="SXM5")),
    ]
    assert len({kind.id for kind in [h100(), *other]}) == 5


def test_what_is_given_is_kept():
    own = UUID(int=1)
    assert h100(id=own).id == own
    assert h100(aliases={"mine"}).aliases == {"mine"}
    with clock_from(lambda: NOON):
        assert h100().created_at == NOON


def test_threads_follow_cores():
    assert CPUSpec(cores=8).threads == 8
    assert CPUSpec(cores=8, threads=16).set_threads_default().threads == 16


def test_networks():
    assert NetworkSpec(internode="IB_3200").has_high_speed_interconnect
    assert not NetworkSpec(internode="infiniband").has_high_speed_interconnect


def test_price_performance():
    kind = h100(gpu=GPUSpec(model="H100", memory_gb=80, tflops_fp32=60))
    assert (
        InstanceMatch(instance=kind, region="r", availability=1, price_per_hour=24.0).price_performance
        == 20.0
    )
    assert InstanceMatch(instance=kind, region="r", availability=1, price_per_hour=0).price_performance == 0
    with pytest.raises(Invalid):
        InstanceMatch(instance=kind, region="r", availability=1, price_per_hour=1, match_score=1.1)


def test_immutable_ones_are_frozen_and_checked_when_evolved():
    for value, name in (
        (h100(), "version"),
        (GPUSpec(model="a", memory_gb=1), "model"),
        (CPUSpec(cores=1), "cores"),
    ):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, name, 1)
    with pytest.raises(Invalid):
        attrs.evolve(h100(), gpu_count=0)


def test_the_key_is_never_shown():
    config = FlowConfig(api_key="fkey_hunter2", project="p")
    assert "hunter2" not in repr(config)
    assert (config.region, config.api_url) == ("us-central1-b", "https://api.mithril.ai")
    with pytest.raises(Invalid) as caught:
        FlowConfig(api_key=["hunter2"], project="p")
    assert "hunter2" not in str(caught.value)
