"""Offers the real program: `project`, `served`, `proxy`; and makes the scripted server importable."""

from __future__ import annotations

import sys
from pathlib import Path

for folder in ("process", "provider", "cli"):
    if (place := str(Path(__file__).parents[1] / folder)) not in sys.path:
        sys.path.insert(0, place)

from flowplan_program import project, proxy, served  # noqa: E402, F401
from inline import inline  # noqa: E402, F401
