"""A group of commands that imports one only when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class ReaderGone(Exception):
    """Whoever read our output went away. Not an `OSError`, which click would turn into exit code 1."""


class LazyGroup(click.Group):
    """A group that imports a command only when it is called, and none to list them.

    ``table`` has the commands in the order people meet them: name -> (where it is, one line of help). Where it is: a
    module of ``package`` whose ``command`` it is, or ``module:attribute``.
    """

    def __init__(self, *given: Any, package: str, table: Mapping[str, tuple[str, str]], **more: Any) -> None:
        super().__init__(*given, **more)
        self._package = package
        self._table = table

    def invoke(self, context: click.Context) -> object:
        """Call the command."""
        try:
            return super().invoke(context)
        except BrokenPipeError:
            raise ReaderGone from None

    def list_commands(self, context: click.Context) -> list[str]:
        """All names, in the order people meet them."""
        return list(self._table)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import and give the command."""
        if name not in self._table:
            return None
        module, _, attribute = self._table[name][0].partition(":")
        command: click.Command = getattr(import_module(f"{self._package}.{module}"), attribute or "command")
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._table.items()])
