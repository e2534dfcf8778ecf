"""Makes the contract suites importable."""

from __future__ import annotations

import sys
from pathlib import Path

folder = str(Path(__file__).parents[1] / "contracts")
if folder not in sys.path:
    sys.path.insert(0, folder)
