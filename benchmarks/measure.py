"""Measuring CPU time of whole processes and of calls, side by side in one run, so that ratios mean something."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

PYTHON = sys.executable
_MEASURE = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=2)
_, status, usage = os.wait4(child.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_utime, usage.ru_stime, usage.ru_maxrss)
"""


@frozen
class Used:
    """What a process took: processor seconds (user and system, its children's too) and its peak of memory in MiB."""

    cpu_s: float
    rss_mib: float

    def least(self, other: Used | None) -> Used:
        """The less of both, each for itself."""
        if other is None:
            return self
        return Used(min(self.cpu_s, other.cpu_s), min(self.rss_mib, other.rss_mib))


def process(command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> Used:
    """Run a command to its end and measure it.

    Raises:
        RuntimeError: it failed; the end of its output is in the message.
    """
    # Why through a small process: a child's peak of memory begins with that of the process it was forked from.
    with tempfile.TemporaryFile() as said:
        helper = [PYTHON, "-I", "-S", "-c", _MEASURE, *command]
        done = subprocess.run(
            helper, cwd=cwd, env=dict(environ), stdout=subprocess.PIPE, stderr=said, text=True, check=False
        )
        code, user_s, system_s, kib = done.stdout.split() if done.returncode == 0 else ("1", "0", "0", "0")
        if int(code) not in (0, 2):
            said.seek(0)
            text = said.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(command)} ended with {code}\n{text}")
    return Used(float(user_s) + float(system_s), int(kib) / 1024)


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


def verdict(what: str, ratio: float, limit: float, digits: int = 2) -> bool:
    """Print a ratio beside its limit and say whether it holds."""
    holds = ratio <= limit
    print(f"{what}: {ratio:.{digits}f} (limit {limit:g}) {'ok' if holds else 'TOO MUCH'}")
    return holds
