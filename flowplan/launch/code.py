"""How a task's code gets to its instances: inside the startup script, or over SSH once they run (models.md 2.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowplan.resources.attribute import Problem

EMBED_LIMIT_BYTES = 8 * 1024
"""The largest archive (tar.gz) that ``upload_strategy: auto`` embeds; the documented 8 KB.

An archive below it may still not fit beside the rest of the script: the provider takes 10,000 bytes in all, and
base64 adds a third. Then ``auto`` sends it over SSH as well.
"""
CODE_PATH = "/var/lib/flow/code.tar.gz"
"""Where an instance waits for code that comes over SSH."""

_WITHOUT = "set upload_strategy: none (or upload_code: false) and fetch the code in the command"


def needs_code(config: Mapping[str, Any]) -> bool:
    """Whether the task's working directory is to hold a copy of the user's code."""
    return bool(config.get("upload_code", True)) and config.get("upload_strategy", "auto") != "none"


def may_embed(config: Mapping[str, Any], size: int) -> bool:
    """Whether an archive of ``size`` bytes may travel in the startup script, if it fits there."""
    strategy = config.get("upload_strategy", "auto")
    return strategy == "embedded" or (strategy == "auto" and size <= EMBED_LIMIT_BYTES)


def may_upload(config: Mapping[str, Any]) -> bool:
    """Whether code may be copied over SSH once the instances run."""
    return config.get("upload_strategy", "auto") in ("auto", "scp")


def no_way(config: Mapping[str, Any], size: int) -> Problem:
    """Why an archive of ``size`` bytes cannot get to instances that nobody here can reach."""
    return Problem(
        ("upload_strategy",) if config.get("upload_strategy") == "scp" else ("upload_code",),
        f"the code is {size:,} bytes packed, which has to be copied over SSH, and instances cannot be reached from here",
        f"Install what reaches them: pip install 'flowplan[ssh]'; or point code_root at a smaller folder, or {_WITHOUT}.",
    )


def too_large(size: int, length: int, limit: int) -> Problem:
    """Why code of ``size`` bytes is not embedded: its script would be ``length`` bytes and the ``limit`` is lower."""
    return Problem(
        ("upload_code",),
        f"with the code ({size:,} bytes packed) the startup script is {length:,} bytes; the provider takes {limit:,}",
        f"Use upload_strategy: auto or scp, point code_root at a smaller folder, or {_WITHOUT}.",
    )
