"""Options that several commands share, declared once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    _SecondsType = click.ParamType[float]
else:  # the class takes no parameters in older releases
    _SecondsType = click.ParamType

F = TypeVar("F", bound=Callable[..., Any])


def stack_path(function: F) -> F:
    """PATH: the file or folder of a stack; the current folder if left out."""
    return click.argument("path", default=".", metavar="[PATH]")(function)


def variables(function: F) -> F:
    """``--var`` and ``--var-file``."""
    function = click.option(
        "--var-file",
        "var_files",
        multiple=True,
        metavar="FILE",
        help="Read values of variables from a YAML file.",
    )(function)
    return click.option(
        "--var", "variables", multiple=True, metavar="NAME=VALUE", help="Set a variable; the last one wins."
    )(function)


def refresh(function: F) -> F:
    """``--refresh=false`` plans against the recorded state alone."""
    return click.option(
        "--refresh",
        type=bool,
        is_flag=False,
        flag_value=True,
        default=True,
        metavar="BOOL",
        help="Ask the provider how things are (default), or with --refresh=false trust the recorded state.",
    )(function)


_ABOUT = {
    "--target": (
        "targets",
        "Only these and what they depend on. May be repeated; a pattern such as 'task.a*'.",
    ),
    "--exclude": ("excludes", "All but these and what depends on them. May be repeated, as --target."),
    "--replace": ("replace", "Make these anew although nothing says so. May be repeated, as --target."),
    "--allow-data-loss": ("allow_data_loss", "Allow the plan to destroy the data of these volumes."),
    "--allow-commitment-loss": (
        "allow_commitment_loss",
        "Allow the plan to give up the money paid for these reservations.",
    ),
}


def choosing(*names: str) -> Callable[[F], F]:
    """Options that take patterns of addresses: ``--target`` and the like; together they make the planner's options."""

    def decorate(function: F) -> F:
        for name in reversed(names or tuple(_ABOUT)):
            key, words = _ABOUT[name]
            option = click.option(name, key, multiple=True, metavar="ADDRESS", help=words)
            function = option(function)
        return function

    return decorate


def refresh_only(function: F) -> F:
    """``--refresh-only``."""
    return click.option(
        "--refresh-only",
        is_flag=True,
        help="Only bring the state up to date with the provider; change nothing there.",
    )(function)


def as_json(function: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")(function)


def task_addresses(function: F) -> F:
    """ADDRESS…: tasks, all instances of one, whole modules, patterns; without any, all tasks of the stack."""
    return click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")(function)


def need_tasks(addresses: tuple[str, ...], stack: str | None) -> None:
    """Refuse a command that was told neither tasks nor a stack.

    Raises:
        click.UsageError: it was not.
    """
    if not addresses and stack is None:
        raise click.UsageError("Name at least one ADDRESS, or with --stack NAME all tasks of a stack.")


def stack_name(function: F) -> F:
    """``--stack``: which recorded stack a command is about."""
    return click.option(
        "--stack", "stack", metavar="NAME", help="The stack, where more than one is recorded."
    )(function)


class Seconds(_SecondsType):
    """A duration such as 30s, 10m or 1h; a bare number is seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        from flowplan.values.quantity import parse_duration

        if isinstance(value, (int, float)):
            return float(value)
        try:
            text = f"{value}s" if re.fullmatch(r"\d+(\.\d+)?", value) else value
            return parse_duration(text).total_seconds()
        except ValueError as error:
            self.fail(str(error), param, ctx)


def lock_timeout(function: F) -> F:
    """``--lock-timeout``: how long to wait for the stack's lease, in seconds."""
    return click.option(
        "--lock-timeout",
        type=Seconds(),
        default=0.0,
        metavar="DURATION",
        help="Wait this long for the stack's lock.",
    )(function)


def applying(function: F) -> F:
    """What apply and destroy have in common: how it is done, and how it is told."""
    for option in reversed(
        (
            click.option("--auto-approve", is_flag=True, help="Do not ask."),
            click.option(
                "--parallelism",
                type=click.IntRange(1, 256),
                default=10,
                show_default=True,
                metavar="N",
                help="How many operations run at a time.",
            ),
            click.option("--fail-fast", is_flag=True, help="After the first failure start nothing new."),
            click.option(
                "--json",
                "as_json",
                is_flag=True,
                help="Print one JSON document per event (docs/events.md); needs --auto-approve or a saved plan.",
            ),
            click.option(
                "--json-into",
                metavar="FILE",
                default="",
                help="Write the events as JSON lines to FILE besides.",
            ),
            lock_timeout,
        )
    ):
        function = option(function)
    return function


def on_failure(function: F) -> F:
    """``--on-failure``: what becomes of what an apply created before it failed."""
    return click.option(
        "--on-failure",
        type=click.Choice(["keep", "undo"]),
        default="keep",
        show_default=True,
        help="When something fails: keep what was done, or stop and destroy again what this run created; never a "
        "volume that may hold data, nor a reservation.",
    )(function)
