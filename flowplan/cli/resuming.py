"""The command that goes on after an apply that was cut short: the user's own options, without any secret."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan.apply.run import Result
from flowplan.cli.context import Inputs, Loaded
from flowplan.plan.change import Action, Plan
from flowplan.plan.patterns import matcher

if TYPE_CHECKING:
    from flowplan.cli.applying import Wish

_REPEATED = {
    "targets": "--target",
    "excludes": "--exclude",
    "allow_data_loss": "--allow-data-loss",
    "allow_commitment_loss": "--allow-commitment-loss",
}


def resume_command(
    verb: str, path: str, inputs: Inputs, asked: Mapping[str, Any], options: Iterable[str], loaded: Loaded
) -> str:
    """``flowplan apply …`` as it was typed. A secret is named, and to be given again.

    ``options`` are further words as they were typed. What ``--replace`` still has to do is added by `with_replacing`.
    """
    words = ["flowplan", verb, *([path] if path != "." else [])]
    secret = {name for name, value in loaded.stack.variables.items() if value.sensitive}
    hidden = []
    for pair in inputs.variables:
        name = pair.partition("=")[0]
        if name in secret:
            hidden.append(name)
        else:
            words += ["--var", pair]
    for file in inputs.files:
        words += ["--var-file", file]
    for key, option in _REPEATED.items():
        for pattern in asked.get(key) or ():
            words += [option, pattern]
    text = shlex.join([*words, *options])
    if hidden:
        names = ", ".join(f"FLOWPLAN_VAR_{name}" for name in dict.fromkeys(hidden))
        text += f"  (with {names} set, or --var again)"
    return text


def how_words(wish: Wish) -> list[str]:
    """The options that say how a plan is applied, where they are not the usual ones."""
    words = ["--auto-approve"] if wish.approved and not wish.digest else []
    words += ["--parallelism", str(wish.parallelism)] if wish.parallelism != 10 else []
    words += ["--fail-fast"] if wish.fail_fast else []
    words += ["--on-failure", "undo"] if wish.undo else []
    return words + (["--lock-timeout", f"{wish.lock_timeout:g}s"] if wish.lock_timeout else [])


def path_from_here(loaded: Loaded) -> str:
    """The path of a stack as it can be typed in the current folder."""
    return os.path.relpath(loaded.project.root / loaded.files.label, Path.cwd())


def with_replacing(again: str, plan: Plan, result: Result, patterns: Iterable[str]) -> str:
    """``again`` with ``--replace`` for what it was asked for and was not begun: what was is not replaced twice."""
    known = list(patterns)
    if not known:
        return again
    wanted = matcher(known)
    begun = {step.address for step in result.done}
    begun |= {failure.step.address for failure in (*result.failed, *result.unknown)}
    left = [
        str(change.address)
        for change in plan.changes
        if change.action is Action.REPLACE and change.address not in begun and wanted(change.address)
    ]
    return " ".join([again, *(f"--replace {shlex.quote(address)}" for address in left)])
