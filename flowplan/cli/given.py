"""What the user gives beside a stack's files: values for variables, and the folder of secrets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowplan.cli.project import LIMIT_BYTES
from flowplan.lang.stack import Source
from flowplan.values.bounded import read_at_most
from flowplan.values.classes import frozen
from flowplan.values.diagnostic import Diagnostic, FlowplanError

if TYPE_CHECKING:
    from flowplan.lang.variables import VariableSource

_LONGEST_SECRET = 1024 * 1024
"""The largest file of a secret, in bytes."""


@frozen
class Inputs:
    """What the command line says about variables: ``--var k=v`` and ``--var-file F``, in order."""

    variables: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def variable_sources(environ: Mapping[str, str], inputs: Inputs) -> list[VariableSource]:
    """Values for variables, weakest first (stack-language.md, decision 12).

    Raises:
        FlowplanError: a file of values cannot be read.
    """
    prefix = "FLOWPLAN_VAR_"
    given = {name[len(prefix) :]: value for name, value in environ.items() if name.startswith(prefix)}
    if not (given or inputs.files or inputs.variables):
        return []
    from flowplan.lang.files import decode
    from flowplan.lang.variables import VariableSource, parse_variables

    sources = []
    if given:
        sources.append(VariableSource("FLOWPLAN_VAR_*", given, is_text=True, lenient=True))
    for name in inputs.files:
        try:
            raw = read_at_most(Path(name), LIMIT_BYTES)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not the name of a file"
            raise FlowplanError(Diagnostic.error(f"--var-file {name} cannot be read", f"{reason}.")) from None
        text, problems = decode(name, raw)
        if problems.has_errors:
            raise FlowplanError(*problems)
        values, problems = parse_variables(Source(name, text))
        if problems.has_errors:
            raise FlowplanError(*problems.in_order())
        sources.append(values)
    for pair in inputs.variables:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--var {name!r} has no value; write --var {name}=VALUE")
        sources.append(VariableSource("--var", {name: value}, is_text=True))
    return sources


@frozen
class SecretFolder:
    """Reads secrets by their names."""

    environ: Mapping[str, str]

    def __call__(self, name: str) -> str:
        """The secret called ``name``: a file in the folder that FLOWPLAN_SECRETS names, or in flowplan's own.

        Raises:
            OSError: there is none, or it cannot be read; ``strerror`` says why.
            ValueError: it is no text.
        """
        settings = Path(self.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        folder = Path(self.environ.get("FLOWPLAN_SECRETS") or settings / "flowplan" / "secrets")
        try:
            text = read_at_most(folder / name, _LONGEST_SECRET).decode("utf-8")
        except FileNotFoundError:
            raise FileNotFoundError(2, f"there is no file {folder / name}") from None
        except UnicodeDecodeError:
            raise ValueError(f"{folder / name} is not UTF-8 text") from None
        return text.removesuffix("\n").removesuffix("\r")
