"""Finding and opening the sandbox that a command is about, and printing tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flowplan.cli.context import Context
from flowplan.report.paint import clean

if TYPE_CHECKING:
    from flowplan.sandbox.sandbox import Sandbox

F = TypeVar("F", bound=Callable[..., Any])


def home_option(function: F) -> F:
    """``--home``: the folder of the sandbox."""
    return click.option(
        "--home", metavar="DIR", help="The sandbox's folder; by default the one of this project."
    )(function)


def folder(home: str | None) -> Path:
    """The sandbox's folder."""
    from flowplan.cli.project import find_project

    return Path(home) if home else find_project(Path.cwd(), Context.make().environ).state / "sandbox"


@contextmanager
def opened(home: str | None) -> Iterator[Sandbox]:
    """The sandbox, open."""
    from flowplan.sandbox import open_sandbox

    sandbox = open_sandbox(folder(home))
    try:
        yield sandbox
    finally:
        sandbox.close()


def dollars(cents: int) -> str:
    """A price or an amount, for people."""
    from flowplan.values.quantity import Money

    return str(Money(cents))


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns as wide as they need be; those whose title ends in ``>`` are aligned to the right."""
    heads = [title.rstrip(">") for title in titles]
    cells = [[clean(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        parts = [
            cell.rjust(width) if title.endswith(">") else cell.ljust(width)
            for title, cell, width in zip(titles, row, widths, strict=True)
        ]
        return "  ".join(parts).rstrip()

    return [line(heads), *(line(row) for row in cells)]
