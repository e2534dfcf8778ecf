"""Makes the fault world, the builders of planning and the laws' own modules importable."""

from __future__ import annotations

import sys
from pathlib import Path

for name in ("laws", "apply", "plan", "process"):
    folder = str(Path(__file__).parents[1] / name)
    if folder not in sys.path:
        sys.path.insert(0, folder)
