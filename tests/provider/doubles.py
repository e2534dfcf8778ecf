"""Doubles the provider tests share: a clock that waits for nothing, a retry policy, documents of the API."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from flowplan.provider.http import Client
from flowplan.values.value import Sensitive

KEY = "fkey_0123456789abcdefghij"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FakeClock:
    """Time that passes only by being slept."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds
        await asyncio.sleep(0)


class Policy:
    """Like `flowplan.models.retries.Retries`: doubling from a second."""

    def __init__(self, max_retries: int = 3) -> None:
        self.max_retries = max_retries

    def get_delay(self, attempt: int, /) -> float:
        return float(2 ** (attempt - 1)) if attempt > 0 else 0.0


def client(url: str, clock: FakeClock | None = None, **more: Any) -> Client:
    """A client that never really waits and has no jitter."""
    settings: dict[str, Any] = {
        "retries": Policy(),
        "clock": clock or FakeClock(),
        "random": lambda: 0.5,
        **more,
    }
    return Client(url, Sensitive(KEY), **settings)


PROJECTS = [{"fid": "proj_1", "name": "Lab", "created_at": "2026-01-01T00:00:00Z"}]
TYPES = [
    {"fid": "it_h8", "name": "h100-80gb.sxm.8x", "num_gpus": 8, "gpu_type": "H100", "gpu_memory_gb": 80},
    {"fid": "it_h8b", "name": "h100-80gb.sxm.8x", "num_gpus": 8, "gpu_type": "H100", "gpu_memory_gb": 80},
    {"fid": "it_h1", "name": "h100-80gb.sxm.1x", "num_gpus": 1, "gpu_type": "H100", "gpu_memory_gb": 80},
    {"fid": "it_a1", "name": "a100-80gb.sxm.1x", "num_gpus": 1, "gpu_type": "A100", "gpu_memory_gb": 80},
    {"fid": "it_a8", "name": "a100-80gb.sxm.8x", "num_gpus": 8, "gpu_type": "A100", "gpu_memory_gb": 80},
    {"fid": "it_hh", "name": "ccs-h200.sxm.8x", "num_gpus": 8, "gpu_type": "", "gpu_memory_gb": 141},
    {"fid": "it_cpu", "name": "c1-standard", "num_gpus": 0, "gpu_type": "", "gpu_memory_gb": 0},
]
AUCTIONS = [
    {
        "fid": "auc_1",
        "instance_type": "it_h8",
        "region": "r-one",
        "capacity": 3,
        "last_instance_price": "$12.03",
    },
    {
        "fid": "auc_2",
        "instance_type": "it_h8b",
        "region": "r-two",
        "capacity": 9,
        "last_instance_price": "$11.00",
    },
    {
        "fid": "auc_3",
        "instance_type": "it_a1",
        "region": "r-one",
        "capacity": 5,
        "last_instance_price": "$1,000.50",
    },
    {
        "fid": "auc_4",
        "instance_type": "it_a8",
        "region": "r-two",
        "capacity": 0,
        "last_instance_price": "$8.00",
    },
    {
        "fid": "auc_5",
        "instance_type": "it_h1",
        "region": "r-two",
        "capacity": 1,
        "last_instance_price": "$1.00",
    },
]
SSH_KEYS = [
    {
        "fid": "sshkey_a",
        "name": "laptop",
        "project": "proj_1",
        "public_key": "ssh-ed25519 A",
        "required": False,
    },
    {"fid": "sshkey_b", "name": "team", "project": "proj_1", "public_key": "ssh-ed25519 B", "required": True},
    {
        "fid": "sshkey_c",
        "name": "twin",
        "project": "proj_1",
        "public_key": "ssh-ed25519 C",
        "required": False,
    },
    {
        "fid": "sshkey_d",
        "name": "twin",
        "project": "proj_1",
        "public_key": "ssh-ed25519 D",
        "required": False,
    },
]


def bid(fid: str = "bid_1", **more: Any) -> dict[str, Any]:
    """A bid as the API writes it."""
    return {
        "fid": fid,
        "name": "train",
        "project": "proj_1",
        "created_by": "user_1",
        "created_at": "2026-11-01T10:00:00.250+00:00",
        "deactivated_at": None,
        "limit_price": "$12.50",
        "instance_quantity": 2,
        "instance_type": "it_h8",
        "region": "r-one",
        "instances": ["inst_1", "inst_2"],
        "launch_specification": {
            "volumes": ["vol_1"],
            "ssh_keys": ["sshkey_b"],
            "startup_script": "#!/bin/sh\n",
        },
        "status": "Allocated",
        "of_tomorrow": {"x": 1},
        **more,
    }


def volume(fid: str = "vol_1", **more: Any) -> dict[str, Any]:
    """A volume as the API writes it."""
    return {
        "fid": fid,
        "name": "data",
        "region": "r-one",
        "created_at": "2026-11-01T09:00:00Z",
        "deleted_at": None,
        "capacity_gb": 100,
        "project": "proj_1",
        "interface": "File",
        "bids": [],
        "reservations": [],
        "attachments": {},
        **more,
    }


def reservation(fid: str = "res_1", **more: Any) -> dict[str, Any]:
    """A reservation as the API writes it."""
    return {
        "fid": fid,
        "name": "week",
        "project": "proj_1",
        "created_by": "user_1",
        "created_at": "2026-11-01T09:00:00Z",
        "instance_quantity": 1,
        "instance_type": "it_h8",
        "region": "r-one",
        "instances": [],
        "launch_specification": {"volumes": [], "ssh_keys": ["sshkey_b"]},
        "status": "Pending",
        "start_time": "2026-12-01T00:00:00+00:00",
        "end_time": "2026-12-02T00:00:00+00:00",
        "total_price": "$1,200.00",
        "unit_price": "$50.00",
        **more,
    }
