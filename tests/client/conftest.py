"""A Flow over an embedded sandbox that really runs commands, one that runs none, and one over a served sandbox."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if str(Path(__file__).parent) not in sys.path:
    sys.path.insert(0, str(Path(__file__).parent))

from client_world import with_sandbox

import flowplan
from flowplan.client.flow import Flow
from flowplan.sandbox import Sandbox, open_sandbox
from flowplan.wiring import SANDBOX_REGION, open_embedded, session


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="module")
def flow(home: Path) -> Iterator[Flow]:
    """Commands really run."""
    with flowplan.connect(sandbox=home, environ={}) as opened:
        yield opened
    with_sandbox(home, Sandbox.reset)


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox that runs no commands."""
    sandbox = open_sandbox(tmp_path / "idle", execute=False)
    yield sandbox
    sandbox.close()


@pytest.fixture
def over(idle: Sandbox) -> Iterator[Callable[..., Flow]]:
    """Opens a Flow over the idle sandbox, its requests through a transport of the test's."""
    opened: list[Flow] = []

    def make(transport: Any = None, region: str = SANDBOX_REGION) -> Flow:
        flow = Flow(lambda: session(open_embedded(idle, None, region, transport), region))
        opened.append(flow)
        return flow

    yield make
    for flow in opened:
        flow.close()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flow]:
    """A Flow over a real socket: a project's own sandbox, served by another process."""
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    monkeypatch.chdir(project)
    folder = project / "state" / "sandbox"
    argv = [sys.executable, "-m", "flowplan", "sandbox", "serve", "--port", "0", "--home", str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = server.stdout.readline().split()[-1]
            assert url.startswith("http://127.0.0.1:")
            with flowplan.connect(environ={"FLOWPLAN_SANDBOX_URL": url}) as opened:
                yield opened
        finally:
            server.terminate()
            server.wait(10)
    with_sandbox(folder, Sandbox.reset)
