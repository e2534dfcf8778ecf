"""A project with a served sandbox that runs nothing, for measuring what the client does."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from benchmarks.measure import PYTHON


@frozen
class Served:
    """A project folder, and the environment in which its commands reach the served sandbox."""

    folder: Path
    env: dict[str, str]


@contextmanager
def served_project(folder: Path) -> Iterator[Served]:
    """``flowplan sandbox serve --no-exec`` for a project in ``folder``, ended with the block."""
    project, home = folder / "project", folder / "provider"
    (project / ".git").mkdir(parents=True)
    root = Path(__file__).parents[1]
    unwanted = ("MITHRIL_", "FLOWPLAN_", "FORCE_COLOR")
    env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    env |= {"HOME": str(folder), "PYTHONPATH": str(root)}
    command = [PYTHON, "-m", "flowplan", "sandbox", "serve", "--port", "0", "--no-exec", "--home", str(home)]
    server = subprocess.Popen(command, cwd=project, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        if "answers at" not in line:
            raise SystemExit(f"the sandbox did not start: {line}")
        key = (home / "api-key").read_text().strip()
        env |= {"FLOWPLAN_SANDBOX_URL": line.split()[-1], "MITHRIL_API_KEY": key}
        yield Served(project, env)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
