"""Measuring CPU time of whole processes and of calls, side by side in one run, so that ratios mean something."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def cpu_of(command: Sequence[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> float:
    """CPU seconds (user and system, children included) of one run of a command.

    Raises:
        RuntimeError: the command failed; its output is in the message.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 2):
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def interleaved(commands: dict[str, Sequence[str]], rounds: int, cwd: Path | None = None) -> dict[str, float]:
    """The least CPU seconds of each command over ``rounds`` rounds that run all of them in turn."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, command in commands.items():
            used = cpu_of(command, cwd)
            best[name] = min(used, best.get(name, used))
    return best


def calls(functions: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The least CPU seconds of each call over ``rounds`` rounds that make all of them in turn."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.process_time()
            function()
            used = time.process_time() - start
            best[name] = min(used, best.get(name, used))
    return best


def verdict(what: str, ratio: float, limit: float) -> bool:
    """Print a ratio beside its limit and say whether it holds."""
    holds = ratio <= limit
    print(f"{what}: {ratio:.2f} (limit {limit:g}) {'ok' if holds else 'TOO SLOW'}")
    return holds


PYTHON = sys.executable
