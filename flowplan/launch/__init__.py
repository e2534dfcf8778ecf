"""From a task's configuration to the startup script its instances run.

Pure: the same configuration and facts give the same bytes. The intent of each section comes from
models.md 2.4-2.9; every value reaches the script through an explicit shell-quoting filter.
"""

from __future__ import annotations

from flowplan.launch.code import CODE_PATH, EMBED_LIMIT_BYTES, needs_code
from flowplan.launch.render import Ending, LaunchFacts, Script, ends_itself, render
from flowplan.launch.size import SCRIPT_LIMIT

__all__ = [
    "CODE_PATH",
    "EMBED_LIMIT_BYTES",
    "SCRIPT_LIMIT",
    "Ending",
    "LaunchFacts",
    "Script",
    "ends_itself",
    "needs_code",
    "render",
]
