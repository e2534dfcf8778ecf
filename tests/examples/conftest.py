"""Offers the real program: `project`, `served`, `proxy`."""

from __future__ import annotations

import sys
from pathlib import Path

folder = str(Path(__file__).parents[1] / "process")
if folder not in sys.path:
    sys.path.insert(0, folder)

from flowplan_program import project, proxy, served  # noqa: E402, F401
