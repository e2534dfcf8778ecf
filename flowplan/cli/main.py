"""The command group, and the one place where what went wrong becomes words and an exit code."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Sequence

import click

from flowplan.cli.arguments import double_dashes
from flowplan.cli.group import LazyGroup, ReaderGone
from flowplan.values.exit_code import ExitCode

_COMMANDS = {
    "validate": ("validate", "Check a stack without touching anything."),
    "fmt": ("fmt", "Give stack files their one layout."),
    "new": ("new", "Make a stack to start from."),
    "vars": ("vars", "List the variables of a stack and where their values come from."),
    "eval": ("eval", "Print what an expression gives in a stack."),
    "console": ("console", "Evaluate expressions one by one."),
    "render": ("render", "Print a stack with everything evaluated."),
    "schema": ("schema", "Print the JSON Schema of stack files."),
    "modules": ("modules", "Pin the modules of a stack."),
    "plan": ("plan", "Show what apply would do."),
    "explain": ("explain", "Tell why something is done, or is not."),
    "apply": ("apply", "Do what the plan says."),
    "destroy": ("destroy", "Remove everything a stack has made."),
    "show": ("show", "Show a saved plan, or the recorded state."),
    "recover": ("recover", "Settle what interrupted runs began."),
    "output": ("output", "Print the outputs of a stack."),
    "state": ("state", "Look at what is recorded and was, and edit it by hand."),
    "scan": ("scan", "Compare everything live in the project with every known state."),
    "run": ("run", "Submit one task file as a one-off."),
    "status": ("status", "Show how the recorded tasks stand."),
    "logs": ("logs", "Print what tasks have written."),
    "shell": ("shell", "Open a shell on an instance of a task, or run a command there."),
    "upload": ("upload", "Copy the code of tasks to their instances, where an apply could not."),
    "wait": ("wait", "Wait until tasks run or have completed."),
    "cancel": ("cancel", "End tasks, and keep them on record as cancelled."),
    "graph": ("graph", "Draw the dependency graph."),
    "sandbox": ("sandbox", "Serve or reset the embedded sandbox."),
}
"""As `LazyGroup` wants them."""

USAGE = ExitCode.USAGE
INTERRUPTED = ExitCode.INTERRUPTED


@click.group(
    cls=LazyGroup,
    package="flowplan.cli.commands",
    table=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--chdir", metavar="DIR", help="Work in DIR instead of the current folder.")
@click.option("--no-color", is_flag=True, help="Print without colour.")
@click.pass_context
def cli(click_context: click.Context, chdir: str | None, no_color: bool) -> None:
    """Plan and apply GPU tasks, volumes and reservations from stack files."""
    if no_color:
        os.environ["NO_COLOR"] = "1"
    # Why: whether to colour is decided once, by `wants_colour`; click would take colour away again without a terminal.
    click_context.color = True
    if chdir is not None:
        try:
            os.chdir(chdir)
        except OSError as error:
            raise click.UsageError(f"--chdir {chdir}: {error.strerror}") from None


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code (docs/exit-codes.md). Never raises for what the world did."""
    collects = gc.isenabled()  # a command may switch the collector off for the rest of its own time
    given = double_dashes(arguments)
    if "--no-color" in given and "--" not in given:
        # Why: Terraform users put it after the command, where click would look for it on each command.
        given = ["--no-color", *(argument for argument in given if argument != "--no-color")]
    try:
        code = cli.main(args=given, prog_name="flowplan", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE if isinstance(error, click.UsageError) else 1
    except (KeyboardInterrupt, click.Abort):
        # Why: what was only half made when the signal came (a loop, say) would complain while it is thrown away.
        sys.unraisablehook = lambda _: None
        warnings.simplefilter("ignore")
        click.echo("Interrupted; nothing more was done.", err=True)
        return INTERRUPTED
    except (BrokenPipeError, ReaderGone):
        # Why: the reader of our output went away; Python must not complain about it once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.READER_GONE
    except Exception as error:
        return _report(error)
    finally:
        if collects:
            gc.enable()
    return code if isinstance(code, int) else 0


def _report(error: Exception) -> int:
    from flowplan.report.diagnostics import render_diagnostics
    from flowplan.report.paint import Paint, wants_colour
    from flowplan.values.diagnostic import Diagnostic, FlowplanError

    paint = Paint(wants_colour(sys.stderr.isatty(), os.environ))
    if isinstance(error, FlowplanError):
        click.echo(render_diagnostics(error.diagnostics, paint), err=True, nl=False, color=True)
        return error.exit_code
    if isinstance(error, OSError):
        problem = Diagnostic.error(f"{error.filename or 'The system'}: {error.strerror or error}")
        click.echo(render_diagnostics([problem], paint), err=True, nl=False, color=True)
        return 1
    if os.environ.get("FLOWPLAN_TRACE"):
        raise error
    problem = Diagnostic.error(
        f"flowplan itself failed: {type(error).__name__}",
        "This is a mistake in flowplan, not in your stack. What had begun is in the journal, and nothing is lost.",
        suggestion="Please report it with what FLOWPLAN_TRACE=1 prints.",
    )
    click.echo(render_diagnostics([problem], paint), err=True, nl=False, color=True)
    return 1
