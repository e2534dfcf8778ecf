"""From a task's configuration to the startup script its instances run.

Pure: the same configuration and facts give the same bytes. The intent of each section comes from
models.md 2.4-2.9; every value reaches the script through an explicit shell-quoting filter.
"""

from __future__ import annotations

from flowplan.launch.code import CODE_LIMIT_BYTES, code_problem, needs_code
from flowplan.launch.render import LaunchFacts, Script, render
from flowplan.launch.size import SCRIPT_LIMIT

__all__ = [
    "CODE_LIMIT_BYTES",
    "SCRIPT_LIMIT",
    "LaunchFacts",
    "Script",
    "code_problem",
    "needs_code",
    "render",
]
