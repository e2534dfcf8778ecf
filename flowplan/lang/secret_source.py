"""The ``secret:`` of a variable: the name under which its value is kept outside the stack, and read when needed.

A stack only names it. Where it is kept is for whoever runs the stack to say, so that no stack can read what was not
put there for stacks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowplan.lang.descent import describe
from flowplan.values.value import Unknown

if TYPE_CHECKING:
    from flowplan.lang.scope import Scope
    from flowplan.lang.variables import Declared

Secrets = Callable[[str], str]
"""Gives a secret by its name. Raises OSError (``strerror`` says why) or ValueError where it cannot be read."""
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"


def secret_name(scope: Scope, node: Any, at: int) -> str:
    """The name that a declaration's ``secret`` gives; "" after a report."""
    if isinstance(node, str) and re.fullmatch(_NAME, node):
        return node
    what = "is no name of a secret" if isinstance(node, str) else f"must be a name, not {describe(node)}"
    scope.fail(at, f"secret {what}", "A name has letters, digits, ., - and _, such as secret: hf-token.")
    return ""


def fetch(scope: Scope, variable: Declared, secrets: Secrets | None) -> Any:
    """The text of a variable's secret; None after a report. Without ``secrets`` nothing is read: it is unknown."""
    if secrets is None:
        return Unknown((), f"var.{variable.name}", sensitive=True)
    try:
        text = secrets(variable.secret)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        how = "where the module is called" if scope.world.module else f"as in FLOWPLAN_VAR_{variable.name}"
        scope.world.findings.at(
            variable.document,
            variable.at,
            f"the secret {variable.secret} of the variable {variable.name} cannot be read: {why}",
            f"Keep it there, or give the variable a value, {how}.",
            end=variable.at + len(variable.name),
        )
        return None
    scope.world.findings.keep_secret(text)
    return text
