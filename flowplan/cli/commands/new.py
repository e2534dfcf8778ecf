"""``flowplan new``: a stack to start from."""

from __future__ import annotations

import json
from pathlib import Path

import click

from flowplan.cli.context import Context

TEMPLATES = {
    "hello": "One task, and a volume that keeps what it wrote.",
    "pipeline": "Tasks that start when the one before has completed.",
    "training": "Nodes that train together, with checkpoints that stay.",
    "sweep": "One task for each value of a list.",
    "notebook": "A machine to work on, whose files outlive it.",
    "reservation": "Capacity for a window of time.",
}
"""Name -> what it is a start for; the files are in ``flowplan/cli/templates``."""
_FOLDER = Path(__file__).parents[1] / "templates"
_PLACE = "@NAME@"
_SCHEMA = "stack.schema.json"


@click.command("new")
@click.argument("name", required=False, metavar="[NAME]")
@click.option(
    "--template",
    type=click.Choice(list(TEMPLATES)),
    default="hello",
    show_default=True,
    help="What the stack is a start for.",
)
@click.option("--list", "listed", is_flag=True, help="List the templates.")
def command(name: str | None, template: str, listed: bool) -> int:
    """Make the folder NAME with a stack of that name, and the schema that editors check it with.

    Nothing is overwritten: a folder that holds a file of the stack's is refused.
    """
    if listed:
        width = max(map(len, TEMPLATES))
        for each, told in TEMPLATES.items():
            click.echo(f"{each.ljust(width)}  {told}")
        return 0
    if name is None:
        raise click.UsageError("NAME is missing; write flowplan new NAME, or flowplan new --list")
    folder = Path(name)
    _check(folder)
    from flowplan.lang.schema import stack_schema

    texts = {
        path.relative_to(_FOLDER / template): path.read_text(encoding="utf-8").replace(
            _PLACE, folder.resolve().name
        )
        for path in sorted((_FOLDER / template).rglob("*"))
        if path.is_file()
    }
    texts[Path(_SCHEMA)] = json.dumps(stack_schema(), indent=2, ensure_ascii=False) + "\n"
    _write(folder, texts)
    paint = Context.make().paint
    click.echo(paint("Made:", "bold"))
    for path in texts:
        click.echo(f"    {folder / path}")
    click.echo(f"\nNext:\n    flowplan plan {folder}")
    return 0


def _check(folder: Path) -> None:
    """Refuse a folder whose name cannot be a stack's."""
    from flowplan.values.address import NAME
    from flowplan.values.diagnostic import Diagnostic, FlowplanError

    own = folder.resolve().name
    if NAME.fullmatch(own) is None:
        raise FlowplanError(
            Diagnostic.error(
                f"{own!r} cannot be the name of a stack",
                suggestion="A name starts with a lower-case letter and goes on with letters, digits, - and _.",
            )
        )


def _write(folder: Path, texts: dict[Path, str]) -> None:
    """Write all files, or none where one of them is there already."""
    from flowplan.lang.files import is_stack_file
    from flowplan.values.diagnostic import Diagnostic, FlowplanError

    try:
        present = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
        taken = sorted(
            name for name in present if is_stack_file(name) or name in {str(path) for path in texts}
        )
        if taken:
            raise FlowplanError(
                Diagnostic.error(
                    f"{folder} holds {taken[0]} already",
                    "Nothing was written.",
                    suggestion="Choose another NAME, or move the file away.",
                )
            )
        for path, text in texts.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8") as stream:
                stream.write(text)
    except OSError as error:
        raise FlowplanError(
            Diagnostic.error(f"{error.filename or folder} cannot be made", f"{error.strerror or error}.")
        ) from None
