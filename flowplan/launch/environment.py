"""Which names and values the workload's environment can hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flowplan.resources.attribute import Problem

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# fmt: off
BASH_OWNS = frozenset({
    "_", "BASHOPTS", "BASHPID", "BASH_ALIASES", "BASH_ARGC", "BASH_ARGV", "BASH_CMDS", "BASH_COMMAND",
    "BASH_LINENO", "BASH_SOURCE", "BASH_SUBSHELL", "BASH_VERSINFO", "COMP_WORDBREAKS", "DIRSTACK", "EPOCHREALTIME", "EPOCHSECONDS",
    "EUID", "FUNCNAME", "GROUPS", "HISTCMD", "LINENO", "OLDPWD", "PPID", "PWD",
    "RANDOM", "SECONDS", "SHELLOPTS", "SHLVL", "SRANDOM", "UID",
})
# fmt: on
"""Names that bash sets itself: a value given for one of them would never arrive unchanged."""


def env_text(value: Any) -> str:
    """The text of an ``env`` value; numbers are a kindness of the model (models.md, "What we take from it", 4)."""
    return value if isinstance(value, str) else str(value)


def env_problems(env: Mapping[str, Any]) -> list[Problem]:
    """What cannot go into an environment: names that are none, names bash owns, values no program can get."""
    problems = []
    for name, value in env.items():
        path = ("env", name)
        if _IDENTIFIER.fullmatch(name) is None:
            fixed = re.sub(r"[^A-Za-z0-9_]", "_", name)
            fixed = fixed if _IDENTIFIER.fullmatch(fixed) else f"_{fixed}"
            problems.append(
                Problem(
                    path,
                    f"{name!r} is not the name of an environment variable: letters, digits and _ only, "
                    "and no digit first",
                    f"Call it {fixed}.",
                )
            )
        elif name in BASH_OWNS:
            problems.append(
                Problem(
                    path,
                    f"{name} is set by the shell itself, so a value given here would be lost",
                    "Choose another name.",
                )
            )
        text = env_text(value)
        if "\0" in text:
            problems.append(
                Problem(path, "the value holds a NUL character, which no environment can carry", "Remove it.")
            )
        elif any("\ud800" <= character <= "\udfff" for character in text):
            problems.append(
                Problem(path, "the value holds a lone surrogate, which is not valid text", "Remove it.")
            )
    return problems
