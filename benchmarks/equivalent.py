"""One stack, written twice: as a flowplan stack, and as Terraform blocks of its built-in no-op resource.

A fifth are volumes of 4 attributes; the rest are tasks of 15 (script, environment, ports, prices, …), each of which
refers to a volume. Terraform's are ``terraform_data``, which asks nobody: its state after an apply is written down
directly, in the form that an apply of a small stack leaves, for its own apply of 10,000 takes hours
(each change writes the whole state again).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

VOLUMES_IN = 5
"""One resource of so many is a volume."""
CHANGED_IN = 100
"""One resource of so many is changed by an edit of 1 %."""


def volumes_of(resources: int) -> int:
    """How many of the resources are volumes."""
    return max(1, resources // VOLUMES_IN)


def _script(n: int) -> list[str]:
    return [
        "#!/bin/bash",
        "set -euo pipefail",
        f"python train.py --run {n} --learning-rate 3e-4 --batch-size 64 --resume-from latest",
        "python evaluate.py --suite standard",
    ]


def _price(n: int, edited: bool) -> float:
    return 25.0 if edited and n % CHANGED_IN == 0 else 24.0


def flowplan_text(resources: int, edited: bool = False) -> str:
    """The stack for flowplan; ``edited``: with another price in one task of a hundred."""
    volumes = volumes_of(resources)
    lines = ["stack: bench", "provider: {region: us-central1-b}", "volumes:"]
    for n in range(volumes):
        lines += [
            f"  data_{n}:",
            f"    name: data-{n}",
            f"    size_gb: {n % 50 + 1}",
            "    interface: file",
            f"    mount_path: /data/{n}",
        ]
    lines.append("tasks:")
    for n in range(resources - volumes):
        lines += [
            f"  train_{n}:",
            f"    name: train-{n}",
            "    instance_type: 8xh100",
            "    image: nvcr.io/nvidia/pytorch:24.05-py3",
            f"    max_price_per_hour: {_price(n, edited)}",
            "    num_instances: 1",
            "    priority: med",
            "    upload_code: false",
            "    working_dir: /workspace",
            "    ports: [8080, 8081]",
            "    max_run_time_hours: 12",
            "    deadline_hours: 48",
            "    terminate_on_exit: true",
            "    env:",
            f"      RUN: run-{n}",
            "      NCCL_DEBUG: WARN",
            "    volumes:",
            f'      - {{volume: "{{{{ volume.data_{n % volumes} }}}}"}}',
            "    command: |",
            *(f"      {line}" for line in _script(n)),
        ]
    return "\n".join(lines) + "\n"


def terraform_text(resources: int, edited: bool = False) -> str:
    """The same stack in Terraform's language."""
    volumes = volumes_of(resources)
    lines: list[str] = []
    for n in range(volumes):
        lines += [
            f'resource "terraform_data" "data_{n}" {{',
            "  input = {",
            f'    name       = "data-{n}"',
            f"    size_gb    = {n % 50 + 1}",
            '    interface  = "file"',
            f'    mount_path = "/data/{n}"',
            "  }",
            "}",
            "",
        ]
    for n in range(resources - volumes):
        lines += [
            f'resource "terraform_data" "train_{n}" {{',
            "  input = {",
            f'    name               = "train-{n}"',
            '    instance_type      = "8xh100"',
            '    image              = "nvcr.io/nvidia/pytorch:24.05-py3"',
            f"    max_price_per_hour = {_price(n, edited)}",
            "    num_instances      = 1",
            '    priority           = "med"',
            "    upload_code        = false",
            '    working_dir        = "/workspace"',
            "    ports              = [8080, 8081]",
            "    max_run_time_hours = 12",
            "    deadline_hours     = 48",
            "    terminate_on_exit  = true",
            f'    env                = {{ RUN = "run-{n}", NCCL_DEBUG = "WARN" }}',
            f"    volumes            = [terraform_data.data_{n % volumes}.id]",
            "    command            = <<-EOT",
            *(f"      {line}" for line in _script(n)),
            "    EOT",
            "  }",
            "}",
            "",
        ]
    return "\n".join(lines)


def write_terraform(folder: Path, resources: int, edited: bool = False, applied: bool = False) -> None:
    """Write ``main.tf``, and the state that an apply of the stack without the edit leaves."""
    folder.mkdir()
    (folder / "main.tf").write_text(terraform_text(resources, edited), encoding="utf-8")
    if applied:
        (folder / "terraform.tfstate").write_text(_state(resources), encoding="utf-8")


def _state(resources: int) -> str:
    volumes = volumes_of(resources)
    found = [
        _recorded(
            f"data_{n}",
            {"name": f"data-{n}", "size_gb": n % 50 + 1, "interface": "file", "mount_path": f"/data/{n}"},
            [],
        )
        for n in range(volumes)
    ]
    for n in range(resources - volumes):
        values = {
            "name": f"train-{n}",
            "instance_type": "8xh100",
            "image": "nvcr.io/nvidia/pytorch:24.05-py3",
            "max_price_per_hour": 24,
            "num_instances": 1,
            "priority": "med",
            "upload_code": False,
            "working_dir": "/workspace",
            "ports": [8080, 8081],
            "max_run_time_hours": 12,
            "deadline_hours": 48,
            "terminate_on_exit": True,
            "env": {"RUN": f"run-{n}", "NCCL_DEBUG": "WARN"},
            "volumes": [_id(f"data_{n % volumes}")],
            "command": "".join(f"{line}\n" for line in _script(n)),
        }
        found.append(_recorded(f"train_{n}", values, [f"terraform_data.data_{n % volumes}"]))
    found.sort(key=lambda one: str(one["name"]))
    state = {
        "version": 4,
        "terraform_version": "1.11.4",
        "serial": 1,
        "lineage": str(uuid5(NAMESPACE_URL, "bench")),
        "outputs": {},
        "resources": found,
        "check_results": None,
    }
    return json.dumps(state, indent=2)


def _id(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


def _recorded(name: str, values: dict[str, Any], dependencies: list[str]) -> dict[str, Any]:
    held = {"value": dict(sorted(values.items())), "type": _type(values)}
    instance: dict[str, Any] = {
        "schema_version": 0,
        "attributes": {"id": _id(name), "input": held, "output": held, "triggers_replace": None},
        "sensitive_attributes": [],
    }
    if dependencies:
        instance["dependencies"] = dependencies
    return {
        "mode": "managed",
        "type": "terraform_data",
        "name": name,
        "provider": 'provider["terraform.io/builtin/terraform"]',
        "instances": [instance],
    }


def _type(value: Any) -> Any:
    """A value's type as Terraform writes it into its state."""
    if isinstance(value, dict):
        return ["object", {name: _type(one) for name, one in sorted(value.items())}]
    if isinstance(value, list):
        return ["tuple", [_type(one) for one in value]]
    if isinstance(value, bool):
        return "bool"
    return "string" if isinstance(value, str) else "number"
