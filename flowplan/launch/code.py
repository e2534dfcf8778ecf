"""Whether a task's code travels inside its startup script, and when it is too large for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.resources.attribute import Problem

CODE_LIMIT_BYTES = 4_000
"""The largest code archive (tar.gz, in bytes) that is embedded.

Why 4,000: base64 adds a third, the rest of a script takes about 4,000 characters, and the provider takes
10,000 in all. A long command can leave less room than this; rendering has the last word.
"""

_WITHOUT = "set upload_strategy: none (or upload_code: false) and fetch the code in the command"


def needs_code(config: Mapping[str, Any]) -> bool:
    """Whether the task's working directory is to hold a copy of the user's code."""
    return bool(config.get("upload_code", True)) and config.get("upload_strategy", "auto") != "none"


def code_problem(config: Mapping[str, Any], size: int) -> Problem | None:
    """Why an archive of ``size`` bytes cannot go with this task, or None if it can (or none is needed)."""
    if not needs_code(config):
        return None
    if config.get("upload_strategy") == "scp":
        return Problem(
            ("upload_strategy",),
            "code is not copied over ssh: only what fits into the startup script is sent",
            f"Use upload_strategy: embedded for code up to {CODE_LIMIT_BYTES:,} bytes packed, or {_WITHOUT}.",
        )
    if size <= CODE_LIMIT_BYTES:
        return None
    return Problem(
        ("upload_code",),
        f"the code is {size:,} bytes packed; at most {CODE_LIMIT_BYTES:,} bytes fit into the startup script",
        f"Point code_root at a smaller folder, or {_WITHOUT}.",
    )
