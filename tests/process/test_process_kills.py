"""Twenty random kills of real processes; three hundred and more: ``python -m benchmarks.soak_kills``."""

from __future__ import annotations

from pathlib import Path

import pytest
from flowplan_program import Project, Served
from killing import soak

pytestmark = pytest.mark.process


def test_twenty_kills_at_any_moment_leave_nothing_orphaned_doubled_or_lost(
    project: Project, tmp_path: Path
) -> None:
    served = Served(project, tmp_path / "provider", "--no-exec")
    try:
        done = soak(project, served, seed=20261128, kills=20)
    finally:
        served.close()
    assert done.kills >= 20 and done.phases >= 2
