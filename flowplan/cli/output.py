"""Standard output and error output that may go away: an apply goes on to its safe end without a reader.

A reader that ends (``apply | head``) and a terminal that is closed are no reason to leave work half done.
"""

from __future__ import annotations

import os
import sys
from typing import IO, Any

import click


def say(text: str = "", *, err: bool = False, end: bool = True) -> None:
    """Write a text, if anyone reads it still; with ``end`` a newline after it."""
    try:
        click.echo(text, err=err, nl=end)
    except (OSError, ValueError):
        _let_go(sys.stderr if err else sys.stdout)


def write(text: str) -> None:
    """Write to standard output as it is, at once."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, ValueError):
        _let_go(sys.stdout)


def is_live_terminal(environ: Any) -> bool:
    """Whether standard output is a terminal on which a table may be drawn in place."""
    try:
        is_terminal = sys.stdout.isatty()
    except ValueError:
        return False
    return is_terminal and environ.get("TERM", "dumb") != "dumb" and not environ.get("CI")


def terminal_size() -> tuple[int, int]:
    """Columns and lines of the terminal that standard output is."""
    try:
        found = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return 80, 24
    return found.columns or 80, found.lines or 24


def speaks_unicode() -> bool:
    """Whether standard output can show more than ASCII."""
    return (getattr(sys.stdout, "encoding", "") or "").lower().replace("-", "") == "utf8"


def _let_go(stream: IO[Any]) -> None:
    """Let what is written to ``stream`` from now on go nowhere, without another error, also at the end."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):
        return
