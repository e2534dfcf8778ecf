"""Makes importable what is shared with the tests of the schemas."""

from __future__ import annotations

import sys
from pathlib import Path

if (place := str(Path(__file__).parents[1] / "schemas")) not in sys.path:
    sys.path.insert(0, place)
