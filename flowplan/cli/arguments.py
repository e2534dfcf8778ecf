"""Spellings: the single-dash long options that Terraform users type become the double-dash ones."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SINGLE = re.compile(r"-[a-z][a-z-]+(?:=.*)?", re.DOTALL)


def double_dashes(arguments: Sequence[str]) -> list[str]:
    """``-auto-approve`` as ``--auto-approve``, ``-out=x`` as ``--out=x``; nothing after ``--`` is touched."""
    result: list[str] = []
    for index, argument in enumerate(arguments):
        if argument == "--":
            return [*result, *arguments[index:]]
        result.append(f"-{argument}" if _SINGLE.fullmatch(argument) else argument)
    return result
