"""Makes the contract suites importable, and offers a scripted server on loopback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for folder in (Path(__file__).parent, Path(__file__).parents[1] / "contracts"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from scripted_server import ScriptedServer  # noqa: E402


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A real socket server that answers as the test says."""
    with ScriptedServer() as running:
        yield running
