"""The command reference, generated from the commands themselves (docs/cli.md holds it, a test keeps it fresh)."""

from __future__ import annotations

from collections.abc import Iterator

import click

from flowplan.cli.main import cli


def render_reference() -> str:
    """Every command with its arguments and options, as Markdown."""
    return "\n".join(_lines(cli, "flowplan")) + "\n"


def _lines(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    if isinstance(command, click.Group):
        if command is not cli:
            yield from _head(command, path)
        else:
            yield from _head(command, path + " [options] COMMAND")
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _lines(inner, f"{path} {name}")
        return
    arguments = [p.make_metavar(context) for p in command.params if isinstance(p, click.Argument)]
    yield from _head(command, " ".join([path, *arguments]))


def _head(command: click.Command, usage: str) -> Iterator[str]:
    yield f"### `{usage}`"
    yield ""
    yield " ".join((command.help or "").split())
    yield ""
    context = click.Context(command)
    options = [p for p in command.params if isinstance(p, click.Option)]
    if not options:
        return
    yield "| option | meaning |"
    yield "|---|---|"
    for option in options:
        names = ", ".join(f"`{name}`" for name in option.opts)
        takes = "" if option.is_flag else f" {option.make_metavar(context)}"
        default = ""
        if option.show_default and option.default is not None:
            default = f" Default: {option.default}."
        text = f"{option.help or ''}{default}".replace("|", "\\|")
        yield f"| {names}{takes.replace('|', chr(92) + '|')} | {text} |"
    yield ""
