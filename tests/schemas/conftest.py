"""Makes the tests of the language importable, whose stacks are good examples."""

from __future__ import annotations

import sys
from pathlib import Path

if (place := str(Path(__file__).parents[1] / "lang")) not in sys.path:
    sys.path.insert(0, place)
