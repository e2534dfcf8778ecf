"""Offers the real program: `project`, `served`, `proxy`; and makes the scripted server importable.

The commands of a module with ``IN_PROCESS = True`` are called in this process, unless a test starts them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for folder in ("process", "provider", "cli"):
    if (place := str(Path(__file__).parents[1] / folder)) not in sys.path:
        sys.path.insert(0, place)

from flowplan_program import Project, proxy, served  # noqa: E402, F401
from in_process import Called  # noqa: E402
from inline import inline  # noqa: E402, F401


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    """An empty project; whatever its commands started is ended."""
    made = Project.make(tmp_path)
    if getattr(request.module, "IN_PROCESS", False):
        made = Called(made.root, made.env, capture=request.getfixturevalue("capfd"))
    yield made
    made.close()
