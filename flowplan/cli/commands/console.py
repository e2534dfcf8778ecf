"""``flowplan console``: expressions typed one by one, or piped in, in the context of a stack."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from flowplan.cli.context import Context, Inputs
from flowplan.cli.given import SecretFolder
from flowplan.cli.options import stack_path, variables

if TYPE_CHECKING:
    from flowplan.cli.reading import Reading
    from flowplan.values.diagnostic import FlowplanError

_HELP = """\
Type an expression, with or without {{ }}: var.nodes * 2
A line that ends in \\ goes on in the next one.
  :vars    list the variables with their values
  :reload  read the stack's files again
  :help    show this
  :quit    leave (or Ctrl-D)"""
_LONGEST = 100_000
"""The longest line that is read, in characters."""
_LEAVE = frozenset([":quit", ":q", ":exit", "exit", "quit"])


@click.command("console")
@stack_path
@variables
def command(path: str, variables: tuple[str, ...], var_files: tuple[str, ...]) -> int:
    """Evaluate expressions in the context of the stack at PATH, one a line; :help says what else there is.

    A mistake is reported, and the next line read. Where lines are piped in and one was wrong, the exit code is 1.
    """
    from flowplan.cli.reading import Reading
    from flowplan.values.diagnostic import FlowplanError

    context = Context.make()
    inputs = Inputs(variables, var_files)
    reading = Reading.make(context, path, inputs)
    stack, found = reading.load(reading.files.all_sources)
    name = context.accept(stack, found).name
    person = sys.stdin.isatty()
    if person:
        click.echo(f"Stack {name}. Type an expression, or :help.")
    wrong = False
    for line in _lines(person):
        text = line.strip()
        try:
            if text in _LEAVE:
                break
            if text == ":help":
                click.echo(_HELP)
            elif text == ":vars":
                _variables(context, reading)
            elif text == ":reload":
                reading = Reading.make(context, path, inputs)
                context.accept(*reading.load(reading.files.all_sources))
                click.echo("The stack's files are read again.")
            elif text.startswith(":"):
                click.echo(f"There is no command {text.split()[0]}; :help lists them.", err=True)
                wrong = True
            elif text:
                _show(context, reading, text)
        except FlowplanError as error:
            _complain(context, error)
            wrong = True
    return 1 if wrong and not person else 0


def _lines(person: bool) -> Iterator[str]:
    """What is typed, line by line; lines that end in a backslash go on."""
    if person:
        import contextlib

        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  (gives input() its history)
    held = ""
    while True:
        try:
            line = input("… " if held else "> ") if person else _piped()
        except EOFError:
            if person:
                click.echo()
            if held:
                yield held
            return
        except KeyboardInterrupt:
            if not person:
                raise
            click.echo()
            held = ""
            continue
        except UnicodeDecodeError:
            click.echo("That was no UTF-8 text.", err=True)
            continue
        if line.endswith("\\") and len(held) < _LONGEST:
            held += line[:-1] + "\n"
            continue
        yield held + line
        held = ""


def _piped() -> str:
    """The next line of what is piped in; of one that is far too long, enough to be refused."""
    line = sys.stdin.readline(_LONGEST)
    if not line:
        raise EOFError
    if not line.endswith("\n"):
        while (rest := sys.stdin.readline(_LONGEST)) and not rest.endswith("\n"):
            pass
    return line.rstrip("\r\n")


def _show(context: Context, reading: Reading, text: str) -> None:
    from flowplan.cli.reading import recorded_values
    from flowplan.cli.values import render_value
    from flowplan.lang.evaluate import evaluate, settle
    from flowplan.values.diagnostic import FlowplanError
    from flowplan.values.value import is_known

    result, found = evaluate(text, reading.files.all_sources, reading.load)
    if result is None:
        raise FlowplanError(*found.in_order())
    value = result.value
    if not is_known(value):
        value = settle(value, recorded_values(context, reading, result.stack))
    click.echo(render_value(value))


def _variables(context: Context, reading: Reading) -> None:
    from flowplan.cli.commands.vars import print_variables
    from flowplan.lang.explain import explain_variables

    print_variables(
        explain_variables(reading.files.all_sources, reading.inputs, SecretFolder(context.environ))[0],
        context,
    )


def _complain(context: Context, error: FlowplanError) -> None:
    from flowplan.report.diagnostics import render_diagnostics

    click.echo(render_diagnostics(error.diagnostics, context.paint_err), err=True, nl=False)
