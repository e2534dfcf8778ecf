"""Stacks to measure with: 70 % tasks, 20 % volumes, 10 % reservations, with references between them."""

from __future__ import annotations

from pathlib import Path


def stack_text(resources: int, name: str = "bench", most_reservations: int | None = None) -> str:
    """The text of a stack of that many resources; with ``most_reservations`` the others are tasks."""
    tasks, volumes = resources * 7 // 10, resources * 2 // 10
    if most_reservations is not None:
        tasks = resources - volumes - min(most_reservations, resources - tasks - volumes)
    lines = [
        f"stack: {name}",
        "provider: {region: us-central1-b}",
        "variables:",
        "  team: {type: string, default: research}",
    ]
    lines.append("volumes:")
    for n in range(volumes):
        lines += [
            f"  data_{n}:",
            f"    size_gb: {n % 50 + 1}",
            "    interface: file",
            f"    mount_path: /data/{n}",
        ]
    lines.append("reservations:")
    for n in range(resources - tasks - volumes):
        lines += [
            f"  window_{n}:",
            "    instance_type: 8xh100",
            "    quantity: 1",
            f"    start_time_utc: {2031 + n // 240}-{n // 20 % 12 + 1:02d}-{n // 10 % 2 * 10 + 1:02d}T00:00:00Z",
            "    duration_hours: 24",
        ]
    lines.append("tasks:")
    for n in range(tasks):
        lines += [
            f"  train_{n}:",
            "    instance_type: 8xh100",
            "    image: nvcr.io/nvidia/pytorch:24.05-py3",
            "    max_price_per_hour: 24.0",
            "    num_instances: 1",
            "    priority: med",
            "    upload_code: false",
            "    working_dir: /workspace",
            "    ports: [8080, 8081]",
            "    max_run_time_hours: 12",
            "    deadline_hours: 48",
            "    retries:",
            "      max_retries: 3",
            "      backoff_coefficient: 2.0",
            "      initial_delay: 5.0",
            "    internode_interconnect: InfiniBand",
            "    intranode_interconnect: SXM5",
            "    terminate_on_exit: true",
            "    timeouts: {running: 2h, completed: 1d}",
            "    env:",
            '      TEAM: "{{ var.team }}"',
            f"      RUN: run-{n}",
            "      NCCL_DEBUG: WARN",
            "      OMP_NUM_THREADS: 8",
            "      PYTORCH_CUDA_ALLOC_CONF: expandable_segments:True",
            "      WANDB_PROJECT: language-models",
            f'      VOLUME: "{{{{ volume.data_{n % volumes}.volume_id }}}}"',
            "    volumes:",
            f'      - {{volume: "{{{{ volume.data_{n % volumes} }}}}"}}',
            "    command: |",
            "      #!/bin/bash",
            "      set -euo pipefail",
            "      nvidia-smi || true",
            f"      python train.py --run {n} --seed {n * 7} \\",
            "        --learning-rate 3e-4 --batch-size 64 --gradient-accumulation 4 \\",
            "        --checkpoint-every 500 --resume-from latest",
            "      python evaluate.py --suite standard",
        ]
    return "\n".join(lines) + "\n"


def write_stack(folder: Path, resources: int, most_reservations: int | None = None) -> Path:
    """Write the stack into ``folder`` and return its path."""
    path = folder / "stack.yaml"
    path.write_text(stack_text(resources, most_reservations=most_reservations))
    return path
