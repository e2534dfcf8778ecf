"""Makes the builders of stacks and plans importable."""

from __future__ import annotations

import sys
from pathlib import Path

if (place := str(Path(__file__).parents[1] / "plan")) not in sys.path:
    sys.path.insert(0, place)
