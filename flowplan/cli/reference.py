"""The command reference, generated from the commands themselves (docs/cli.md holds it, a test keeps it fresh)."""

from __future__ import annotations

from collections.abc import Iterator

import click

from flowplan.cli.main import cli


def render_reference() -> str:
    """Every command with its arguments and options, as Markdown."""
    lines = [*_head(cli, "flowplan [OPTIONS] COMMAND")]
    for path, command in commands():
        if not isinstance(command, click.Group):
            context = click.Context(command)
            arguments = [p.make_metavar(context) for p in command.params if isinstance(p, click.Argument)]
            lines += _head(command, " ".join([path, *arguments]))
    return "\n".join(lines)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and group below ``flowplan``, as it is typed."""
    yield from _below(cli, "flowplan")


def _below(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, "a group lists what it has"
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _below(command, f"{path} {name}")


def _head(command: click.Command, usage: str) -> Iterator[str]:
    yield from (f"### `{usage}`", "", " ".join((command.help or "").split()), "")
    options = [p for p in command.params if isinstance(p, click.Option)]
    if options:
        yield "| option | meaning |"
        yield "|---|---|"
        for option in options:
            yield _row(option, click.Context(command))
        yield ""


def _row(option: click.Option, context: click.Context) -> str:
    # Why in this order: click keeps them as they were declared, and people look for the long one.
    names = sorted(option.opts, key=len, reverse=True)
    takes = "" if option.is_flag else f" {_value(option, context)}"
    written = ", ".join(f"`{name}{takes}`" for name in names)
    words = [option.help or "", "May be repeated." if option.multiple else "", _default(option)]
    meaning = " ".join(word for word in words if word)
    return f"| {_cell(written)} | {_cell(meaning)} |"


def _value(option: click.Option, context: click.Context) -> str:
    """What is written after the option: its own word, the choices, or N for a number."""
    if option.metavar is None and isinstance(option.type, click.types.IntParamType):
        return "N"
    return option.make_metavar(context).strip("[]")


def _default(option: click.Option) -> str:
    """What holds when it is left out; "" where that is nothing, or the help says so."""
    default = option.default
    if isinstance(default, bool) or not isinstance(default, (str, int, float)):
        return ""
    return f"Default: {default if isinstance(default, str) else format(default, 'g')}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
