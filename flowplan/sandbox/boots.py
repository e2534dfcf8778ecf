"""Which boot of a machine its scripts have run at: the startup script at the first, cloud-init's hooks at later ones.

Standard library only, as everything that a machine's supervisor imports.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowplan.sandbox.process import read_json, write_atomically

PER_BOOT = "var/lib/cloud/scripts/per-boot"
"""Where cloud-init looks for what to run at every boot, below a machine's root."""
HOOKS = f"""#!/bin/bash
# What cloud-init does at every boot: run what its folder holds, in order.
code=0
for hook in "${{FLOW_ROOT:-}}/{PER_BOOT}"/*; do
  if [ -x "$hook" ]; then "$hook" || code=$?; fi
done
exit "$code"
"""


def has_hooks(folder: Path) -> bool:
    """Whether a machine has something to run at its later boots."""
    with contextlib.suppress(OSError):
        return any(os.access(hook, os.X_OK) for hook in (folder / "root" / PER_BOOT).iterdir())
    return False


def last_run(folder: Path) -> int | None:
    """The number of the boot at which something was last run; None if nothing ever was, or no one noted when."""
    found = read_json(folder / "booted")
    return None if found is None else int(str(found["boots"]))


def note_run(folder: Path, boots: int) -> None:
    """Something is run at this boot, for the first time."""
    write_atomically(folder / "booted", {"boots": boots})


def awaits_hooks(folder: Path, spec: Mapping[str, Any]) -> bool:
    """Whether a machine is about to run its hooks at the boot that ``spec`` is of."""
    before = last_run(folder)
    return before is not None and before < int(str(spec["boots"])) and has_hooks(folder)
